"""A model's life once it decides: outcomes come months later, the world turns, the night says when and how, a retrain answers."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fake_github import FakeGitHub
from serving import Client, applicants
from support import SMALL, invoke, succeed, write_params

from lockgate.data.synthetic import generate_applicants
from lockgate.model.bundle import verify_bundle
from lockgate.model.table_scores import score_table
from lockgate.service.bundle import read_bundle, require_verdict
from lockgate.service.settings import Settings
from lockgate.service.worker import Worker

MONTHLY = 900  # decisions
PARAMS: dict[str, Any] = {
    **SMALL,
    "prepare": {
        "source": "history.parquet",
        "current": None,
        "target": "default",
        "id_columns": ["loan_id"],
        "audit_columns": ["sex", "age_band"],
    },
    "evaluate": {"floors": {"roc_auc": 0.70}},
    "gate": {"champion": {"source": "none"}},
}
CHAMPION = ("prepare", "train", "evaluate", "gate")


def people(rows: int, seed: int, prefix: str) -> pd.DataFrame:
    """Applicants of the world as it was, each with a loan's number that text alone keeps."""
    table = generate_applicants(rows, seed)
    table.insert(0, "loan_id", [f"{prefix}{place:05d}" for place in range(rows)])
    return table


def turned(table: pd.DataFrame, scores: np.ndarray, seed: int) -> pd.DataFrame:
    """The same people in another world: whoever was the safest is the riskiest now, and as many default."""
    chances = np.sort(scores)[::-1][np.argsort(np.argsort(scores))]
    return table.assign(default=(np.random.default_rng(seed).random(len(table)) < chances).astype(int))


def decide(project: Path, table: pd.DataFrame, month: str) -> None:
    """Serve the bundle that passed, ask it about the table, and let the decisions be of `month`, one after the other."""
    models = project / "models"
    verdict = require_verdict(read_bundle(models).digest, models, project / "reports/gate.json", False, None)
    service = Client(Worker(read_bundle(models), verdict, Settings(decision_log=project / "decisions")))
    table.to_parquet(project / "asked.parquet")
    rows = applicants(project / "asked.parquet", service.worker.state.predictor.bundle.schema)
    asked = [{"loan_id": loan, **row} for loan, row in zip(table["loan_id"], rows, strict=True)]
    before = set((project / "decisions").glob("*.parquet"))
    assert service.worker.log is not None
    service.worker.log.start()
    for start in range(0, len(asked), 300):
        assert service.ask("/predict/batch", {"rows": asked[start : start + 300]}).status == 200
    service.worker.log.stop()
    for path in set((project / "decisions").glob("*.parquet")) - before:
        logged = pq.read_table(path)
        days = pd.Timestamp(f"{month}-01T08:00Z") + pd.to_timedelta(
            np.linspace(0, 27, logged.num_rows), unit="D"
        ).floor("s")
        place = logged.column_names.index("lockgate_time")
        pq.write_table(logged.set_column(place, "lockgate_time", pa.array(days, pa.timestamp("us", "UTC"))), path)


def night(project: Path, run: int, time: str) -> dict[str, Any]:
    """The nightly run of `time`; its drift and what was decided."""
    succeed(invoke(project, "drift", "--current", "decisions/", "--time", time, "--no-page"))
    branch = ("--publish-branch", "lockgate-drift")
    succeed(invoke(project, "nightly", "history", "--run", str(run), *branch))
    succeed(invoke(project, "nightly", "issue", *branch))
    succeed(invoke(project, "nightly", "publish", *branch))
    decided: dict[str, Any] = json.loads((project / "reports/nightly.json").read_bytes())
    return {"drift": json.loads((project / "reports/drift.json").read_bytes()), **decided}


def write_outcomes(table: pd.DataFrame, path: Path) -> str:
    """A file as a collections department sends it."""
    table[["loan_id", "default"]].to_csv(path, index=False)
    return path.name


