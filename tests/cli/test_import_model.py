"""`lockgate import-model`: a scikit-learn pipeline as ONNX, from its file to a served prediction; and what is no such model."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from exported_models import convert_booleans, exported_pipeline, fitted_pipeline, loans
from imaging.context import BUNDLE, build_context
from imaging.imported import import_model_of
from locked import run_with
from serving import Client, Server, applicants
from sklearn.ensemble import HistGradientBoostingClassifier
from support import assert_refused, edit_params, invoke, succeed, tree, write_params

from lockgate.model.bundle import verify_bundle
from lockgate.model.scoring import OWN_TOLERANCE
from lockgate.registry.mlflow_client import connect
from lockgate.service.bundle import read_bundle
from lockgate.service.settings import Settings
from lockgate.service.worker import Worker

PREPARE: dict[str, Any] = {
    "source": "loans.csv",
    "target": "defaulted",
    "id_columns": ["id"],
    "kinds": {"pd": "drop"},
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a model that was trained elsewhere on the prepared rows, imported and judged; not to be changed.

    `loans.csv` has the model's probability of each row in the column `pd`, `scores.csv` those of the training rows.
    """
    folder = tmp_path_factory.mktemp("import")
    loans().assign(pd=0.5).to_csv(folder / "loans.csv", index=False)
    write_params(folder, {"prepare": PREPARE, "train": {"model": "own"}})
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        convert_booleans(patch)
        succeed(invoke(folder, "prepare"))
        train_elsewhere(folder)
        succeed(invoke(folder, "import-model", "model.onnx", "--table", "loans.csv", "--scores", "pd"))
        for command in ("evaluate", "gate", "drift"):
            succeed(invoke(folder, command))
        succeed(invoke(folder, "register", "--promote"))
    return folder


def train_elsewhere(folder: Path) -> None:
    """What a data scientist does in a notebook: train on data/train.parquet, export, and keep the scores."""
    train = pd.read_parquet(folder / "data/train.parquet")
    rows, source = as_texts(train), pd.read_csv(folder / "loans.csv")
    pipeline = fitted_pipeline(HistGradientBoostingClassifier(max_iter=60, random_state=0), rows, train["defaulted"])
    (folder / "model.onnx").write_bytes(exported_pipeline(pipeline, rows, zipmap=True))
    source["pd"] = pipeline.predict_proba(as_texts(source))[:, 1]
    source.to_csv(folder / "loans.csv", index=False)
    scores = pd.DataFrame({"row_key": train["row_key"], "y_score": pipeline.predict_proba(rows)[:, 1]})
    scores.sample(frac=1, random_state=1).to_csv(folder / "scores.csv", index=False)
    test = as_texts(pd.read_parquet(folder / "data/test.parquet"))
    np.save(folder / "test_scores.npy", pipeline.predict_proba(test)[:, 1])


def as_texts(table: pd.DataFrame) -> pd.DataFrame:
    """The columns as the model is given them: numbers of 32 bits, and texts, empty where one is missing."""
    rows = table[["income", "months", "housing", "purpose"]].astype({"income": "float32", "months": "float32"})
    return rows.fillna({"housing": ""}).astype({"housing": object, "purpose": object})


