"""Which comments of a pull request are ours, which carry the report, and what is left to do. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from lockgate.config.files import sha256_bytes

if TYPE_CHECKING:
    from lockgate.github.comments import Comment

# CML finds a comment by this picture, and only among as many as the first page has.
CML_FIRST_PAGE = 30
_WATERMARK = "https://cml.dev/watermark.png"
_MARKER = re.compile(
    r"<!-- lockgate-comment name=\"(?P<name>[^\"<>]*)\" run=(?P<run>\d+)/(?P<attempt>\d+) "
    r"head=(?P<head>[0-9a-f]{40}) body=(?P<body>[0-9a-f]{64}) -->"
)


@dataclass(frozen=True)
class Report:
    """What one comment must carry. `name` tells the reports of several models on a pull request apart; `report` of the only one."""

    name: str
    run: int
    attempt: int
    commit: str
    text: str

    @cached_property
    def marker(self) -> str:
        """Names the run and the text, invisible in the comment."""
        digest = _text_sha256(self.text)
        return (
            f'<!-- lockgate-comment name="{self.name}" run={self.run}/{self.attempt} '
            f"head={self.commit} body={digest} -->"
        )

    @property
    def title(self) -> str:
        """For `cml comment --watermark-title`."""
        return f"lockgate {self.name}"

    @property
    def body(self) -> str:
        """The comment without CML's watermark, which CML adds itself."""
        return f"{self.text.rstrip()}\n\n{self.marker}\n"

    @property
    def watermarked_body(self) -> str:
        """The comment as CML would post it, so that CML finds again what it did not post itself."""
        return f'{self.body}\n\n![]({_WATERMARK}#{self.commit} "CML watermark {self.title}")'


@dataclass(frozen=True)
class Plan:
    """What makes exactly one comment carry the report: at most one of `create` and `update`, and our surplus ones."""

    create: bool = False
    update: Comment | None = None
    delete: tuple[Comment, ...] = ()
    kept: Comment | None = None

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return not (self.create or self.update or self.delete)


def ours(comments: Sequence[Comment], login: str, name: str) -> list[Comment]:
    """Comments by `login` that carry a report of this name. Anybody can copy a marker: the author decides."""
    return [
        comment
        for comment in comments
        if comment.login == login and any(found["name"] == name for found in _MARKER.finditer(comment.body))
    ]


def carries(comment: Comment, report: Report) -> bool:
    """Whether the comment has this report's marker and, above it, this report's text."""
    text, marker, _ = comment.body.replace("\r\n", "\n").partition(report.marker)
    return bool(marker) and _text_sha256(text) == _text_sha256(report.text)


def superseding(comments: Sequence[Comment], login: str, report: Report) -> Comment | None:
    """A comment of ours by a later run of the same commit, which an earlier one must not overwrite."""
    for comment in ours(comments, login, report.name):
        for found in _MARKER.finditer(comment.body):
            later = (int(found["run"]), int(found["attempt"])) > (report.run, report.attempt)
            if found["head"] == report.commit and later:
                return comment
    return None


def plan(comments: Sequence[Comment], login: str, report: Report) -> Plan:
    """What is left to do. The oldest comment that already carries the report stays, else our oldest."""
    mine = ours(comments, login, report.name)
    if not mine:
        return Plan(create=True)
    carrying = [comment for comment in mine if carries(comment, report)]
    kept = (carrying or mine)[0]
    return Plan(
        update=None if carrying else kept,
        delete=tuple(comment for comment in mine if comment is not kept),
        kept=kept,
    )


def cml_verb(comments: Sequence[Comment], login: str, report: Report) -> Literal["create", "update"] | None:
    """How CML can do it, or None where it would make a second comment or edit somebody else's.

    `update` takes the newest of the first page that has the watermark, whoever wrote it.
    """
    mine = ours(comments, login, report.name)
    if not mine:
        return "create"
    pattern = re.compile(rf'!\[\]\({re.escape(_WATERMARK)}#[0-9a-fA-F]+ "CML watermark {re.escape(report.title)}"\)')
    found = [comment for comment in comments[:CML_FIRST_PAGE] if pattern.search(comment.body)]
    return "update" if len(mine) == 1 and found and found[-1] is mine[0] else None


def _text_sha256(text: str) -> str:
    """Of the text without the white space at its end, which GitHub does not promise to keep."""
    return sha256_bytes(text.replace("\r\n", "\n").rstrip().encode())
