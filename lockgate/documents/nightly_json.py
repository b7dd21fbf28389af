"""What the nightly runs leave for each other: the history of their results, and what this run decided."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from lockgate.documents.document import Count, Document, Part, Sentence, Sha256
from lockgate.documents.drift_json import DriftStatus
from lockgate.documents.profile_json import NotNegative

AlarmState = Literal["alarm", "watching", "clear", "unknown"]
IssueAction = Literal["none", "create", "update", "reopen", "close", "dismissed"]


class NightlyRun(Part, frozen=True, kw_only=True):
    """One run: `run` and `attempt` as GitHub counts them, `time` in UTC, `psi` of the feature that moved most.

    `model` is the bundle's digest; of two tables without a bundle it is the sha256 of the reference.
    """

    run: Count
    attempt: Count
    time: Annotated[datetime, Meta(tz=True)]
    model: Sha256
    status: DriftStatus
    rows: Count
    moved: Count
    worst: Annotated[str, Meta(max_length=200)]
    psi: NotNegative | None

    def __post_init__(self) -> None:
        if self.time.utcoffset() != timedelta():
            raise ValueError("its time is not in UTC")

    @property
    def is_judged(self) -> bool:
        """Whether there were rows enough to say anything."""
        return self.status != "insufficient-data"


class NightlyHistory(Document, frozen=True, kw_only=True):
    """The runs that one of them knew of, itself included, oldest first."""

    schema: Literal[2] = 2
    runs: tuple[NightlyRun, ...]


class Decision(Part, frozen=True, kw_only=True):
    """`alarm`: wake somebody. `watching`: the newest run alarmed, too few before it did. `clear`: the newest did not.

    `unknown`: the newest had too few rows, which is neither an alarm nor its end. `alarmed` of the `judged` runs alarmed,
    where `k` of `n` are asked for. `began` is the time of the first of the runs that alarmed one after the other up to the
    newest, None where that one did not.
    """

    state: AlarmState
    alarmed: Count
    judged: Count
    k: Count
    n: Count
    began: Annotated[datetime, Meta(tz=True)] | None


class IssueUpdate(Part, frozen=True):
    """What was done with which issue; `number` is None where there is none."""

    action: IssueAction
    number: Count | None


class NightlyDecision(Document, frozen=True, kw_only=True):
    """What this run decided, what was wrong with the copies of the history, and what became of the issue."""

    HOW_TO_FIX: ClassVar[str] = "run `lockgate nightly history`"

    schema: Literal[1] = 1
    decision: Decision
    run: NightlyRun
    problems: tuple[Sentence, ...]
    issue: IssueUpdate | None
