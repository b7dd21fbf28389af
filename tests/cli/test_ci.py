"""`lockgate ci`: what the actions run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support import assert_refused, edit_params, invoke, succeed, tree

from lockgate.ci.hand_over import pack_project
from lockgate.config.layout import CURRENT_DATA


@pytest.fixture
def step(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project in a step of a job, whose outputs and summary are the files `outputs` and `summary` in it."""
    monkeypatch.setenv("GITHUB_OUTPUT", str(project / "outputs"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project / "summary"))
    monkeypatch.setenv("RUNNER_TEMP", str(project))
    return project


def outputs(step: Path) -> dict[str, str]:
    """The last value of each output."""
    return dict(line.split("=", 1) for line in (step / "outputs").read_text().splitlines())


def test_drift_prepares_the_batch_measures_it_and_sums_up(step: Path) -> None:
    (step / "data/current.parquet").unlink()
    (step / "reports/drift.json").unlink(missing_ok=True)
    succeed(invoke(step, "ci", "drift", "--alarm-on", "alert"))
    measured = json.loads((step / "reports/drift.json").read_text())
    assert outputs(step)["status"] == measured["status"]
    assert measured["time"]
    summary = (step / "summary").read_text()
    assert "| prepare |" in summary
    assert "| drift |" in summary


def test_drift_of_a_named_batch_prepares_nothing(step: Path) -> None:
    batch = (step / "data/current.parquet").rename(step / "batch.parquet")
    succeed(invoke(step, "ci", "drift", "--current", str(batch)))
    assert not (step / "data/current.parquet").exists()
    assert "| prepare |" not in (step / "summary").read_text()


def test_what_a_job_packs_another_measures_and_nothing_of_the_project_runs(step: Path, tmp_path: Path) -> None:
    shutil.rmtree(step / "data")
    succeed(invoke(step, "ci", "batch", "--folder", str(tmp_path / "measured")))
    handed = tree(tmp_path / "measured")
    assert {"data/current.parquet", "models/manifest.json"} <= handed.keys()
    assert not {"data/train.parquet", "data/schema.json", "reports/drift.json"} & handed.keys()
    here = json.loads((step / "reports/drift.json").read_text())
    # DVC sees no change, and the stage runs nevertheless.
    assert "prepared" in succeed(invoke(step, "ci", "batch", "--folder", str(tmp_path / "measured"))).output

    clean = tmp_path / "clean"
    clean.mkdir()
    shutil.copy(step / "params.yaml", clean)
    result = succeed(invoke(clean, "ci", "drift", "--measured", str(tmp_path / "measured")))
    there = json.loads((clean / "reports/drift.json").read_text())
    assert {**there, "time": None} == here
    assert not (clean / "dvc.yaml").exists(), "no stage of the project's"
    assert "Evidently" not in result.output


def test_a_named_batch_is_handed_over_as_the_bundles_schema_reads_it(step: Path, tmp_path: Path) -> None:
    edit_params(step, prepare={"current": None})
    batch = (step / "data/current.parquet").rename(step / "batch.parquet")
    succeed(invoke(step, "ci", "batch", "--current", "batch.parquet", "--folder", str(tmp_path / "measured")))
    handed = pd.read_parquet(tmp_path / "measured/data/current.parquet")
    assert sorted(handed.loan_amount) == sorted(pd.read_parquet(batch).loan_amount)
    assert not (step / "dvc.yaml").exists()

    clean = tmp_path / "clean"
    clean.mkdir()
    shutil.copy(step / "params.yaml", clean)
    measured = ("--measured", str(tmp_path / "measured"), "--current", "batch.parquet")
    succeed(invoke(clean, "ci", "drift", *measured))
    note = json.loads((clean / "reports/drift.json").read_text())["note"]
    assert note is None, "params.yaml names no batch, and this one was named"


