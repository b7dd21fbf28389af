"""Starting a retrain because of an alarm: asked for until GitHub has it, and once where it had it all along."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from lockgate.github.client import GitHubError, asking

if TYPE_CHECKING:
    from github.Repository import Repository
    from github.Workflow import Workflow

ATTEMPTS = 5
WAIT = 15.0  # seconds before the second attempt, twice as long before each further one


def start_retrain(
    repository: Repository, workflow_file: str, branch: str, issue: int, wait: Callable[[float], None] = time.sleep
) -> None:
    """Start the workflow on a branch, for the issue about drift.

    A request whose answer was lost may have worked: before it is sent again, the workflow's runs are looked at.
    Raises GitHubError where GitHub stays away, or has no such workflow.
    """
    with asking(f"look for {workflow_file}"):
        workflow = repository.get_workflow(workflow_file)
    known = _runs(workflow, branch)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with asking(f"start {workflow_file} on {branch}"):
                workflow.create_dispatch(branch, {"drift-issue": str(issue)}, throw=True)
            return
        except GitHubError as error:
            if attempt == ATTEMPTS or (error.status is not None and error.status < 500):
                raise
            wait(WAIT * 2 ** (attempt - 1))
            if _runs(workflow, branch) - known:
                return


def _runs(workflow: Workflow, branch: str) -> set[int]:
    """The newest runs of the workflow that somebody started on the branch."""
    with asking("list the runs of the retrain"):
        runs = workflow.get_runs(branch=branch, event="workflow_dispatch")
        return {run.id for run in runs.get_page(0)}
