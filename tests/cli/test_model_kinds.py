"""`train.model`: LightGBM from data to a served prediction, a project that trains its own model, and what is not there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
from conftest import Run
from serving import Client, Server, applicants
from support import SMALL, assert_refused, invoke, succeed, tree, write_params

from lockgate.model.bundle import Bundle, verify_bundle
from lockgate.model.features import code_matrix, model_frame
from lockgate.model.flavours import table
from lockgate.model.onnx_runtime import TOLERANCE
from lockgate.service.bundle import read_bundle
from lockgate.service.settings import Settings
from lockgate.service.worker import Worker

LIGHTGBM = {
    "model": "lightgbm",
    "num_boost_round": 80,
    "early_stopping_rounds": 20,
    "learning_rate": 0.1,
    "num_leaves": 15,
    "monotone": {"utilisation": 1},
    "num_threads": 1,
}


@pytest.fixture(scope="module")
def lightgbm_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose model is LightGBM's, from prepare to register; not to be changed."""
    folder = tmp_path_factory.mktemp("lightgbm")
    write_params(folder, {**SMALL, "train": LIGHTGBM})
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)  # MLflow leaves there what an earlier test connected to
        for command in ("prepare", "train", "evaluate", "gate"):
            succeed(invoke(folder, command))
        succeed(invoke(folder, "register", "--promote"))
    return folder


@pytest.fixture(scope="module")
def bundle(lightgbm_project: Path) -> Bundle:
    """The project's bundle."""
    return verify_bundle(lightgbm_project / "models")


@pytest.fixture(scope="module")
def server(lightgbm_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`lockgate serve` on that bundle, which passed its gate."""
    found = Server(lightgbm_project, (), tmp_path_factory.mktemp("server") / "log")
    yield found
    found.kill()


def own_scores(bundle: Bundle, path: Path) -> np.ndarray:
    """LightGBM's own probabilities for the rows of a table."""
    booster = lightgbm.Booster(model_str=bundle.contents["model.txt"].decode())
    return np.asarray(booster.predict(code_matrix(model_frame(pd.read_parquet(path), bundle.schema))))


def test_the_bundle_has_the_native_text_and_nothing_of_xgboost(bundle: Bundle) -> None:
    assert set(bundle.files) == {"model.txt", "model.onnx", "schema.json", "profile.json", "golden.json"}


def test_the_test_rows_are_judged_by_the_librarys_scores(lightgbm_project: Path, bundle: Bundle) -> None:
    predictions = pd.read_parquet(lightgbm_project / "reports/predictions.parquet")
    expected = own_scores(bundle, lightgbm_project / "data/test.parquet")
    assert np.abs(predictions.y_score - expected).max() <= TOLERANCE
    assert json.loads((lightgbm_project / "reports/gate.json").read_text())["verdict"] == "pass"


def test_a_served_prediction_is_the_librarys_own(lightgbm_project: Path, bundle: Bundle, server: Server) -> None:
    path = lightgbm_project / "data/current.parquet"
    rows, expected = applicants(path, bundle.schema), own_scores(bundle, path)
    assert any(value is None for row in rows[:100] for value in row.values())
    for row, probability in zip(rows[:100], expected, strict=False):
        status, _, body = server.ask("POST", "/predict", json.dumps(row).encode())
        assert status == 200
        assert json.loads(body)["probability"] == pytest.approx(probability, abs=TOLERANCE)
    _, _, body = server.ask("POST", "/predict/batch", json.dumps({"rows": rows[:1000]}).encode())
    found = [one["probability"] for one in json.loads(body)["rows"]]
    assert np.abs(np.array(found) - expected[:1000]).max() <= TOLERANCE


def test_smoke_and_drift_take_it_as_any_other(lightgbm_project: Path, server: Server) -> None:
    host, port = server.address
    succeed(invoke(lightgbm_project, "smoke", f"http://{host}:{port}"))
    succeed(invoke(lightgbm_project, "drift"))
    drift = json.loads((lightgbm_project / "reports/drift.json").read_text())
    assert drift["features"][-1]["kind"] == "score"
    assert drift["features"][-1]["psi"] > 0


def test_the_registered_bundle_comes_back_whole(lightgbm_project: Path, bundle: Bundle, tmp_path: Path) -> None:
    write_params(tmp_path, {**SMALL, "train": LIGHTGBM})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{lightgbm_project / 'mlflow.db'}")
        succeed(invoke(tmp_path, "pull"))
    assert verify_bundle(tmp_path / "models").digest == bundle.digest


def test_it_explains_itself(lightgbm_project: Path, bundle: Bundle) -> None:
    client = Client(Worker(read_bundle(lightgbm_project / "models"), "pass", Settings()))
    row = applicants(lightgbm_project / "data/current.parquet", bundle.schema)[0]
    found = client.ask("/explain", row).json
    log_odds = found["base"] + sum(found["contributions"].values())
    assert 1 / (1 + np.exp(-log_odds)) == pytest.approx(client.ask("/predict", row).json["probability"], abs=TOLERANCE)


def test_without_what_explains_there_is_no_explain(lightgbm_project: Path) -> None:
    served = replace(read_bundle(lightgbm_project / "models"), native=None)
    client = Client(Worker(served, "pass", Settings()))
    row = applicants(lightgbm_project / "data/current.parquet", served.schema)[0]
    assert client.ask("/predict", row).status == 200
    assert (client.ask("/explain", row).status, client.ask("/explain", row).json["code"]) == (404, "not-found")
    document = client.ask("/openapi.json").json
    assert "/explain" not in document["paths"]
    assert "ExplainAnswer" not in document["components"]["schemas"]
    assert b"/explain" not in client.ask("/docs").body
    assert {"/predict", "/predict/batch", "/drift"} <= set(document["paths"])


def test_a_project_that_trains_its_own_model_is_told_how(project: Path, run: Run) -> None:
    before = tree(project / "models")
    write_params(project, {**SMALL, "train": {"model": "own", "layers": [64, 32], "dropout": 0.1}})
    assert_refused(run("train"), "train.model is `own`", "dvc repro train")
    assert tree(project / "models") == before


def test_a_library_that_is_not_installed_is_named_with_its_extra(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_params(project, {**SMALL, "train": {"model": "lightgbm"}})
    monkeypatch.setattr(table, "is_installed", lambda module: module != "lightgbm")
    assert_refused(run("train"), "lightgbm", "pip install 'lockgate[lightgbm]'")


@pytest.mark.parametrize(
    ("train", "words"),
    [
        ({"model": "catboost"}, ("`train.model`", "`catboost`", "known are xgboost, lightgbm, scorecard, own")),
        ({"model": "lightgbm", "num_leafs": 7}, ("unknown key `train.num_leafs`", "did you mean `num_leaves`")),
        ({"max_dept": 3}, ("unknown key `train.max_dept`", "did you mean `max_depth`")),
        ({"model": "lightgbm", "subsample": 0.5, "bagging_fraction": 0.5}, ("same parameter",)),
        ({"model": "lightgbm", "monotone": {"income": 2}}, ("`train.monotone.income`", "-1, 0 or 1")),
        ({"model": "own", "seed": -1}, ("`train.seed`",)),
    ],
)
def test_a_section_of_another_kind_of_model_is_refused(
    tmp_path: Path, train: dict[str, Any], words: tuple[str, ...]
) -> None:
    write_params(tmp_path, {**SMALL, "train": train})
    assert_refused(invoke(tmp_path, "train"), "params.yaml", *words)
