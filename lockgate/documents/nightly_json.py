"""What the nightly runs leave for each other: the history of their results, and what this run decided."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from lockgate.documents.document import Count, Document, Part, Sentence, Sha256
from lockgate.documents.drift_json import MOVED, DriftStatus
from lockgate.documents.profile_json import NotNegative

AlarmState = Literal["alarm", "watching", "clear", "unknown"]
IssueAction = Literal["none", "create", "update", "reopen", "close", "dismissed"]
MAX_NAME = 200
MAX_FEATURES = 30  # of a night whose PSI the history keeps
MAX_RETRAINS = 5
MAX_FACT = 400  # characters
ShortName = Annotated[str, Meta(max_length=MAX_NAME)]


class NightMetric(Part, frozen=True):
    """A metric of one night with its interval, and the gate's threshold for it; None where there is none."""

    value: float | None
    low: float | None = None
    high: float | None = None
    threshold: float | None = None


class NightPerformance(Part, frozen=True, kw_only=True):
    """How well the model did in one night's batch, by `n` rows; `refuted` says that labels contradict an estimate."""

    status: DriftStatus
    n: Count
    roc_auc: NightMetric
    brier: NightMetric
    refuted: bool = False


class NightFeature(Part, frozen=True, array_like=True):
    """A feature's name, PSI and status in one night, in this order: an array, because there are thousands of them."""

    name: ShortName
    psi: NotNegative
    status: DriftStatus


class RetrainRun(Part, frozen=True):
    """A run of the workflow that retrains, started since the night before; `outcome` is GitHub's, empty before it ends."""

    run: Count
    time: Annotated[datetime, Meta(tz=True)]
    outcome: Annotated[str, Meta(max_length=40)]


class NightlyRun(Part, frozen=True, kw_only=True):
    """One run: `run` and `attempt` as GitHub counts them, `time` in UTC, `psi` of the feature that moved most.

    `model` is the bundle's digest; of two tables without a bundle it is the sha256 of the reference. `batch` and `newest` say which
    batch it was and how new: None where nothing says. `measured` is the performance by known labels, `estimated` without them.
    `features` are those that matter most, at most `MAX_FEATURES`. `state` is what was decided,
    `fact` the gravest that was found; `retrains` are those that somebody started since the night before.
    """

    run: Count
    attempt: Count
    time: Annotated[datetime, Meta(tz=True)]
    model: Sha256
    status: DriftStatus
    rows: Count
    moved: Count
    worst: ShortName
    psi: NotNegative | None
    batch: Sha256 | None = None
    newest: date | None = None
    measured: NightPerformance | None = None
    estimated: NightPerformance | None = None
    model_drift: DriftStatus | None = None
    features: Annotated[tuple[NightFeature, ...], Meta(max_length=MAX_FEATURES)] = ()
    state: AlarmState | None = None
    fact: Annotated[str, Meta(max_length=MAX_FACT)] = ""
    retrains: Annotated[tuple[RetrainRun, ...], Meta(max_length=MAX_RETRAINS)] = ()

    def __post_init__(self) -> None:
        if self.time.utcoffset() != timedelta():
            raise ValueError("its time is not in UTC")

    @property
    def is_judged(self) -> bool:
        """Whether there were rows enough to say anything."""
        return self.status != "insufficient-data"

    @property
    def is_performance_known(self) -> bool:
        """Whether there were labels enough to say how well the model did."""
        return self.measured is not None and self.measured.status != "insufficient-data"

    @property
    def is_performance_bad(self) -> bool:
        """Whether known labels say that the model does worse than it should."""
        return self.measured is not None and self.measured.status in MOVED


class NightlyHistory(Document, frozen=True, kw_only=True):
    """The runs that one of them knew of, itself included, oldest first."""

    schema: Literal[2] = 2
    runs: tuple[NightlyRun, ...]


class StaleBatch(Part, frozen=True):
    """Why tonight's batch is none: it is an `earlier-batch`, or has `no-newer-day` than one; `run` had it first, on `since`."""

    kind: Literal["earlier-batch", "no-newer-day"]
    run: Count
    since: date
    reason: Sentence


class Decision(Part, frozen=True, kw_only=True):
    """`alarm`: wake somebody. `watching`: the newest run alarmed, too few before it did. `clear`: the newest did not.

    `unknown`: the newest had too few rows, which is neither an alarm nor its end. `alarmed` of the `judged` runs alarmed,
    where `k` of `n` are asked for. `began` is the time of the first of the runs that alarmed one after the other up to the
    newest, None where that one did not. `stale` says why the batch is no new one. `last_bad` is the time of the last night
    whose labels showed the model's performance, where that was bad: until labels show it to be good nothing is clear.
    `fact` is the gravest of what was found, as a sentence. `retrain` says whether newer training data could answer the alarm.
    """

    state: AlarmState
    alarmed: Count
    judged: Count
    k: Count
    n: Count
    began: Annotated[datetime, Meta(tz=True)] | None
    stale: tuple[StaleBatch, ...] = ()
    last_bad: Annotated[datetime, Meta(tz=True)] | None = None
    fact: Sentence = ""
    retrain: bool = False


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
