"""What `lockgate train` makes, that it is the same each time, and what it refuses."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Run
from support import assert_refused, edit_params, invoke, succeed, tree

from lockgate.metrics.metrics import brier
from lockgate.model.bundle import verify_bundle
from lockgate.model.scoring import score_bundle

BUNDLE = ("golden.json", "manifest.json", "model.json", "model.onnx", "profile.json", "schema.json")


def bundle_bytes(project: Path) -> dict[str, bytes]:
    return {name: (project / "models" / name).read_bytes() for name in BUNDLE}


def scores(project: Path) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities of the test rows."""
    bundle = verify_bundle(project / "models")
    test = pd.read_parquet(project / "data/test.parquet")
    return test[bundle.schema.target].to_numpy(), score_bundle(bundle, test)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_the_same_bytes_for_any_number_of_threads(project: Path, run: Run, threads: int) -> None:
    before, report = bundle_bytes(project), (project / "reports/train.json").read_bytes()
    edit_params(project, train={"nthread": threads, "subsample": 1.0})
    succeed(run("train"))
    assert bundle_bytes(project) == before
    assert (project / "reports/train.json").read_bytes() == report


@pytest.mark.parametrize("threads", [1, 4])
def test_sampling_rows_and_columns_is_the_same_for_any_number_of_threads(project: Path, run: Run, threads: int) -> None:
    edit_params(project, train={"subsample": 0.7, "colsample_bytree": 0.6, "nthread": 2})
    succeed(run("train"))
    before = bundle_bytes(project)
    edit_params(project, train={"nthread": threads})
    succeed(run("train"))
    assert bundle_bytes(project) == before


def test_another_seed_is_another_model(project: Path, run: Run) -> None:
    before = bundle_bytes(project)["manifest.json"]
    edit_params(project, train={"seed": 7})
    succeed(run("train"))
    assert bundle_bytes(project)["manifest.json"] != before


def test_class_weighting_does_not_ruin_the_brier_score(project: Path, run: Run) -> None:
    labels, plain = scores(project)
    edit_params(project, train={"scale_pos_weight": "balanced"})
    succeed(run("train"))
    _, weighted = scores(project)
    assert abs(brier(labels, weighted) - brier(labels, plain)) < 0.003
    assert abs(weighted.mean() - plain.mean()) < 0.005


def test_monotone_constraints_hold(project: Path, run: Run) -> None:
    edit_params(project, train={"monotone": {"utilisation": 1, "income": -1}})
    succeed(run("train"))
    bundle = verify_bundle(project / "models")
    row = pd.read_parquet(project / "data/test.parquet").head(1)
    for name, sign in (("utilisation", 1), ("income", -1)):
        values = np.quantile(pd.read_parquet(project / "data/train.parquet")[name].dropna(), np.linspace(0, 1, 50))
        grid = pd.concat([row] * 50, ignore_index=True).assign(**{name: values})
        steps = sign * np.diff(score_bundle(bundle, grid))
        assert (steps >= 0).all()
        assert steps.max() > 0


@pytest.mark.parametrize(
    ("monotone", "words"),
    [
        ({"utilization": 1}, ("train.monotone", "did you mean `utilisation`")),
        ({"region": 1}, ("train.monotone", "region", "categorical")),
    ],
)
def test_impossible_constraints_are_refused(
    project: Path, run: Run, monotone: dict[str, int], words: list[str]
) -> None:
    before = tree(project / "models")
    edit_params(project, train={"monotone": monotone})
    assert_refused(run("train"), *words)
    assert tree(project / "models") == before


