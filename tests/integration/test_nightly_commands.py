"""`lockgate nightly` as the workflow calls it, night after night, on a GitHub."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from drift_results import drift_result, feature_drift, metric_drift
from fake_github import FakeGitHub
from fake_github.faults import Fault
from support import assert_refused, invoke, succeed

from lockgate.config.model_name import suffixed
from lockgate.documents.drift_json import PerformanceDrift

MODEL = "a" * 64


@pytest.fixture(autouse=True)
def _a_job(fake_github: FakeGitHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A job on main."""
    monkeypatch.setenv("GITHUB_REF_NAME", "main")
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))


def night(
    folder: Path,
    fake: FakeGitHub,
    run: int,
    status: str,
    attempt: int = 1,
    keep: bool = True,
    name: str = "",
    hours: int = 1,
    **changes: Any,
) -> dict[str, Any]:
    """One nightly run of the model `name`, `hours` after that of the number before; `keep` uploads its history. What it decided."""
    (folder / "reports").mkdir(exist_ok=True)
    time = datetime.now(UTC) - timedelta(hours=(100 - run) * hours)
    drift = drift_result(
        feature_drift("income", 0.4, status),
        **{"status": status, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ"), **changes},
    )
    (folder / "reports/drift.json").write_bytes(drift.to_bytes())
    branch = ("--publish-branch", "lockgate-drift") if "git_dir" in fake.state else ()
    named = ("--name", name)
    succeed(invoke(folder, "nightly", "history", "--run", str(run), "--attempt", str(attempt), *branch, *named))
    succeed(invoke(folder, "nightly", "issue", *branch, *named))
    if branch:
        succeed(invoke(folder, "nightly", "publish", *branch, *named))
    if keep:
        keep_history(fake, folder, run, attempt, name)
    decided: dict[str, Any] = json.loads((folder / "reports/nightly.json").read_text())
    return decided


def keep_history(fake: FakeGitHub, folder: Path, run: int, attempt: int = 1, name: str = "") -> None:
    """Upload the history as the run's artifact."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.write(folder / "reports/history.json", "history.json")
    content = base64.b64encode(stream.getvalue()).decode()
    fake.state.setdefault("runs", []).append({"id": run, "head_sha": "c" * 40, "head_branch": "main"})
    artifact = {"id": 10 * run + attempt, "run": run, "name": suffixed("drift", name), "content": content}
    fake.state.setdefault("artifacts", []).append(artifact)


def dispatch(folder: Path, began: str = "2026-11-20T03:17:00+00:00") -> Result:
    """A night of an alarm that began then."""
    return invoke(folder, "nightly", "dispatch", "--issue", "12", "--began", began)


def test_two_nights_alarm_and_a_clean_one_ends_it(tmp_path: Path, fake_github: FakeGitHub) -> None:
    states = [night(tmp_path, fake_github, run, status) for run, status in enumerate(("alert", "alert", "stable"), 1)]

    assert [found["decision"]["state"] for found in states] == ["watching", "alarm", "clear"]
    assert [found["issue"]["action"] for found in states] == ["none", "create", "close"]
    assert (tmp_path / "output").read_text().count("alarm-began=2") == 1  # in the second night alone
    assert "2 of the last 2 nights drifted" in (tmp_path / "summary").read_text()


DEAD = "The model no longer ranks: ROC-AUC 0.577 [0.557, 0.598] on 5,071 known outcomes"


def performance(status: Any, reason: str = "") -> PerformanceDrift:
    """What labels show: of a dead model, unless `status` says otherwise."""
    roc_auc = metric_drift("roc_auc", 0.577 if status == "alert" else 0.79, status=status)
    return PerformanceDrift(n=5_071, positives=900, confidence=0.95, status=status, reason=reason, metrics=(roc_auc,))


def test_a_dead_model_alarms_at_once_leads_the_issue_and_keeps_it_open_until_labels_say_otherwise(
    tmp_path: Path, fake_github: FakeGitHub
) -> None:
    first = night(tmp_path, fake_github, 1, "alert", performance=performance("alert", DEAD))
    (issue,) = fake_github.state["issues"]
    assert (first["decision"]["state"], first["issue"]["action"]) == ("alarm", "create")
    assert issue["body"].startswith(
        "## 🔴 The model no longer ranks: ROC-AUC 0.577 &#91;0.557, 0.598&#93; on 5,071 known outcomes"
    )
    assert (tmp_path / "output").read_text().count("alarm-began=2") == 1

    unlabelled = night(tmp_path, fake_github, 2, "stable")
    assert (unlabelled["decision"]["state"], unlabelled["issue"]["action"]) == ("watching", "update")
    assert "say that the model does worse than it should" in fake_github.state["issues"][0]["body"]

    assert night(tmp_path, fake_github, 3, "stable", performance=performance("stable"))["issue"]["action"] == "close"


def test_a_stale_batch_alarms_the_next_night_and_calls_no_retrain(tmp_path: Path, fake_github: FakeGitHub) -> None:
    assert night(tmp_path, fake_github, 1, "stable", hours=24, batch="f" * 64)["decision"]["state"] == "clear"
    again = night(tmp_path, fake_github, 1, "stable", attempt=2, hours=24, batch="f" * 64)
    assert again["decision"]["state"] == "clear"
    stale = night(tmp_path, fake_github, 2, "stable", hours=24, batch="f" * 64)

    assert (stale["decision"]["state"], stale["issue"]["action"]) == ("alarm", "create")
    body = fake_github.state["issues"][0]["body"]
    assert body.startswith("## 🔴 The batch is stale: the batch is that of the night of 2")
    assert "Find out why no new batch has arrived" in body
    assert "alarm-began=2" not in (tmp_path / "output").read_text()
    assert "The batch is stale" in (tmp_path / "summary").read_text()
    assert night(tmp_path, fake_github, 3, "stable", hours=24, batch="e" * 64)["issue"]["action"] == "close"


def test_how_long_a_batch_may_stay_the_same_is_a_setting(tmp_path: Path, fake_github: FakeGitHub) -> None:
    (tmp_path / "params.yaml").write_text("drift: {history: {stale_days: 3}}\n")
    states = [
        night(tmp_path, fake_github, run, "stable", hours=24, newest=date(2026, 10, 1))["decision"]["state"]
        for run in range(1, 6)
    ]
    assert states == ["clear", "clear", "clear", "alarm", "alarm"]


def test_the_history_knows_the_retrains_that_were_started_since_the_night_before(
    tmp_path: Path, fake_github: FakeGitHub
) -> None:
    for run in (1, 2):
        night(tmp_path, fake_github, run, "alert")
    started = {"path": ".github/workflows/retrain.yml", "event": "workflow_dispatch", "head_branch": "main"}
    now = datetime.now(UTC)
    for number, hours in ((7, 98.5), (8, 97.5)):
        time = (now - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
        fake_github.state["runs"].append({"id": number, "head_sha": "c" * 40, "created_at": time, **started})
    assert [one["run"] for one in night(tmp_path, fake_github, 3, "alert")["run"]["retrains"]] == [8]

    fake_github.faults.plan("actions/list-workflow-runs", Fault(403))
    found = night(tmp_path, fake_github, 4, "alert")
    assert found["run"]["retrains"] == []
    assert "retrains could not be looked for" in found["problems"][0]
    succeed(invoke(tmp_path, "nightly", "page"))
    assert ">run 8</a>" in (tmp_path / "reports/nights.html").read_text()


def test_the_page_is_published_and_the_issue_links_to_it(tmp_path: Path, fake_github: FakeGitHub) -> None:
    remote = tmp_path / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", remote], check=True)
    fake_github.state["git_dir"] = str(remote)
    for run in (1, 2):
        night(tmp_path, fake_github, run, "alert")

    address = "https://github.com/acme/credit/blob/lockgate-drift/nights.md"
    browser = address.replace("nights.md", "nights.html")
    body = fake_github.state["issues"][0]["body"]
    assert (f"[All nights]({address})" in body, f"[for a browser]({browser})" in body) == (True, True)
    shown = ["git", "-C", remote, "show"]
    published = subprocess.run([*shown, "lockgate-drift:nights.md"], capture_output=True, text=True, check=True).stdout
    assert "actions/runs/2)" in published
    assert "The feature income has moved" in published


def test_the_page_needs_no_network(tmp_path: Path, fake_github: FakeGitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    night(tmp_path, fake_github, 1, "alert")
    asked = len(fake_github.requests)
    monkeypatch.delenv("GITHUB_REPOSITORY")
    succeed(invoke(tmp_path, "nightly", "page"))

    page = (tmp_path / "reports/nights.html").read_text()
    assert "<h1>Watching</h1>" in page
    assert "<a href" not in page
    assert len(fake_github.requests) == asked


def test_nights_of_two_tables_alarm_too_and_begin_anew_with_another_reference(
    tmp_path: Path, fake_github: FakeGitHub
) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reference.csv").write_text("x\n1\n")
    states = []
    for run in (1, 2, 3):
        if run == 3:
            (tmp_path / "reference.csv").write_text("x\n2\n")
        time = (datetime.now(UTC) - timedelta(hours=10 - run)).strftime("%Y-%m-%dT%H:%M:%SZ")
        drift = drift_result(feature_drift("income", 0.4, "alert"), model=None, status="alert", time=time)
        (tmp_path / "reports/drift.json").write_bytes(drift.to_bytes())
        if run > 1:
            keep_history(fake_github, tmp_path, run - 1)
        succeed(invoke(tmp_path, "nightly", "history", "--run", str(run), "--reference", "reference.csv"))
        succeed(invoke(tmp_path, "nightly", "issue"))
        states.append(json.loads((tmp_path / "reports/nightly.json").read_text())["decision"]["state"])
    assert states == ["watching", "alarm", "watching"]
    (issue,) = fake_github.state["issues"]
    assert "current rows against 9,000 reference rows, of the table" in issue["body"]
    assert "Nights of another reference" in issue["body"]
    assert "retrain" not in issue["body"]


@pytest.mark.parametrize("keep", [True, False], ids=["artifacts", "published copies"])
def test_two_models_of_one_repository_have_two_issues_and_two_histories(
    tmp_path: Path, fake_github: FakeGitHub, keep: bool
) -> None:
    remote = tmp_path / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", remote], check=True)
    fake_github.state["git_dir"] = str(remote)
    for number, statuses in enumerate((("stable", "alert"), ("alert", "alert"), ("stable", "alert"))):
        for at, (name, status) in enumerate(zip(("cards", "loans"), statuses, strict=True)):
            decided = night(tmp_path, fake_github, 10 * (number + 1) + at, status, keep=keep, name=name)
            assert decided["decision"]["judged"] == number + 1

    (issue,) = fake_github.state["issues"]
    assert issue["title"] == "Data drift: the nightly batch of loans has moved"
    night(tmp_path, fake_github, 41, "alert", keep=keep, name="cards")
    (_, other) = fake_github.state["issues"]
    assert other["title"] == "Data drift: the nightly batch of cards has moved"
    night(tmp_path, fake_github, 51, "stable", keep=keep, name="cards")
    assert [one["state"] for one in fake_github.state["issues"]] == ["open", "closed"]

    listed = subprocess.run(
        ["git", "-C", remote, "ls-tree", "-r", "--name-only", "lockgate-drift"],
        capture_output=True,
        text=True,
        check=True,
    )
    files = ("drift.json", "history.json", "nights-performance.svg", "nights-psi.svg", "nights.html", "nights.md")
    folders = [f"{name}/{file}" for name in ("cards", "loans") for file in files]
    assert listed.stdout.split() == ["README.md", *folders]


def test_a_name_that_is_none_is_refused(tmp_path: Path, fake_github: FakeGitHub) -> None:
    assert_refused(invoke(tmp_path, "nightly", "publish", "--name", "../main"), "--name", "lower-case letters")
    assert not fake_github.requests


def test_a_run_that_is_repeated_counts_once(tmp_path: Path, fake_github: FakeGitHub) -> None:
    night(tmp_path, fake_github, 1, "alert")

    assert night(tmp_path, fake_github, 1, "alert", attempt=2)["decision"]["state"] == "watching"
    assert night(tmp_path, fake_github, 2, "alert")["decision"]["state"] == "alarm"


def test_a_lost_history_starts_again_and_says_so(tmp_path: Path, fake_github: FakeGitHub) -> None:
    night(tmp_path, fake_github, 1, "alert", keep=False)

    found = night(tmp_path, fake_github, 2, "alert")

    assert found["decision"]["state"] == "watching"
    assert found["problems"] == ["no previous run is known, so the count starts with this one"]


def test_the_retrain_is_started_with_the_issues_number(tmp_path: Path, fake_github: FakeGitHub) -> None:
    succeed(dispatch(tmp_path))

    (started,) = fake_github.state["dispatches"]
    assert started["workflow"] == "retrain.yml"
    assert (started["ref"], started["inputs"]) == ("main", {"drift-issue": "12"})


def test_a_retrain_that_is_not_there_is_one_clear_error(tmp_path: Path, fake_github: FakeGitHub) -> None:
    fake_github.state["dispatchable"] = []

    assert_refused(dispatch(tmp_path), "start retrain.yml on main", "422")


def test_an_alarm_has_one_retrain_however_many_nights_it_lasts(tmp_path: Path, fake_github: FakeGitHub) -> None:
    run = {"path": ".github/workflows/retrain.yml", "event": "workflow_dispatch", "head_branch": "main"}
    before, after = "2026-11-19T12:00:00Z", "2026-11-21T12:00:00Z"
    fake_github.state["runs"] = [{"id": 1, "head_sha": "c" * 40, "created_at": before, **run}]
    assert "started retrain.yml" in succeed(dispatch(tmp_path)).output

    fake_github.state["runs"] = [{"id": 2, "head_sha": "c" * 40, "created_at": after, **run}]
    assert "ran on main since the alarm began" in succeed(dispatch(tmp_path)).output
    assert len(fake_github.state["dispatches"]) == 1


def test_every_night_of_an_alarm_names_when_it_began_but_not_where_it_was_dismissed(
    tmp_path: Path, fake_github: FakeGitHub
) -> None:
    for run, status in enumerate(("stable", "alert", "warn", "alert"), 1):
        night(tmp_path, fake_github, run, status)
    third, fourth = [
        line for line in (tmp_path / "output").read_text().splitlines() if line.startswith("alarm-began=2")
    ]
    assert third == fourth  # the time of the second night

    fake_github.state["issues"][0].update(state="closed", state_reason="not_planned", closed_at="2026-11-01T00:00:00Z")
    night(tmp_path, fake_github, 5, "alert")
    assert (tmp_path / "output").read_text().splitlines()[-1] == "alarm-began="


def test_a_time_that_is_none_starts_nothing(tmp_path: Path, fake_github: FakeGitHub) -> None:
    assert_refused(dispatch(tmp_path, began="yesterday"), "--began", "yesterday")
    assert not fake_github.state.get("dispatches")


@pytest.mark.parametrize("performed", [False, True])
def test_a_retrain_whose_answer_is_lost_is_asked_for_again_until_it_runs_once(
    fake_github: FakeGitHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, performed: bool
) -> None:
    monkeypatch.setattr("lockgate.ci.retrain.start.WAIT", 0.0)
    fake_github.faults.plan("actions/create-workflow-dispatch", Fault(502, performed=performed))
    succeed(dispatch(tmp_path))
    assert len(fake_github.state["dispatches"]) == 1


def test_a_retrain_is_not_asked_for_without_end(
    fake_github: FakeGitHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("lockgate.ci.retrain.start.WAIT", 0.0)
    fake_github.faults.plan("actions/create-workflow-dispatch", *[Fault(502)] * 9)
    assert_refused(dispatch(tmp_path), "start retrain.yml on main", "502")
    assert fake_github.state.get("dispatches", []) == []


@pytest.mark.parametrize("command", [("history", "--run", "1"), ("issue",), ("publish",)])
def test_a_measurement_that_does_not_fit_its_schema_goes_nowhere(
    tmp_path: Path, fake_github: FakeGitHub, command: tuple[str, ...]
) -> None:
    night(tmp_path, fake_github, 1, "alert")
    asked = len(fake_github.requests)
    drift = tmp_path / "reports/drift.json"
    drift.write_text(drift.read_text().replace('"psi": 0.4', '"psi": "<img src=x>"'))

    assert_refused(invoke(tmp_path, "nightly", *command), "drift.json", "psi")
    assert len(fake_github.requests) == asked


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("history", "--run", "1"), ["reports/drift.json does not exist"]),
        (("history", "--run", "1", "--k", "4", "--n", "3"), ["--k is 4"]),
        (("issue",), ["nightly.json", "nightly history"]),
        (("bundle",), ["no run on main has an artifact `bundle`"]),
    ],
)
def test_what_is_missing_is_said(tmp_path: Path, command: tuple[str, ...], words: list[str]) -> None:
    assert_refused(invoke(tmp_path, "nightly", *command), *words)


def test_the_measurement_gives_the_steps_outputs(project: Path, tmp_path: Path) -> None:
    succeed(invoke(project, "drift", "--time", "now"))
    succeed(invoke(project, "nightly", "summary"))

    lines = dict(line.split("=", 1) for line in (tmp_path / "output").read_text().splitlines())
    assert (lines["status"], lines["alarm"]) == ("alert", "true")
    assert (lines["history-k"], lines["history-n"]) == ("2", "3")
    assert float(lines["psi"]) > 0.25
    assert "### Drift: 🔴 alert" in (tmp_path / "summary").read_text()


def test_the_stored_bundle_is_fetched_and_verified(project: Path, fake_github: FakeGitHub, tmp_path: Path) -> None:
    def store(number: int, spoil: bool) -> None:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for file in sorted((project / "models").iterdir()):
                content = file.read_bytes()
                archive.writestr(file.name, content[:-1] if spoil and file.name == "model.json" else content)
        content = base64.b64encode(stream.getvalue()).decode()
        fake_github.state.setdefault("runs", []).append({"id": number, "head_sha": "c" * 40, "head_branch": "main"})
        artifact = {"id": number, "run": number, "name": "bundle", "content": content}
        fake_github.state.setdefault("artifacts", []).append(artifact)

    store(1, spoil=False)
    other = tmp_path / "other"
    other.mkdir()
    succeed(invoke(other, "nightly", "bundle"))
    assert (other / "models/model.json").read_bytes() == (project / "models/model.json").read_bytes()

    store(2, spoil=True)
    broken = tmp_path / "broken"
    broken.mkdir()
    assert_refused(invoke(broken, "nightly", "bundle"), "model.json")
    assert not (broken / "models").exists()