def test_two_tables_are_measured_without_a_model_a_project_or_params(step: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    frame = pd.DataFrame({"amount": np.arange(500), "y_score": np.linspace(0.1, 0.9, 500)})
    frame.to_csv(folder / "january.csv", index=False)
    frame.assign(amount=frame["amount"] + 300).to_csv(folder / "june.csv", index=False)
    tables = ("--reference", "january.csv", "--current", "june.csv")
    succeed(invoke(folder, "ci", "drift", *tables))
    found = outputs(step)
    assert (found["status"], found["alarm"], found["worst"], found["model"]) == ("alert", "true", "amount", "")
    assert (found["history-k"], found["history-n"]) == ("2", "3")
    assert "without a model" in (step / "summary").read_text()
    assert sorted(path.name for path in folder.iterdir()) == ["january.csv", "june.csv", "reports"]
    assert_refused(invoke(folder, "ci", "drift", *tables[:2]), "`reference` needs `current`")


def test_without_a_bundle_a_named_batch_is_prepared_by_the_project(step: Path, tmp_path: Path) -> None:
    rows = pd.read_parquet(step / "data/current.parquet").drop(columns=["row_key", "default"])
    rows.head(700).to_csv(step / "batch.csv", index=False)
    shutil.rmtree(step / "models")
    succeed(invoke(step, "ci", "batch", "--current", "batch.csv", "--folder", str(tmp_path / "measured")))
    assert list(tree(tmp_path / "measured")) == ["data/current.parquet"]
    assert len(pd.read_parquet(tmp_path / "measured/data/current.parquet")) == 700


def test_a_batch_that_cannot_be_prepared_is_said(step: Path, tmp_path: Path) -> None:
    edit_params(step, prepare={"target": "defaulted"})
    refused = invoke(step, "ci", "batch", "--folder", str(tmp_path / "measured"))
    assert_refused(refused, "the batch could not be prepared", "prepare")
    assert not (tmp_path / "measured").exists()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            lambda measured: (measured / "reports").mkdir() or (measured / "reports/gate.json").write_text("{}"),
            "gate.json",
        ),
        (lambda measured: (measured / "models/profile.json").write_text("{}"), "profile.json"),
        (lambda measured: shutil.rmtree(measured / "models"), "models is not in it"),
        (lambda measured: (measured / "data/current.parquet").unlink(), "data/current.parquet is not in it"),
        (lambda measured: (measured / "data/current.parquet").write_text("rows"), "current.parquet"),
    ],
)
def test_what_was_not_handed_over_by_our_rules_is_not_measured(
    step: Path, tmp_path: Path, spoil: Callable[[Path], object], words: str
) -> None:
    measured = tmp_path / "measured"
    pack_project(step, measured, [CURRENT_DATA])
    spoil(measured)
    clean = tmp_path / "clean"
    clean.mkdir()
    shutil.copy(step / "params.yaml", clean)
    assert_refused(invoke(clean, "ci", "drift", "--measured", str(measured)), words)
    assert not (clean / "reports/drift.json").exists()


def test_drift_needs_a_bundle_and_imports_that_are_there(step: Path) -> None:
    assert_refused(
        invoke(step, "ci", "drift", "--dvc-update", "\nnone.csv.dvc\n"), "`dvc update` failed for `none.csv.dvc`"
    )
    (step / "models/manifest.json").unlink()
    assert_refused(invoke(step, "ci", "drift"), "there is no bundle in models/", "run the action `train` before")


def test_the_weight_of_a_table_is_the_callers_choice(step: Path) -> None:
    scores = pd.read_parquet(step / "reports/predictions.parquet", columns=["y_true", "y_score"])
    scores["exposure"] = np.where(scores.y_true == 1, 3.0, 1.0)
    scores.to_csv(step / "scores.csv", index=False)
    succeed(invoke(step, "ci", "judge", "--predictions=scores.csv", "--weight=exposure", "--report=report"))
    weighted_rate = np.average(scores.y_true, weights=scores.exposure)
    assert json.loads((step / "reports/metrics.json").read_text())["prevalence"] == pytest.approx(weighted_rate)
    assert_refused(
        invoke(step, "ci", "judge", "--weight=exposure", "--report=report"), "--weight goes with --predictions"
    )


