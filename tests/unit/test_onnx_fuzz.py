"""A thousand damaged models of each flavour: none ends the process that opens it, and none makes it hang."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from onnx_mutants import mutant
from support import sample
from tabular import ROWS, feature, samples_of, schema_of, table_of

from lockgate.config.params import LightGBMTrain, ScorecardTrain, XGBoostTrain
from lockgate.model.features import code_matrix, model_frame
from lockgate.model.flavours.table import FLAVOURS
from lockgate.model.onnx_runtime import OnnxModel

SECTIONS: dict[str, Any] = {
    "xgboost": XGBoostTrain(num_boost_round=12, max_depth=4, nthread=1),
    "lightgbm": LightGBMTrain(num_boost_round=12, num_threads=1, min_data_in_leaf=5),
    "scorecard": ScorecardTrain(),
}
SCHEMA = schema_of(feature("a", 0), feature("b", 9), feature("c", 0), feature("d", 3))
NUMBER = 1000
AT_ONCE = 50


@cache
def trained(flavour: str) -> tuple[bytes, np.ndarray[Any, Any]]:
    """A model of the flavour as ONNX, and rows to score with it."""
    table = table_of(SCHEMA, ROWS, 3, 0.1)
    fitted = FLAVOURS[flavour].load().fit(*samples_of(SCHEMA, table), SECTIONS[flavour], SCHEMA, lambda *_: None)
    return fitted.model.onnx(SCHEMA.feature_names), code_matrix(model_frame(table, SCHEMA))


def test_no_damaged_model_ends_a_process_or_hangs(tmp_path: Path) -> None:
    """Each is refused in one line or scores; who scores otherwise than before is refused by the golden predictions."""
    outcomes: Counter[str] = Counter()
    for flavour in SECTIONS:
        content, rows = trained(flavour)
        seeds = sample(range(NUMBER), 40)
        for start in range(0, len(seeds), AT_ONCE):
            folder = tmp_path / f"{flavour}-{start}"
            folder.mkdir()
            np.save(folder / "rows.npy", rows)
            np.save(folder / "golden.npy", OnnxModel.read(content, rows.shape[1]).many(rows))
            for seed in seeds[start : start + AT_ONCE]:
                (folder / f"{seed:04}.onnx").write_bytes(mutant(content, seed))
            child = [sys.executable, Path(__file__).parents[1] / "onnx_mutants.py", folder]
            ran = subprocess.run(child, capture_output=True, text=True, check=False, timeout=300)
            assert ran.returncode == 0, f"{ran.returncode} at {ran.stdout[-200:]}\n{ran.stderr[-2000:]}"
            lines = ran.stdout.splitlines()
            assert [line[:4] for line in lines] == [f"{seed:04}" for seed in sorted(seeds[start : start + AT_ONCE])]
            outcomes.update(line[5:].split(":")[0] for line in lines)
    # The mutants try something: most are refused, some reach the runtime, and not all of those score as before.
    assert set(outcomes) == {"refused", "same", "others"}
    assert outcomes["refused"] > outcomes.total() // 2
