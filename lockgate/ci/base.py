"""The commit that a change is measured against: decided by what the event says and what git has.

Of a pull request it is the first parent of the merge that was checked out, not the payload's `base.sha`, which is as old as
the payload: the policy and the model of the branch that the change would really go into.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import msgspec

from lockgate.champion.base_commit import COMMIT
from lockgate.config.errors import InputError

FULL_CLONE = "check out with `fetch-depth: 0`"
SAY_WHICH = "say which commit with the input `base`"


@dataclass(frozen=True)
class Event:
    """What GitHub says of a run: the event's name, the commit and the ref that it is about, the default branch.

    before: of a push, what the branch was at; zeros where there was no branch. queue_base: of a merge group, what it is
    queued on. All are empty outside of a workflow.
    """

    name: str = ""
    commit: str = ""
    ref: str = ""
    default_branch: str = ""
    before: str = ""
    queue_base: str = ""

    @property
    def is_of_default_branch(self) -> bool:
        """Whether it is about the default branch itself."""
        return bool(self.default_branch) and self.ref == f"refs/heads/{self.default_branch}"


class History(Protocol):
    """What git says. `parents` are those that HEAD names, also where a shallow clone has none of them."""

    @property
    def head(self) -> str: ...

    @property
    def parents(self) -> tuple[str, ...]: ...

    def find(self, commit: str) -> str | None:
        """The SHA of a commit that is here."""
        ...

    def fetch(self, commit: str) -> str | None:
        """The SHA of a commit that can be fetched; a force-push leaves what it took from its branch for a while."""
        ...

    def is_first_ancestor(self, commit: str) -> bool:
        """Whether HEAD's first parents lead to the commit."""
        ...

    def left(self, branch: str) -> str | None:
        """The commit in which HEAD left the branch of `origin`; None where they have none in common."""
        ...


@dataclass(frozen=True)
class Base:
    """The commit to measure against, and how it was found, for people. `commit` is None where nothing came before.

    `is_known`: whether anything says what came before; outside of a workflow nothing does.
    """

    commit: str | None
    reason: str
    is_known: bool = True


def base_of(event: Event, history: History, stated: str = "") -> Base:
    """The base of a run; `stated` overrides what the event says.

    Raises InputError, one line that says how to fix it, where the base is not here, or nothing says which one it is.
    """
    if stated:
        return Base(_obtained(history, stated, f"the base commit {stated}"), "it was given as `base`")
    if not event.name:
        return Base(None, "no event says what came before", is_known=False)
    if event.name in {"pull_request", "merge_group"}:
        return _of_merge(event, history)
    if event.name == "push" and event.before.strip("0"):
        return Base(
            _obtained(history, event.before, f"{event.before}, at which this branch was before the push,"),
            "it is what the branch was at before the push",
        )
    if event.name == "push" and event.before and event.is_of_default_branch:
        return Base(None, "this push makes the default branch")
    return _of_branch(event, history)


def _of_merge(event: Event, history: History) -> Base:
    if history.head != event.commit:
        raise InputError(
            f"HEAD is {history.head[:12]}, and the event is about {event.commit[:12]}, whose parent is the base; "
            f"check out without `ref`, or {SAY_WHICH}"
        )
    if len(history.parents) > 1:
        return Base(
            _here(history, history.parents[0], "the first parent of HEAD, which the change was merged into,"),
            "it is what the change was merged into",
        )
    if event.name == "merge_group" and event.queue_base:
        queued_on = _here(history, event.queue_base, f"{event.queue_base}, on which the merge group is queued,")
        if history.is_first_ancestor(queued_on):
            return Base(queued_on, "it is what the merge group is queued on")
        raise InputError(
            f"the first parents of HEAD do not lead to {queued_on[:12]}, on which it is queued; {SAY_WHICH}"
        )
    raise InputError(f"HEAD ({history.head[:12]}) is no merge of the change into its base; {SAY_WHICH}")


