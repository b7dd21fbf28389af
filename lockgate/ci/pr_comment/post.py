"""Exactly one comment with the report: CML posts, then GitHub is asked what stands there, and the rest is repaired."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from lockgate.ci.pr_comment.plan import Plan, Report, carries, cml_verb, ours, plan, superseding
from lockgate.github.client import GitHubError
from lockgate.github.comments import Comment

ROUNDS = 5
# Refusals that the same request meets again: not allowed, or not acceptable.
_FINAL = frozenset({401, 403, 410, 422, 429})


class Comments(Protocol):
    """The comments of a pull request; see `lockgate.github.comments`."""

    def comments(self) -> list[Comment]:
        """All of them, oldest first."""

    def create(self, body: str) -> Comment:
        """A new one."""

    def update(self, comment: Comment, body: str) -> None:
        """Another body for one."""

    def delete(self, comment: Comment) -> None:
        """Remove one."""


class Poster(Protocol):
    """Somebody else who may post first; see `lockgate.github.cml`."""

    def comment(self, verb: Literal["create", "update"], number: int, report: Report) -> str:
        """What went wrong, empty where it says it posted."""


@dataclass(frozen=True)
class Posted:
    """How it ended: the one comment, whether it is a later run's, whether CML posted it, and what was in the way."""

    comment: Comment
    superseded: bool = False
    by_cml: bool = False
    notes: tuple[str, ...] = ()


def post(
    comments: Comments,
    number: int,
    login: str,
    report: Report,
    poster: Poster | None = None,
) -> Posted:
    """Bring it about that exactly one comment by `login` on pull request `number` carries `report`.

    Comments of others are never touched, whatever marks they carry. Raises GitHubError where it cannot be had.
    """
    found = comments.comments()
    later = superseding(found, login, report)
    if later is not None:
        return Posted(later, superseded=True)
    notes: list[str] = []
    by_cml = False
    if poster is not None and not plan(found, login, report).done:
        verb = cml_verb(found, login, report)
        if verb is None:
            notes.append("CML would make a second comment or take somebody else's, so it was not asked")
        else:
            before, problem = found, poster.comment(verb, number, report)
            found = comments.comments()
            login = _author(before, found, login, report, notes)
            by_cml = any(carries(comment, report) for comment in ours(found, login, report.name))
            if problem or not by_cml:
                notes.append(problem or "CML says that it posted, but no comment carries this report")
    return _repair(comments, found, login, report, notes, by_cml)


def _repair(
    comments: Comments,
    found: list[Comment],
    login: str,
    report: Report,
    notes: list[str],
    by_cml: bool,
) -> Posted:
    """Look, do what is left, and look again, until nothing is left."""
    for attempt in range(ROUNDS):
        left = plan(found, login, report)
        if left.done and left.kept is not None:
            return Posted(left.kept, by_cml=by_cml, notes=tuple(notes))
        made: list[Comment] = []
        try:
            made = _carry_out(left, comments, report)
        except GitHubError as error:
            if error.status in _FINAL or attempt == ROUNDS - 1:
                raise
            notes.append(str(error))
            time.sleep(2.0**attempt)
        login = _author(found, [*found, *made], login, report, notes)
        found = comments.comments()
        # A list may lag behind: what GitHub just said it made is there, and is not made twice.
        found += [comment for comment in made if comment.id not in {other.id for other in found}]
        if left.delete:
            notes.append(f"deleted {len(left.delete)} surplus comment(s) of ours")
    raise GitHubError(
        f"there is not exactly one comment with this report after {ROUNDS} tries; look at the pull request"
    )


def _carry_out(left: Plan, comments: Comments, report: Report) -> list[Comment]:
    """The comments made; the surplus goes only after the one that stays has the report."""
    made = [comments.create(report.watermarked_body)] if left.create else []
    if left.update is not None:
        comments.update(left.update, report.watermarked_body)
    for comment in left.delete:
        comments.delete(comment)
    return made


def _author(before: Sequence[Comment], after: Sequence[Comment], login: str, report: Report, notes: list[str]) -> str:
    """Whose name our comments bear: `login`, unless the comment that was just made bears another."""
    known = {comment.id for comment in before}
    new = [comment for comment in after if comment.id not in known and carries(comment, report)]
    if not new or any(comment.login == login for comment in new):
        return login
    notes.append(
        f"comments with this token are by {new[0].login}: give that as the author, or each run makes a new one"
    )
    return new[0].login
