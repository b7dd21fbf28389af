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


def judge(project: Path, branch: str, **inputs: str) -> dict[str, Any]:
    """gate.json of the action's run."""
    temporary = project / ".runner"
    temporary.mkdir()
    given = {"base": "0" * 40, "default-branch": "main", "champion": "base", "first-model": "auto", "enforce": "false"}
    given |= {"bin": str(Path(sys.executable).parent), "predictions": "", "policy": "", "minimums": ""}
    given |= {"champion-predictions": "", "weight": "", **inputs}
    environment = {
        **os.environ,
        **{f"LOCKGATE_{name.upper().replace('-', '_')}": value for name, value in given.items()},
        "GITHUB_ACTION_PATH": str(ACTION),
        "GITHUB_OUTPUT": str(temporary / "output"),
        "GITHUB_REF_NAME": branch,
        "GITHUB_STEP_SUMMARY": str(temporary / "summary"),
        "RUNNER_TEMP": str(temporary),
    }
    subprocess.run([ACTION / "run.sh", "judge"], cwd=project, env=environment, check=True, capture_output=True)
    verdict: dict[str, Any] = json.loads((project / "reports/gate.json").read_text())
    return verdict


@pytest.fixture
def fresh(project: Path) -> Path:
    """The project as a repository of one commit."""
    succeed(invoke(project, "evaluate"))
    for command in (("init", "--quiet", "--initial-branch=main"), ("add", "params.yaml")):
        subprocess.run(["git", *command], cwd=project, check=True)
    return project


def test_a_new_default_branch_brings_the_first_model(fresh: Path) -> None:
    verdict = judge(fresh, "main")
    assert (verdict["verdict"], verdict["first_model"]) == ("pass", True)


@pytest.mark.parametrize("case", [{"branch": "feature"}, {"branch": "main", "first-model": "false"}], ids=str)
def test_any_other_new_branch_has_a_champion_to_meet(fresh: Path, case: dict[str, str]) -> None:
    verdict = judge(fresh, **case)
    assert (verdict["verdict"], verdict["first_model"]) == ("block", False)
