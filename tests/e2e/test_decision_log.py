"""What the service decided is the next drift run's batch: served, logged, and measured as if it had come by file."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import Run
from support import succeed

from lockgate.documents.schema_json import Schema


def ask(project: Path, batches: list[list[dict[str, Any]]]) -> None:
    """Serve the project with a decision log, send the batches, and end the service as an orchestrator does."""
    command = [sys.executable, "-m", "lockgate", "serve", "--port", "0", "--drain-seconds", "0"]
    options = ["--decision-log", "decisions", "--log-rows", "400"]
    service = subprocess.Popen([*command, *options], cwd=project, stderr=subprocess.PIPE, text=True)
    try:
        assert service.stderr
        ready = next(line for line in map(json.loads, service.stderr) if line["event"] == "ready")
        port = int(ready["url"].rpartition(":")[2])
        for rows in batches:
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            client.request("POST", "/predict/batch", json.dumps({"rows": rows}), {"content-type": "application/json"})
            answer = client.getresponse()
            assert answer.status == 200, answer.read()
            client.close()
        service.send_signal(signal.SIGTERM)
        assert service.wait(timeout=60) == 0
    finally:
        service.kill()
        service.wait()


@pytest.mark.full
def test_drift_of_a_decision_log_is_drift_of_what_was_sent(project: Path, run: Run) -> None:
    names = Schema.read_file(project / "models/schema.json").feature_names
    sent = pd.read_parquet(project / "data/current.parquet")[names].astype(object)
    rows = [{name: None if pd.isna(value) else value for name, value in row.items()} for row in sent.to_dict("records")]
    ask(project, [rows[start : start + 300] for start in range(0, len(rows), 300)])
    logged = list((project / "decisions").glob("*.parquet"))
    assert logged
    succeed(run("drift"))
    expected = json.loads((project / "reports/drift.json").read_text())
    succeed(run("drift", "--current", "decisions", "--time", "now"))
    found = json.loads((project / "reports/drift.json").read_text())
    assert found["n_current"] == len(rows)
    assert found["model"] == expected["model"]
    assert {one["name"]: one["status"] for one in found["features"]} == {
        one["name"]: one["status"] for one in expected["features"]
    }
    for one, other in zip(found["features"], expected["features"], strict=True):
        assert (one["psi"], one["bins"]) == (other["psi"], other["bins"]), one["name"]
