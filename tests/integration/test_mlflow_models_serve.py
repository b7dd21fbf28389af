"""`mlflow models serve` on a registered model, beside `lockgate serve`: the same raw rows get the same answers."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import copy_project
from serving import Client, applicants
from support import SMALL, invoke, succeed, write_params

from lockgate.service.bundle import read_bundle
from lockgate.service.settings import Settings
from lockgate.service.worker import Worker

MODEL = "models:/credit-default-classifier@challenger"
JSON, PARQUET = "application/json", "application/vnd.apache.parquet"


@pytest.fixture(scope="module", params=["xgboost", "lightgbm"])
def project(request: pytest.FixtureRequest, trained_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose model is registered; not to be changed."""
    folder = tmp_path_factory.mktemp(request.param) / "project"
    if request.param == "xgboost":
        copy_project(trained_project, folder)
    else:
        folder.mkdir()
        write_params(folder, {**SMALL, "train": {**SMALL["train"], "model": request.param}})
        for command in ("prepare", "train", "evaluate", "gate"):
            succeed(invoke(folder, command))
    succeed(invoke(folder, "register"))
    return folder


@pytest.fixture(scope="module")
def url(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where `mlflow models serve` answers, started by who has only the registry's address."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        ["mlflow", "models", "serve", "--model-uri", MODEL, "--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)],
        cwd=elsewhere, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        env={**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{project / 'mlflow.db'}", "MLFLOW_DISABLE_TELEMETRY": "true"},
    )  # fmt: skip
    try:
        for _ in range(240):
            assert process.poll() is None, "mlflow models serve ended by itself"
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=1)
                break
            except OSError:
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        os.killpg(process.pid, 15)
        process.wait(timeout=60)


@pytest.fixture(scope="module")
def service(project: Path) -> Client:
    """`lockgate serve` on the bundle that was registered."""
    return Client(Worker(read_bundle(project / "models"), "pass", Settings()))


@pytest.fixture(scope="module")
def rows(project: Path) -> list[dict[str, Any]]:
    """Applicants as a client sends them; some have missing values."""
    return applicants(project / "data/current.parquet", read_bundle(project / "models").schema)[:50]


def ask(url: str, body: bytes, kind: str = JSON) -> tuple[int, Any]:
    request = urllib.request.Request(url, body, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.full
def test_raw_rows_get_the_probabilities_of_predict(
    url: str, service: Client, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    assert any(value is None for row in rows for value in row.values())
    expected = [
        {name: answer.json[name] for name in ("probability", "decision")}
        for answer in (service.ask("/predict", row) for row in rows)
    ]
    assert ask(url, json.dumps({"dataframe_records": rows}).encode()) == (200, {"predictions": expected})
    split = {"columns": list(rows[0]), "data": [list(row.values()) for row in rows]}
    assert ask(url, json.dumps({"dataframe_split": split}).encode()) == (200, {"predictions": expected})
    assert ask(url, json.dumps({"dataframe_records": rows[:1]}).encode()) == (200, {"predictions": expected[:1]})
    pd.DataFrame(rows).to_parquet(tmp_path / "rows.parquet")
    assert ask(url, (tmp_path / "rows.parquet").read_bytes(), PARQUET) == (200, {"predictions": expected})


@pytest.mark.full
@pytest.mark.parametrize(
    ("column", "value"),
    [("term_months", None), ("term_months", 3.5), ("interest_rate", "high"), ("housing", "castle"),
     ("housing", 7), ("income", True)],
)  # fmt: skip
def test_what_predict_refuses_is_refused_for_the_same_reason(
    url: str, service: Client, rows: list[dict[str, Any]], column: str, value: object
) -> None:
    spoilt = {**rows[0], column: value}
    refused = service.ask("/predict", spoilt)
    assert refused.status == 422
    (problem,) = refused.json["detail"]
    status, said = ask(url, json.dumps({"dataframe_records": [spoilt]}).encode())
    assert status == 400
    assert f"row 0 `{column}`: {problem['msg']}" in said["message"]


@pytest.mark.full
def test_a_row_without_a_column_that_must_be_there_is_refused(url: str, rows: list[dict[str, Any]]) -> None:
    without = {name: value for name, value in rows[0].items() if name != "term_months"}
    status, said = ask(url, json.dumps({"dataframe_records": [without]}).encode())
    assert status == 400
    assert "missing inputs ['term_months']" in said["message"]
