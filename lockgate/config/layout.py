"""Where everything is, relative to the folder of `params.yaml`'s project: the working directory."""

from __future__ import annotations

from pathlib import Path

PARAMS = Path("params.yaml")

DATA = Path("data")
TRAIN_DATA = DATA / "train.parquet"
TEST_DATA = DATA / "test.parquet"
CURRENT_DATA = DATA / "current.parquet"
DATA_SCHEMA = DATA / "schema.json"

MODELS = Path("models")

REPORTS = Path("reports")
TRAIN_REPORT = REPORTS / "train.json"
PREDICTIONS = REPORTS / "predictions.parquet"
METRICS = REPORTS / "metrics.json"
PLOTS = REPORTS / "plots"
GATE = REPORTS / "gate.json"
GATE_ENVELOPE = REPORTS / "gate.json.dsse"
TEST_SET_HISTORY = REPORTS / "test_set_history.json"
DRIFT = REPORTS / "drift.json"
DRIFT_HTML = REPORTS / "drift.html"
REPORT_MARKDOWN = REPORTS / "report.md"
REPORT_HTML = REPORTS / "report.html"
