"""What belongs to a workflow run: the pull request it was for, and what it left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from github.Artifact import Artifact
from github.PullRequest import PullRequest
from github.Repository import Repository
from github.WorkflowRun import WorkflowRun

from lockgate.github.client import asking

# How a run ends of which nothing has run: it waits for somebody's approval, or every job was left out.
NOT_RUN = frozenset({"action_required", "skipped"})


@dataclass(frozen=True)
class Found:
    """The open pull request whose head the run judged, or why there is none."""

    pull: PullRequest | None
    why_not: str = ""


def pull_of_run(repository: Repository, run: WorkflowRun) -> Found:
    """The pull request whose head is still the run's commit.

    GitHub names it in the run, but not for forks; so it is looked for by commit, and by the fork's branch. Raises
    GitHubError.
    """
    commit = run.head_sha
    with asking(f"find the pull request of commit {commit[:12]}"):
        found = {pull.number: pull for pull in repository.get_commit(commit).get_pulls()}
        origin = run.head_repository
        if origin is not None and run.head_branch:
            head = f"{origin.full_name.partition('/')[0]}:{run.head_branch}"
            found |= {pull.number: pull for pull in repository.get_pulls(state="open", head=head)}
        still = {number: pull for number, pull in found.items() if pull.state == "open" and pull.head.sha == commit}
        named = {pull.number for pull in run.pull_requests}
    still = {number: pull for number, pull in still.items() if number in named} or still
    if len(still) == 1:
        return Found(next(iter(still.values())))
    if still:
        numbers = ", ".join(f"#{number}" for number in sorted(still))
        return Found(None, f"several open pull requests have this head ({numbers}), and the run does not say which")
    moved = sorted(number for number, pull in found.items() if pull.state == "open")
    if moved:
        return Found(None, f"the head of #{moved[0]} is no longer {commit[:12]}; a newer run will report")
    return Found(None, f"no open pull request has the head {commit[:12]}")


def later_run(repository: Repository, run: WorkflowRun) -> int | None:
    """The number of a later run of the same workflow for the same commit and branch, which will report. Raises GitHubError."""
    with asking(f"look for later runs of commit {run.head_sha[:12]}"):
        for other in repository.get_workflow_runs(head_sha=run.head_sha, event=run.event):
            same = (other.path, other.head_branch) == (run.path, run.head_branch)
            if other.id > run.id and same and other.conclusion not in NOT_RUN:
                return int(other.id)
    return None


def changed_places(pull: PullRequest, places: Sequence[str]) -> tuple[str, ...]:
    """Those of `places` (a folder's name ends with `/`) in which the pull request changes a file. Raises GitHubError."""
    with asking(f"list the files of #{pull.number}"):
        names = {name for file in pull.get_files() for name in (file.filename, file.previous_filename) if name}
    return tuple(
        place
        for place in places
        if any(name == place or (place[-1] == "/" and name.startswith(place)) for name in names)
    )


def newest_artifact(run: WorkflowRun, name: str) -> Artifact | None:
    """The artifact of that name from the run's last attempt that made one; None where there is none or it expired."""
    with asking(f"list the artifacts of run {run.id}"):
        found = [artifact for artifact in run.get_artifacts() if artifact.name == name and not artifact.expired]
    return max(found, key=lambda artifact: artifact.id, default=None)