@pytest.fixture
def project(tmp_path: Path, fake_github: FakeGitHub, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lender's project, and its repository with a branch for what the nights publish."""
    remote = tmp_path / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", remote], check=True)
    fake_github.state["git_dir"] = str(remote)
    monkeypatch.setenv("GITHUB_REF_NAME", "main")
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    folder = tmp_path / "project"
    folder.mkdir()
    write_params(folder, PARAMS)
    return folder


@pytest.mark.full
def test_outcomes_show_the_month_in_which_the_world_turned_and_a_retrain_answers(
    project: Path, tmp_path: Path, fake_github: FakeGitHub
) -> None:
    people(8_000, 7, "H").to_parquet(project / "history.parquet", index=False)
    for command in CHAMPION:
        succeed(invoke(project, command))
    old = verify_bundle(project / "models")

    months = {f"2024-{month:02}": people(MONTHLY, 10 + month, f"2024{month:02}-") for month in range(1, 7)}
    june = months["2024-06"]
    months["2024-06"] = turned(june, score_table(old, june)["probability"].to_numpy(), 1)
    for month, table in months.items():
        decide(project, table, month)

    # In June outcomes of the first quarter are known, and of later decisions the bad ones that came early.
    early = [table[table["default"] == 1].head(60) for table in list(months.values())[3:]]
    first = pd.concat([*list(months.values())[:3], *early])
    succeed(invoke(project, "outcomes", "add", write_outcomes(first, project / "june.csv")))
    found = night(project, 1, "2024-06-28T03:00:00Z")
    by_month = {one["month"]: one for one in found["drift"]["vintages"]}
    assert [one["evidence"] for one in by_month.values()] == ["ok", "ok", "ok", "immature", "immature", "immature"]
    assert by_month["2024-06"]["reason"] == "nothing can be said before 2024-08-30"
    assert (found["drift"]["performance"]["status"], found["decision"]["state"]) == ("stable", "clear")
    assert found["drift"]["performance"]["n"] == sum(one["known"] for one in by_month.values()) > 2 * MONTHLY
    assert not fake_github.state.get("issues")

    # A hundred days pass, people go on to apply, and the rest becomes known.
    decide(project, people(300, 30, "202409-"), "2024-09")
    rest = pd.concat(list(months.values()))
    succeed(invoke(project, "outcomes", "add", write_outcomes(rest, project / "october.csv")))
    found = night(project, 2, "2024-10-06T03:00:00Z")
    by_month = {one["month"]: one for one in found["drift"]["vintages"]}
    assert [one["status"] for one in by_month.values()] == [*["stable"] * 5, "alert", "insufficient-data"]
    assert by_month["2024-06"]["roc_auc"]["value"] < 0.5
    assert (found["decision"]["state"], found["decision"]["retrain"]) == ("alarm", True)
    assert found["decision"]["fact"].startswith("Decisions of 2024-06: The model no longer ranks: ROC-AUC 0.")
    (issue,) = fake_github.state["issues"]
    assert issue["state"] == "open"
    assert "Decisions of 2024-06: The model no longer ranks: ROC-AUC 0." in issue["body"].splitlines()[0]

    began = next(line for line in (tmp_path / "output").read_text().splitlines() if line.startswith("alarm-began=2"))
    number = str(found["issue"]["number"])
    succeed(invoke(project, "nightly", "dispatch", "--issue", number, "--began", began.partition("=")[2]))
    (started,) = fake_github.state["dispatches"]
    assert started["inputs"] == {"drift-issue": number}

    # What the retrain does, on people of the world as it is now.
    history = people(8_000, 8, "N")
    history = turned(history, score_table(old, history)["probability"].to_numpy(), 2)
    history.to_parquet(project / "history.parquet", index=False)
    for command in CHAMPION:
        succeed(invoke(project, command))
    assert verify_bundle(project / "models").digest != old.digest

    october = people(MONTHLY, 40, "202410-")
    october = turned(october, score_table(old, october)["probability"].to_numpy(), 3)
    decide(project, october, "2024-10")
    decide(project, people(300, 41, "202501-"), "2025-01")
    succeed(invoke(project, "outcomes", "add", write_outcomes(october, project / "january.csv")))
    found = night(project, 3, "2025-01-31T03:00:00Z")
    vintage, young = found["drift"]["vintages"]
    assert (vintage["month"], vintage["known"], vintage["status"]) == ("2024-10", MONTHLY, "stable")
    assert (young["month"], young["evidence"]) == ("2025-01", "immature")
    assert vintage["roc_auc"]["value"] > 0.7
    assert (found["drift"]["status"], found["decision"]["state"]) == ("stable", "clear")
    assert found["issue"]["action"] == "close"
    assert [one["state"] for one in fake_github.state["issues"]] == ["closed"]
