"""Columns and categories may be called anything: the whole pipeline on names that some tool stumbles over."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from support import invoke, succeed, write_params

ODD = [
    "größe",
    "收入",
    "a | b",
    "`tick`",
    "it's",
    "café",
    "-less",
    "50%",
    "a,b",
    "🙂",
    "{{ x }}",
    "$x_{$",
    "@everyone",
    "Missing",
]


def test_odd_names_go_all_the_way(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    rows = 1200
    table = pd.DataFrame({name: random.normal(size=rows).round(2) for name in ODD})
    table["kind | of"] = random.choice(["größer", "missing", "a|b", "`", "<script>", "null"], rows)
    odds = table["größe"] + (table["kind | of"] == "`") - 1.2
    table["default"] = (random.random(rows) < 1 / (1 + np.exp(-2 * odds))).astype(int)
    table.to_parquet(tmp_path / "odd.parquet")
    write_params(
        tmp_path,
        {
            "prepare": {"source": "odd.parquet", "audit_columns": ["@everyone"]},
            "train": {"num_boost_round": 30, "monotone": {"größe": 1, "a | b": -1}},
            "evaluate": {"floors": {"roc_auc": 0.6}, "ceilings": {}, "slices": ["kind | of", "收入"]},
        },
    )
    for command in ("prepare", "train", "evaluate", "gate", "drift", "report", "register"):
        succeed(invoke(tmp_path, command))
    model = json.loads((tmp_path / "models/model.json").read_text())
    assert set(model["learner"]["feature_names"]) == {*ODD, "kind | of"} - {"@everyone"}
    page = (tmp_path / "reports/report.html").read_text()
    assert "<script>" not in page
    assert "größe" in page