def test_a_verdict_is_an_output_whatever_it_is(step: Path) -> None:
    report = step / "report"
    for minimums, verdict in (("", "pass"), ("floors: {roc_auc: 0.999}", "block")):
        judged = invoke(step, "ci", "judge", "--first-model=true", f"--minimums={minimums}", f"--report={report}")
        succeed(judged)
        assert outputs(step)["verdict"] == verdict
        assert json.loads((report / "gate.json").read_text())["verdict"] == verdict
    assert "::warning::the gate says block: " in judged.stdout
    assert outputs(step)["policy-changed"] == "false"
    assert outputs(step)["report"] == str(report)


def test_a_verdict_that_the_commit_carries_is_never_an_output(step: Path) -> None:
    assert json.loads((step / "reports/gate.json").read_text())["verdict"] == "pass"
    (step / "reports/predictions.parquet").write_bytes(b"damaged")
    judged = invoke(step, "ci", "judge", "--first-model=true", f"--report={step / 'report'}")
    assert_refused(judged, "no verdict could be reached: ", "predictions.parquet")
    assert outputs(step)["verdict"] == "error"
    assert not (step / "report/gate.json").exists()
    assert (step / "report/metrics.json").exists()


def test_inputs_that_contradict_each_other_reach_no_verdict(step: Path) -> None:
    assert_refused(
        invoke(step, "ci", "judge", "--champion=file", "--report=report"), "needs the input `champion-predictions`"
    )
    assert outputs(step)["verdict"] == "error"
    assert not (step / "reports/gate.json").exists()


@pytest.fixture
def stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A step in a project with one stage of its own, which makes no model."""
    (tmp_path / "params.yaml").write_text("{}\n")
    (tmp_path / "dvc.yaml").write_text("stages:\n  own:\n    cmd: echo done > made.txt\n    outs: [made.txt]\n")
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "outputs"))
    monkeypatch.setenv("RUNNER_TEMP", str(tmp_path))
    return tmp_path


def test_training_keeps_a_cache_that_it_added_to_and_says_what_failed(stages: Path) -> None:
    assert_refused(invoke(stages, "ci", "train", "--cache-key=key"), "there is no model")
    said = outputs(stages)
    assert (said["model"], said["trained"], said["stale-lock"]) == ("", "false", "false")
    assert said["cache-key"].startswith("key-")
    assert "| dvc repro |" in (stages / "lockgate-seconds").read_text()
    (stages / "outputs").unlink()
    assert_refused(invoke(stages, "ci", "train", "--cache-key=key"), "there is no model")
    assert "cache-key" not in outputs(stages)


def test_a_large_cache_is_trimmed_to_what_the_commit_needs(stages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    invoke(stages, "ci", "train", "--cache-key=key")
    needed = [path for path in (stages / ".dvc/cache/files").rglob("*") if path.is_file()]
    old = stages / ".dvc/cache/files/md5/00" / ("0" * 30)
    old.parent.mkdir(exist_ok=True)
    old.write_text("of an earlier commit")
    invoke(stages, "ci", "train", "--cache-key=key")
    assert old.exists()
    monkeypatch.setattr("lockgate.dvc.cache.MAX_BYTES", 1)
    invoke(stages, "ci", "train", "--cache-key=key")
    assert not old.exists()
    assert needed
    assert all(path.exists() for path in needed)


def test_what_a_remote_asks_for_is_written_for_dvc_alone(stages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (stages / "dvc.yaml").write_text(
        'stages:\n  own:\n    cmd: test -z "$LOCKGATE_DVC_CONFIG" && echo > made.txt\n    outs: [made.txt]\n'
    )
    monkeypatch.setenv(
        "LOCKGATE_DVC_CONFIG", "['remote \"store\"']\n    url = http://127.0.0.1:1/store\n    password = hunter2"
    )
    result = invoke(stages, "ci", "train")
    assert_refused(result, "there is no model")
    assert "hunter2" not in result.output
    file = stages / ".dvc/config.local"
    assert (file.read_text(), file.stat().st_mode & 0o777) == (
        "['remote \"store\"']\n    url = http://127.0.0.1:1/store\n    password = hunter2\n",
        0o600,
    )
    assert (stages / "made.txt").exists()


def test_training_needs_params(tmp_path: Path) -> None:
    assert_refused(invoke(tmp_path, "ci", "train"), "there is no params.yaml in", "check the repository out first")