def test_row_weights_weigh(project: Path) -> None:
    table = pd.concat([pd.read_parquet(project / f"data/{part}.parquet") for part in ("train", "test")])
    table = table.drop(columns="row_key").assign(importance=np.where(table.default == 1, 3.0, 1.0))
    table.to_parquet(project / "weighted.parquet", index=False)
    edit_params(
        project,
        prepare={
            "source": "weighted.parquet",
            "current": None,
            "weight_column": "importance",
            "audit_columns": ["sex", "age_band"],
        },
        evaluate={"ceilings": {"brier": 0.25}},  # of three times as many defaults
    )
    for command in ("prepare", "train", "evaluate"):
        succeed(invoke(project, command))
    predictions = pd.read_parquet(project / "reports/predictions.parquet")
    assert set(predictions.importance) == {1.0, 3.0}
    weighted_rate = np.average(predictions.y_true, weights=predictions.importance)
    assert abs(np.average(predictions.y_score, weights=predictions.importance) - weighted_rate) < 0.05
    metrics = json.loads((project / "reports/metrics.json").read_text())
    assert metrics["prevalence"] == pytest.approx(weighted_rate)


def test_audit_columns_are_not_trained_on(project: Path) -> None:
    model = json.loads((project / "models/model.json").read_text())
    assert not {"sex", "age_band", "default", "row_key"} & set(model["learner"]["feature_names"])


def test_the_run_in_mlflow_has_what_an_auditor_asks_for(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    monkeypatch.chdir(project)
    mlflow.set_tracking_uri(f"sqlite:///{project / 'mlflow.db'}")
    client = mlflow.MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("credit-default-classifier").experiment_id])
    bundle = verify_bundle(project / "models")
    assert run.data.tags["lockgate.digest"] == bundle.digest
    assert run.data.tags["lockgate.training_data"] == bundle.training_data
    assert "lockgate.commit" in run.data.tags
    assert run.data.params["train.max_depth"] == "3"
    assert 0.5 < run.data.metrics["validation_roc_auc"] < 1
    assert run.inputs.dataset_inputs[0].dataset.name == "train"
    assert {item.path for item in client.list_artifacts(run.info.run_id, "plots")} == {
        "plots/loss.png",
        "plots/importance.png",
    }
    loaded = mlflow.pyfunc.load_model(f"models:/{run.data.tags['lockgate.model_id']}")
    example = loaded.input_example
    assert list(example.columns) == bundle.schema.feature_names
    assert loaded.predict(example)["probability"].between(0, 1).all()


def test_an_unreachable_mlflow_server_is_refused_in_time_and_nothing_is_overwritten(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(project)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    started = time.monotonic()
    result = run("train")
    assert time.monotonic() - started < 60
    assert_refused(result, "MLflow at http://127.0.0.1:9", "MLFLOW_TRACKING_URI")
    assert "secret" not in result.output
    assert tree(project) == before


@pytest.mark.parametrize("spoil", ["missing", "truncated", "column gone", "retyped", "label 2"])
def test_spoilt_training_data_are_refused(project: Path, run: Run, spoil: str) -> None:
    path = project / "data/train.parquet"
    table = pd.read_parquet(path)
    words: tuple[str, ...] = ("data/train.parquet",)
    if spoil == "missing":
        path.unlink()
    elif spoil == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    elif spoil == "column gone":
        table.drop(columns="income").to_parquet(path)
        words = (*words, "income", "missing")
    elif spoil == "retyped":
        table.assign(income="much").to_parquet(path)
        words = (*words, "income")
    else:
        table.assign(default=np.int8(2)).to_parquet(path)
        words = (*words, "default")
    before = tree(project / "models")
    assert_refused(run("train"), *words)
    assert tree(project / "models") == before


def test_a_column_of_more_bins_than_can_be_watched_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKGATE_MAX_BINS", "5")
    assert_refused(run("train"), "(prepare.kinds can drop it)", "bins, and the limit is 5", "LOCKGATE_MAX_BINS=")


def test_a_training_that_ends_while_its_loss_still_falls_is_a_warning(project: Path, run: Run) -> None:
    edit_params(project, train={"num_boost_round": 5})
    trained = succeed(run("train"))
    assert (
        "warning: the last of 5 rounds was the best, and the validation loss still fell; raise train.num_boost_round"
        in (trained.stderr)
    )
    edit_params(project, train={"num_boost_round": 300})
    assert "validation loss still fell" not in succeed(run("train")).stderr