def _of_branch(event: Event, history: History) -> Base:
    """Of a branch that is new, or of a run that no change started: where it left the default branch, else one commit back."""
    if not event.is_of_default_branch:
        if not event.default_branch:
            raise InputError(f"the event {event.name!r} names no default branch; {SAY_WHICH}")
        left = history.left(event.default_branch)
        if left is None:
            raise InputError(
                f"nothing that HEAD and {event.default_branch} have in common is in this clone; {FULL_CLONE}, or {SAY_WHICH}"
            )
        if left != history.head:
            return Base(left, f"it is where the branch left {event.default_branch}")
    if not history.parents:
        return Base(None, "this is the first commit")
    return Base(_here(history, history.parents[0], "the commit before HEAD"), "it is the commit before")


def _here(history: History, commit: str, what: str) -> str:
    found = history.find(commit)
    if found is None:
        raise InputError(f"{what} is not in this clone; {FULL_CLONE}, or {SAY_WHICH}")
    return found


def _obtained(history: History, commit: str, what: str) -> str:
    if not COMMIT.fullmatch(commit):
        raise InputError(f"the base commit {commit[:80]!r} is no name of a commit; {SAY_WHICH}")
    found = history.find(commit) or history.fetch(commit)
    if found is None:
        raise InputError(f"{what} is not in this clone and cannot be fetched; {FULL_CLONE}, or {SAY_WHICH}")
    return found


class _Queue(msgspec.Struct, frozen=True):
    base_sha: str = ""


class _Repository(msgspec.Struct, frozen=True):
    default_branch: str = ""


class _Payload(msgspec.Struct, frozen=True):
    """The keys of an event's payload that say what came before."""

    before: str | None = None
    merge_group: _Queue = _Queue()
    repository: _Repository = _Repository()


def read_event(environment: Mapping[str, str] = os.environ) -> Event:
    """The event of this run, from the variables and the file that every step has; an empty one outside of a workflow.

    Raises InputError where the payload cannot be read.
    """
    name, file = environment.get("GITHUB_EVENT_NAME", ""), environment.get("GITHUB_EVENT_PATH", "")
    if not name:
        return Event()
    try:
        payload = msgspec.json.decode(Path(file).read_bytes(), type=_Payload)
    except (OSError, msgspec.DecodeError) as error:
        raise InputError(f"the event's payload {file!r} cannot be read ({error}); {SAY_WHICH}") from None
    return Event(
        name,
        environment.get("GITHUB_SHA", ""),
        environment.get("GITHUB_REF", ""),
        payload.repository.default_branch,
        payload.before or "",
        payload.merge_group.base_sha,
    )


class GitHistory:
    """The history of the clone around the working directory."""

    @cached_property
    def head(self) -> str:
        """Raises InputError where there is no commit."""
        found = _git("rev-parse", "--quiet", "--verify", "HEAD^{commit}")
        if found is None:
            raise InputError(f"{Path.cwd()} is in no git repository with a commit; check out first")
        return found

    @cached_property
    def parents(self) -> tuple[str, ...]:
        """From the commit's own text: a shallow clone tells git that there are none."""
        lines = (_git("cat-file", "commit", self.head) or "").split("\n\n")[0].splitlines()
        return tuple(line.removeprefix("parent ") for line in lines if line.startswith("parent "))

    def find(self, commit: str) -> str | None:
        """The SHA of a commit that is here."""
        return _git("rev-parse", "--quiet", "--verify", "--end-of-options", f"{commit}^{{commit}}")

    def fetch(self, commit: str) -> str | None:
        """The SHA of a commit of `origin`."""
        _git("fetch", "--quiet", "--no-tags", "--depth=1", "origin", "--", commit)
        return self.find(commit)

    def is_first_ancestor(self, commit: str) -> bool:
        """Whether HEAD's first parents lead to it."""
        return commit in (_git("rev-list", "--first-parent", self.head) or "").splitlines()

    def left(self, branch: str) -> str | None:
        """Where HEAD left the branch of `origin`."""
        return _git("merge-base", self.head, f"refs/remotes/origin/{branch}")


def _git(*arguments: str) -> str | None:
    ran = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607
    return ran.stdout.rstrip("\n") if ran.returncode == 0 else None
