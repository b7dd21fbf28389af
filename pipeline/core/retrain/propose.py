"""A retrained model that passed becomes a branch, a commit status and one pull request, whatever was there before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.core.github.branch import create_branch, head_of, make_commit
from pipeline.core.github.client import GitHubError, asking
from pipeline.core.nightly.published import read_published
from pipeline.core.retrain.proposal import LOCK, Proposal
from pipeline.core.retrain.words import commit_message, pull_body, pull_mark, pull_title

if TYPE_CHECKING:
    from github.PullRequest import PullRequest
    from github.Repository import Repository

CONTEXT = "lockgate gate"
ATTEMPTS = 3
Open = Callable[[str, str, str, str], str]


@dataclass(frozen=True)
class Target:
    """Where a proposal goes: the default branch, its commit that the model was trained on, and this run."""

    base: str
    commit: str
    run_url: str
    run: int
    issue: int | None


@dataclass(frozen=True)
class Proposed:
    """The branch and its commit; the pull request's number, or None where this repository forbids opening one."""

    branch: str
    commit: str
    pull: int | None
    problem: str


def is_unchanged(repository: Repository, proposal: Proposal, target: Target) -> bool:
    """Whether the commit that was trained on has these very files already."""
    return all(read_published(repository, target.commit, name) == content for name, content in proposal.files.items())


def propose(repository: Repository, proposal: Proposal, target: Target, cml: Open | None) -> Proposed:
    """Push the branch if it is not there, mark its commit as judged, and see to exactly one open pull request.

    A branch that exists is never moved: if it has this model it is used as it is, with whatever people have added, and
    if not, the proposal takes a name with the run's number. Raises GitHubError where GitHub stays away.
    """
    branch, commit = _push(repository, proposal, target)
    with asking(f"set the status of {commit[:12]}"):
        repository.get_commit(commit).create_status(
            "success", target.run_url, "The retrained model passed the gate", CONTEXT
        )
    pull, problem = _one_pull(repository, proposal, target, branch, cml)
    return Proposed(branch, commit, None if pull is None else pull.number, problem)


def _push(repository: Repository, proposal: Proposal, target: Target) -> tuple[str, str]:
    parent = None
    for branch in (proposal.branch, f"{proposal.branch}-{target.run}"):
        head = head_of(repository, branch)
        if head is None:
            with asking(f"look at commit {target.commit[:12]}"):
                parent = parent or repository.get_git_commit(target.commit)
            message = commit_message(proposal.digest, target.run_url)
            made = make_commit(repository, proposal.files, message, parent, keep_others=True)
            create_branch(repository, branch, made.sha)
            head = head_of(repository, branch)
        if head is not None and read_published(repository, branch, LOCK) == proposal.files[LOCK]:
            return branch, head.sha
    raise GitHubError(f"branches {proposal.branch} and {branch} hold other models; delete the older one")


def _one_pull(
    repository: Repository, proposal: Proposal, target: Target, branch: str, cml: Open | None
) -> tuple[PullRequest | None, str]:
    """The open pull request, as GitHub has it, and what went wrong on the way to it."""
    title = pull_title(proposal.digest)
    body = pull_body(proposal.facts, proposal.digest, target.run_url, target.issue)
    problem = ""
    pull = find_pull(repository, branch, target.base)
    if pull is None and cml is not None:
        problem = cml(branch, target.base, title, body)
        pull = find_pull(repository, branch, target.base)
    for _ in range(ATTEMPTS):
        if pull is not None:
            break
        try:
            with asking(f"open a pull request from {branch}"):
                pull = repository.create_pull(target.base, branch, title=title, body=body)
        except GitHubError as error:
            problem = str(error)
            if is_forbidden(error):
                return None, problem
            pull = find_pull(repository, branch, target.base)
            if pull is None and error.status is not None and error.status < 500:
                raise
    if pull is None:
        raise GitHubError(problem)
    if pull_mark(proposal.digest) not in (pull.body or ""):
        with asking(f"put the report into #{pull.number}"):
            pull.edit(title=title, body=body)
    return pull, problem


def find_pull(repository: Repository, branch: str, base: str) -> PullRequest | None:
    """The open pull request from this branch of this repository; GitHub allows one for each base."""
    owner = repository.full_name.partition("/")[0]
    with asking(f"look for a pull request from {branch}"):
        found = repository.get_pulls(state="open", head=f"{owner}:{branch}", base=base)
        return next((pull for pull in found if pull.head.ref == branch), None)


def is_forbidden(error: GitHubError) -> bool:
    """Whether the repository's settings keep workflows from opening pull requests, or the token may not."""
    return error.status == 403 or "not permitted to create" in str(error).lower()