@pytest.fixture
def copy(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project, to be changed."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Path(shutil.copytree(project, tmp_path / "project"))


@pytest.fixture(scope="module")
def server(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`lockgate serve` on the bundle, which passed its gate."""
    found = Server(project, (), tmp_path_factory.mktemp("server") / "log")
    yield found
    found.kill()


def test_the_bundle_is_one_as_any_other(project: Path) -> None:
    bundle = verify_bundle(project / "models")
    assert set(bundle.files) == {"model.onnx", "schema.json", "profile.json", "golden.json"}
    assert bundle.manifest.params["train"] == {"model": "own", "seed": 42, "validation_size": 0.2}
    assert [one.kind for one in bundle.schema.features] == ["numeric", "numeric", "categorical", "categorical"]
    assert json.loads((project / "reports/gate.json").read_text())["verdict"] == "pass"
    # The model has seen every training row: what it achieves there is no measure of a night.
    assert (bundle.profile.performance, bundle.profile.calibration) == (None, None)
    drift = json.loads((project / "reports/drift.json").read_text())
    assert (drift["performance"]["n"], drift["performance"]["status"]) == (739, "stable")
    assert (drift["status"], drift["features"][-1]["kind"]) == ("stable", "score")


def test_evaluation_and_service_give_the_librarys_scores(project: Path, server: Server) -> None:
    bundle = verify_bundle(project / "models")
    scored = pd.read_parquet(project / "reports/predictions.parquet").y_score.to_numpy()
    rows = applicants(project / "data/test.parquet", bundle.schema)
    assert any(row["housing"] is None for row in rows)
    _, _, body = server.ask("POST", "/predict/batch", json.dumps({"rows": rows}).encode())
    assert [one["probability"] for one in json.loads(body)["rows"]] == scored.tolist()
    alone = [
        json.loads(server.ask("POST", "/predict", json.dumps(row).encode())[2])["probability"] for row in rows[:40]
    ]
    assert alone == scored[:40].tolist()
    assert np.abs(scored - np.load(project / "test_scores.npy")).max() <= OWN_TOLERANCE
    host, port = server.address
    succeed(invoke(project, "smoke", f"http://{host}:{port}"))


def test_what_cannot_explain_has_no_explain(project: Path) -> None:
    client = Client(Worker(read_bundle(project / "models"), "pass", Settings()))
    assert "/explain" not in client.ask("/openapi.json").json["paths"]


def test_a_table_is_scored_alike(project: Path) -> None:
    succeed(invoke(project, "score", "loans.csv", "--output", "scored.csv"))
    scored = pd.read_csv(project / "scored.csv")
    assert np.abs(scored["probability"] - pd.read_csv(project / "loans.csv")["pd"]).max() <= OWN_TOLERANCE


def test_the_registered_bundle_comes_back_whole(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_params(tmp_path, {"prepare": PREPARE, "train": {"model": "own"}})
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project / 'mlflow.db'}")
    succeed(invoke(tmp_path, "pull"))
    assert verify_bundle(tmp_path / "models").digest == verify_bundle(project / "models").digest


@pytest.mark.parametrize("scores", [(), ("--scores", "scores.csv")])
def test_the_prepared_rows_are_the_table_by_default(copy: Path, scores: tuple[str, ...]) -> None:
    before = verify_bundle(copy / "models").digest
    said = succeed(invoke(copy, "import-model", "model.onnx", *scores)).output
    assert ("nothing says what this model has to give" in said) == (not scores)
    assert ("the model gives `y_score` of scores.csv" in said) == bool(scores)
    assert verify_bundle(copy / "models").digest == before


def test_scores_without_keys_are_in_the_tables_order(copy: Path) -> None:
    scores = pd.read_csv(copy / "loans.csv")[["pd"]]
    scores.to_csv(copy / "by_order.csv", index=False)
    succeed(invoke(copy, "import-model", "model.onnx", "--table", "loans.csv", "--scores", "by_order.csv"))
    scores.head(10).to_csv(copy / "by_order.csv", index=False)
    refused = invoke(copy, "import-model", "model.onnx", "--table", "loans.csv", "--scores", "by_order.csv")
    assert_refused(refused, "by_order.csv has 10 rows and loans.csv 3,000", "no identifiers say which belong together")


def test_other_scores_are_refused_with_how_many_and_the_first(copy: Path) -> None:
    before = tree(copy / "models")
    scores = pd.read_csv(copy / "loans.csv")[["id", "pd"]]
    changed = scores.copy()
    changed.loc[[7, 40, 41], "pd"] = [0.9, 0.0, 0.0]
    changed.to_csv(copy / "other.csv", index=False)
    line = invoke(copy, "import-model", "model.onnx", "--table", "loans.csv", "--scores", "other.csv")
    assert_refused(
        line, "does not give `pd` of other.csv: 3 of 3,000 rows differ by more than 1e-05, the largest by 0."
    )
    assert_refused(line, "the first in row 8: 0.", "instead of 0.9;")
    (1 - scores.set_index("id")).reset_index().to_csv(copy / "other.csv", index=False)
    line = invoke(copy, "import-model", "model.onnx", "--table", "loans.csv", "--scores", "other.csv")
    assert_refused(line, "3,000 of 3,000 rows", "they are those of the other class: choose it with --class")
    succeed(invoke(copy, "import-model", "model.onnx", "--table", "loans.csv", "--scores", "other.csv", "--class", "0"))
    assert tree(copy / "models") != before


def test_a_refusal_changes_nothing(copy: Path) -> None:
    before = tree(copy / "models")
    scores = pd.read_csv(copy / "scores.csv")
    scores.head(20).to_csv(copy / "few.csv", index=False)
    scores.assign(y_score=2.0).to_csv(copy / "odds.csv", index=False)
    scores.assign(other=1.0).rename(columns={"y_score": "mine"}).to_csv(copy / "two.csv", index=False)
    for given, words in (
        ("few.csv", "few.csv has no score for"),
        ("odds.csv", "`y_score` of odds.csv is no probability in"),
        ("two.csv", "which holds the scores is not clear; call it `y_score`"),
        ("none.csv", "has no column `none.csv`"),
        ("income", "--scores names `income`, which is a feature of the model; leave it out with prepare.kinds"),
    ):
        assert_refused(invoke(copy, "import-model", "model.onnx", "--scores", given), words)
    assert tree(copy / "models") == before


def test_an_image_takes_it(project: Path, tmp_path: Path) -> None:
    """What is sent to the build, checked there with the packages that the image has."""
    with tarfile.open(
        fileobj=io.BytesIO(build_context(verify_bundle(project / "models"), project / "reports/gate.json"))
    ) as archive:
        archive.extractall(tmp_path, filter="data")
    checked = run_with("service", "lockgate.service.image_build_check", str(tmp_path / BUNDLE))
    assert (checked.returncode, checked.stderr) == (0, "")
    (tmp_path / BUNDLE / "model.onnx").write_bytes(b"")
    assert run_with("service", "lockgate.service.image_build_check", str(tmp_path / BUNDLE)).returncode == 2


@pytest.mark.full
def test_what_the_image_is_tried_with_is_the_same_model_imported(trained_project: Path, tmp_path: Path) -> None:
    made, given = (
        verify_bundle(path / "models")
        for path in (import_model_of(trained_project, tmp_path / "made"), trained_project)
    )
    assert made.contents["model.onnx"] == given.contents["model.onnx"]
    assert (made.native, given.native is None) == (None, False)


def test_its_run_and_its_version_say_that_it_was_trained_elsewhere(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project / 'mlflow.db'}")
    client = connect()
    version = client.get_model_version_by_alias("credit-default-classifier", "champion")
    assert client.get_run(version.run_id).data.tags["lockgate.origin"] == "trained elsewhere and imported"
    assert "- Origin: trained elsewhere and imported\n" in version.description


def test_settings_that_are_not_of_an_imported_model_are_refused(copy: Path) -> None:
    (copy / "other.csv").write_bytes((copy / "loans.csv").read_bytes())
    refused = invoke(copy, "import-model", "model.onnx", "--table", "other.csv")
    assert_refused(refused, "--table is other.csv, and prepare.source loans.csv", "write `source: other.csv`")
    assert_refused(invoke(copy, "import-model", "none.onnx"), "none.onnx")
    write_params(copy, {"prepare": PREPARE})
    assert_refused(
        invoke(copy, "import-model", "model.onnx"), "train.model is `xgboost`", "write `train: {model: own}`"
    )


def test_a_bundle_of_other_settings_is_stale(copy: Path) -> None:
    edit_params(copy, decision={"threshold": 0.5})
    assert_refused(invoke(copy, "evaluate"), "the bundle is stale", "decision.threshold")
