"""`lockgate ci`: what the actions run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import assert_refused, invoke, succeed


@pytest.fixture
def step(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project in a step of a job, whose outputs and summary are the files `outputs` and `summary` in it."""
    monkeypatch.setenv("GITHUB_OUTPUT", str(project / "outputs"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project / "summary"))
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


def test_drift_needs_a_bundle_and_imports_that_are_there(step: Path) -> None:
    assert_refused(
        invoke(step, "ci", "drift", "--dvc-update", "\nnone.csv.dvc\n"), "`dvc update` failed for `none.csv.dvc`"
    )
    (step / "models/manifest.json").unlink()
    assert_refused(invoke(step, "ci", "drift"), "there is no bundle in models/", "run the action `train` before")


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
