"""A thousand damaged boosters of each library: none ends the process that opens it, and what explains is what scores."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from booster_mutants import mutant
from support import sample
from tabular import ROWS, feature, samples_of, schema_of, table_of

from lockgate.config.params import LightGBMTrain, XGBoostTrain
from lockgate.model.features import code_matrix, model_frame
from lockgate.model.flavours.lightgbm_text import LightGBMForm
from lockgate.model.flavours.table import FLAVOURS
from lockgate.model.flavours.xgboost_json import XGBoostForm

SECTIONS: dict[str, Any] = {
    "xgboost": XGBoostTrain(num_boost_round=12, max_depth=4, nthread=1),
    "lightgbm": LightGBMTrain(num_boost_round=12, num_threads=1, min_data_in_leaf=5),
}
FORMS: dict[str, Any] = {"xgboost": XGBoostForm, "lightgbm": LightGBMForm}
SCHEMA = schema_of(feature("a", 0), feature("b", 9), feature("c", 0), feature("d", 3))
NUMBER, QUICK = 1000, 60
AT_ONCE = 100


@pytest.mark.parametrize("flavour", SECTIONS)
def test_no_damaged_booster_ends_a_process_or_explains_another_model(tmp_path: Path, flavour: str) -> None:
    table = table_of(SCHEMA, ROWS, 3, 0.1)
    fitted = FLAVOURS[flavour].load().fit(*samples_of(SCHEMA, table), SECTIONS[flavour], SCHEMA, lambda *_: None)
    (content,) = fitted.model.files().values()
    rows = code_matrix(model_frame(table, SCHEMA))[:50]
    outcomes: Counter[str] = Counter()
    seeds = sample(range(NUMBER), QUICK)
    for start in range(0, len(seeds), AT_ONCE):
        folder = tmp_path / str(start)
        folder.mkdir()
        (folder / "schema.json").write_bytes(SCHEMA.to_bytes())
        np.save(folder / "rows.npy", rows)
        np.save(folder / "expected.npy", FORMS[flavour].read(content, SCHEMA.features).explainer()(rows))
        for seed in seeds[start : start + AT_ONCE]:
            (folder / f"{seed:04}.mutant").write_bytes(mutant(flavour, content, seed))
        child = [sys.executable, Path(__file__).parents[1] / "booster_mutants.py", flavour, folder]
        ran = subprocess.run(child, capture_output=True, text=True, check=False, timeout=300)
        assert ran.returncode == 0, f"{ran.returncode} at {ran.stdout[-200:]}\n{ran.stderr[-2000:]}"
        lines = ran.stdout.splitlines()
        assert [line[:4] for line in lines] == [f"{seed:04}" for seed in sorted(seeds[start : start + AT_ONCE])]
        outcomes.update(line[5:].split(":")[0] for line in lines)
    # The mutants try something: most are refused, some reach the library, and not all of those explain as before.
    assert set(outcomes) == {"refused", "same", "others"}
    assert outcomes["refused"] > outcomes.total() // 3
