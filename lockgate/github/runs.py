"""What belongs to a workflow run: the pull request it was for, and what it left."""

from __future__ import annotations

from dataclasses import dataclass

from github.Artifact import Artifact
from github.PullRequest import PullRequest
from github.Repository import Repository
from github.WorkflowRun import WorkflowRun

from lockgate.github.client import asking

WORKFLOWS = ".github/"


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


def changes_workflows(pull: PullRequest) -> bool:
    """Whether the pull request touches `.github/`, where the workflows are that judge it. Raises GitHubError."""
    with asking(f"list the files of #{pull.number}"):
        return any(
            (name or "").startswith(WORKFLOWS)
            for file in pull.get_files()
            for name in (file.filename, file.previous_filename)
        )


def newest_artifact(run: WorkflowRun, name: str) -> Artifact | None:
    """The artifact of that name from the run's last attempt that made one; None where there is none or it expired."""
    with asking(f"list the artifacts of run {run.id}"):
        found = [artifact for artifact in run.get_artifacts() if artifact.name == name and not artifact.expired]
    return max(found, key=lambda artifact: artifact.id, default=None)
