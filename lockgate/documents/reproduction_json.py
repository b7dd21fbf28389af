"""`reproduction.json`: what `lockgate reproduce` found out about `dvc.lock`, for the steps that come after it."""

from __future__ import annotations

from typing import ClassVar, Literal

from lockgate.documents.document import Document, Name, Part, Sentence, Sha256

StageOutcome = Literal["ran", "restored", "unchanged", "failed"]


class StageRun(Part, frozen=True):
    """What one stage did, and the seconds it took by the clock."""

    name: Name
    how: StageOutcome
    seconds: float


class Reproduction(Document, frozen=True, kw_only=True):
    """The content of reproduction.json.

    model: the digest of the bundle, None where there is none. locked: whether a `dvc.lock` was committed; stale: its
    entries that are of other inputs; other_bytes: outputs that came out otherwise from the same inputs.
    """

    HOW_TO_FIX: ClassVar[str] = "run `lockgate reproduce` again"

    schema: Literal[1] = 1
    model: Sha256 | None
    trained: bool
    is_stale: bool
    stages: tuple[StageRun, ...]
    stale: tuple[Sentence, ...]
    other_bytes: tuple[Sentence, ...]
    locked: bool
