"""The job that comments has a token that may write: what it imports, what it may do, and what it must not touch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

WORKFLOWS = Path(__file__).parents[2] / ".github/workflows"
MODULES = (
    "lockgate.cli.comment",
    "lockgate.ci.pr_comment.artifact",
    "lockgate.github.cml",
    "lockgate.github.cml",
    "lockgate.ci.pr_comment.artifact",
    "lockgate.ci.pr_comment.post",
    "lockgate.github.comments",
    "lockgate.github.artifacts",
    "lockgate.github.runs",
    "lockgate.report.markdown",
)
HEAVY = {"numpy", "pandas", "pyarrow", "scipy", "sklearn", "xgboost", "mlflow", "matplotlib", "dvc", "pydantic", "onnx"}


def workflow(name: str) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe", pure=True).load(WORKFLOWS / name)
    return found


def test_what_it_runs_imports_nothing_that_trains() -> None:
    code = f"import sys, importlib; [importlib.import_module(name) for name in {MODULES!r}]; print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & {name.split(".")[0] for name in answer.stdout.split()}


def test_it_waits_for_the_workflow_that_measures() -> None:
    trigger = workflow("pr-comment.yml")["on"]
    assert list(trigger) == ["workflow_run"]
    assert trigger["workflow_run"]["workflows"] == [workflow("pr.yml")["name"]]


@pytest.mark.parametrize("name", ["pr-comment.yml", "comment.yml"])
def test_it_checks_nothing_out_and_may_only_read_runs_and_comment(name: str) -> None:
    assert "checkout" not in (WORKFLOWS / name).read_text()
    document = workflow(name)
    assert document["permissions"] == {}
    for job in document["jobs"].values():
        assert job["permissions"] == {"actions": "read", "pull-requests": "write"}


def test_where_the_code_of_a_pull_request_runs_nothing_can_be_written() -> None:
    for name in ("pr.yml", "model.yml"):
        document = workflow(name)
        assert document["permissions"] == {}
        for job in document["jobs"].values():
            assert set(job.get("permissions", {}).values()) <= {"read"}
        assert "secrets." not in (WORKFLOWS / name).read_text()
