"""What MLflow loads of a registered model: raw rows of a data frame in, what `/predict/batch` answers out.

The stored model holds no code. Its MLmodel file names this module, so the kit has to be installed where MLflow loads it, and the
bundle beside it is verified, read and asked by the same code as in the service.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException

from lockgate.data.columns import SameValue, are_codes
from lockgate.data.source_table import value_text
from lockgate.registry.artifacts import BUNDLE_FOLDER
from lockgate.service.api.errors import Refusal
from lockgate.service.api.response_types import BatchAnswer
from lockgate.service.bundle import read_bundle
from lockgate.service.metrics.counters import SharedCounters
from lockgate.service.metrics.layouts import ModelLayout
from lockgate.service.scoring.predictor import Predictor
from lockgate.service.settings import MAX_BATCH_ROWS, Settings

# Whatever else stands in a cell is a text then, which no number is and no category matches.
_encode = msgspec.json.Encoder(enc_hook=str).encode


class DataFrameModel:
    """A bundle that scores data frames: numbers of any type, categories as text or as the codes that they are, and None or NaN
    where a value is missing."""

    def __init__(self, folder: Path) -> None:
        """Raises InputError where the bundle in `folder` is damaged or does not give its golden probabilities."""
        bundle = read_bundle(folder)
        layout = ModelLayout(bundle.profile, bundle.digest)
        metrics = SharedCounters(layout, workers=1).model(0, layout, worker=0)  # nobody reads them here
        self._predictor = Predictor(bundle, "ungated", Settings(), metrics)
        self._names = bundle.schema.feature_names
        self._codes = {
            one.name: SameValue(one.categories)
            for one in bundle.schema.features
            if one.kind == "categorical" and are_codes(one.categories)
        }

    def predict(self, model_input: pd.DataFrame, params: object = None) -> pd.DataFrame:
        """`probability` and `decision` of each row, with the index of the rows; a column that is not there is missing.

        Raises MlflowException, which a server answers with 400, where /predict refuses a row, and says which and why.
        """
        columns = [
            _json_values(model_input[name], self._codes.get(name)) if name in model_input else None
            for name in self._names
        ]
        absent = [None] * len(model_input)
        rows = [
            dict(zip(self._names, row, strict=True))
            for row in zip(*(absent if one is None else one for one in columns), strict=True)
        ]
        answers = [
            prediction
            for start in range(0, len(rows), MAX_BATCH_ROWS)
            for prediction in self._score(rows[start : start + MAX_BATCH_ROWS], start).rows
        ]
        return pd.DataFrame(
            {
                "probability": np.array([one.probability for one in answers], dtype=np.float64),
                "decision": pd.Series([one.decision for one in answers], dtype="str").to_numpy(),
            },
            index=model_input.index,
        )

    def _score(self, rows: Sequence[object], start: int) -> BatchAnswer:
        try:
            return msgspec.json.decode(self._predictor.predict_batch(_encode({"rows": rows}), ""), type=BatchAnswer)
        except Refusal as refusal:
            raise MlflowException.invalid_parameter_value(_reason(refusal, start)) from None


def _json_values(column: pd.Series, codes: SameValue | None) -> list[object]:
    values = [_json_value(value) for value in column.astype(object).where(column.notna(), None)]
    return values if codes is None else [_code(value, codes) for value in values]


def _code(value: object, codes: SameValue) -> object:
    """The category that a number or truth value is: 1 is "1", else "01"; whatever else it is, the service refuses."""
    return codes.text_of(value_text(value)) if isinstance(value, (bool, int, float)) else value


def _json_value(value: object) -> object:
    plain = value.item() if isinstance(value, np.generic) else value
    # JSON has no infinity: the largest number is beyond every bound as well, and so refused as one.
    return math.copysign(sys.float_info.max, plain) if isinstance(plain, float) and math.isinf(plain) else plain


def _reason(refusal: Refusal, start: int) -> str:
    """Where and why, a problem after the other; rows are counted from 0, as in the data frame."""
    found = []
    for problem in refusal.problems:
        row, *names = problem.loc[2:] or ("",)
        place = f"row {start + row}" if isinstance(row, int) else "the rows"
        found.append(f"{' '.join([place, *(f'`{name}`' for name in names)])}: {problem.msg}")
    return "; ".join(found)


def _load_pyfunc(path: str) -> DataFrameModel:
    """By this name MLflow asks for the model whose files are in `path`."""
    return DataFrameModel(Path(path) / BUNDLE_FOLDER)
