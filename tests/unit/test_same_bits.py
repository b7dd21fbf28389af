"""A row has the same probability, bit for bit, alone and among any number of others, whatever kind of model it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tabular import ROWS, feature, samples_of, schema_of, table_of

from lockgate.config.params import LightGBMTrain, ScorecardTrain, XGBoostTrain
from lockgate.model.features import code_matrix, model_frame
from lockgate.model.flavours.table import FLAVOURS
from lockgate.model.onnx_runtime import OnnxModel

SECTIONS: dict[str, Any] = {
    "xgboost": XGBoostTrain(num_boost_round=150, learning_rate=0.1, early_stopping_rounds=None, nthread=1),
    "lightgbm": LightGBMTrain(num_boost_round=150, learning_rate=0.1, early_stopping_rounds=None, num_threads=1),
    "scorecard": ScorecardTrain(),
}


@pytest.mark.parametrize("kind", FLAVOURS)
def test_a_row_has_the_same_bits_alone_and_among_others(kind: str) -> None:
    schema = schema_of(*(feature(f"n{place}", 0) for place in range(9)), feature("b", 40), feature("c", 3))
    fitted = (
        FLAVOURS[kind]
        .load()
        .fit(*samples_of(schema, table_of(schema, ROWS, 3, 0.1)), SECTIONS[kind], schema, lambda *_: None)
    )
    model = OnnxModel.read(fitted.model.onnx(schema.feature_names), len(schema.features))
    rows = code_matrix(model_frame(table_of(schema, 3_001, 4, 0.1), schema))
    together = model.many(rows)
    assert len(set(together)) > 500
    for size in (1, 2, 3, 7, 8, 31, 64, 100, 1000):
        parts = [model.many(rows[start : start + size]) for start in range(0, 1_000, size)]
        assert np.array_equal(np.concatenate(parts)[:1_000], together[:1_000]), size
    assert [model.one(row.tolist()) for row in rows[:1_000]] == together[:1_000].tolist()
