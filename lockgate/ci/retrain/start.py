"""Starting a retrain because of an alarm: asked for, night after night, until there is one since the alarm began."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lockgate.documents.nightly_json import MAX_RETRAINS, RetrainRun
from lockgate.github.client import GitHubError, asking

if TYPE_CHECKING:
    from github.Repository import Repository
    from github.Workflow import Workflow

ATTEMPTS = 5
WAIT = 15.0  # seconds before the second attempt, twice as long before each further one


def start_retrain(
    repository: Repository,
    workflow_file: str,
    branch: str,
    issue: int,
    began: datetime,
    wait: Callable[[float], None] = time.sleep,
) -> bool:
    """Start the workflow on a branch, for the issue about drift; False where one was started there since the alarm `began`.

    A request whose answer was lost may have worked: before it is sent again, the workflow's runs are looked at.
    Raises GitHubError where GitHub stays away, or has no such workflow.
    """
    with asking(f"look for {workflow_file}"):
        workflow = repository.get_workflow(workflow_file)
    if _is_started(workflow, branch, began):
        return False
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with asking(f"start {workflow_file} on {branch}"):
                workflow.create_dispatch(branch, {"drift-issue": str(issue)}, throw=True)
            return True
        except GitHubError as error:
            if attempt == ATTEMPTS or (error.status is not None and error.status < 500):
                raise
            wait(WAIT * 2 ** (attempt - 1))
            if _is_started(workflow, branch, began):
                return True
    raise AssertionError("unreachable")


def retrains_since(repository: Repository, workflow_file: str, branch: str, since: datetime) -> tuple[RetrainRun, ...]:
    """The newest runs of the workflow that somebody started on the branch after `since`, oldest first.

    Empty where there is no such workflow. Raises GitHubError where GitHub stays away, or the token may not.
    """
    try:
        with asking(f"list the runs of {workflow_file}"):
            newest = (
                repository.get_workflow(workflow_file).get_runs(branch=branch, event="workflow_dispatch").get_page(0)
            )
    except GitHubError as error:
        if error.status == 404:
            return ()
        raise
    found = [
        RetrainRun(run.id, run.created_at.astimezone(UTC), str(run.conclusion or ""))
        for run in newest
        if run.created_at > since
    ]
    return tuple(sorted(found, key=lambda run: run.time)[-MAX_RETRAINS:])


def _is_started(workflow: Workflow, branch: str, began: datetime) -> bool:
    """Whether anybody started the workflow on the branch since then."""
    with asking("list the runs of the retrain"):
        newest = workflow.get_runs(branch=branch, event="workflow_dispatch").get_page(0)
        return any(run.created_at >= began for run in newest)
