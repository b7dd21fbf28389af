"""The action quality-gate on the push that makes a branch, which no commit comes before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import invoke, succeed

ACTION = Path(__file__).parents[2] / ".github/actions/quality-gate"


def run_action(project: Path, branch: str, **inputs: str) -> subprocess.CompletedProcess[str]:
    """Run the action's script for the push that makes `branch`."""
    temporary = project / ".runner"
    temporary.mkdir()
    (temporary / "event.json").write_text(json.dumps({"before": "0" * 40, "repository": {"default_branch": "main"}}))
    given = {"base": "", "default-branch": "main", "champion": "base", "first-model": "auto", "enforce": "false"}
    given |= {"bin": str(Path(sys.executable).parent), "predictions": "", "policy": "", "minimums": ""}
    given |= {"measured": "", "champion-bundle": "", "bundle-workflow": "pr.yml", "name": "", "token": ""}
    given |= {"champion-predictions": "", "weight": "", **inputs}
    environment = {
        **os.environ,
        **{f"LOCKGATE_{name.upper().replace('-', '_')}": value for name, value in given.items()},
        "GITHUB_ACTION_PATH": str(ACTION),
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_EVENT_PATH": str(temporary / "event.json"),
        "GITHUB_OUTPUT": str(temporary / "output"),
        "GITHUB_REF": f"refs/heads/{branch}",
        "GITHUB_STEP_SUMMARY": str(temporary / "summary"),
        "RUNNER_TEMP": str(temporary),
    }
    return subprocess.run(
        [ACTION / "run.sh", "judge"], cwd=project, env=environment, check=False, capture_output=True, text=True
    )


def judge(project: Path, branch: str, **inputs: str) -> dict[str, Any]:
    """gate.json of the action's run."""
    ran = run_action(project, branch, **inputs)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    verdict: dict[str, Any] = json.loads((project / "reports/gate.json").read_text())
    return verdict


@pytest.fixture
def fresh(project: Path) -> Path:
    """The project as a repository of one commit."""
    succeed(invoke(project, "evaluate"))
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    for command in (
        ("init", "--quiet", "--initial-branch=main"),
        ("add", "params.yaml"),
        (*identity, "commit", "--quiet", "--message", "Begin"),
    ):
        subprocess.run(["git", *command], cwd=project, check=True)
    return project


def test_a_new_default_branch_brings_the_first_model(fresh: Path) -> None:
    verdict = judge(fresh, "main")
    assert (verdict["verdict"], verdict["first_model"]) == ("pass", True)


def test_where_that_is_denied_it_has_a_champion_to_meet(fresh: Path) -> None:
    verdict = judge(fresh, "main", **{"first-model": "false"})
    assert (verdict["verdict"], verdict["first_model"]) == ("block", False)


def test_any_other_new_branch_has_to_say_where_it_left(fresh: Path) -> None:
    ran = run_action(fresh, "feature")
    assert ran.returncode == 2
    assert "nothing that HEAD and main have in common is in this clone; check out with `fetch-depth: 0`" in ran.stdout
    assert "verdict=error" in (fresh / ".runner/output").read_text()
