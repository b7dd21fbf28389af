"""Outcomes of a decision log by the month of the decision, none before its time.

A default can be known after a month, that there was none only at the end: of young decisions the known outcomes are mostly the
bad ones, and whatever is measured on them is wrong. So a decision counts once it has matured, whatever is known of it before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd
from msgspec.structs import replace
from numpy.typing import NDArray

from lockgate.config.errors import InputError
from lockgate.config.params import DriftPerformance
from lockgate.documents.drift_json import (
    DRIFT_STATUSES,
    MOVED,
    DriftResult,
    DriftStatus,
    MetricInterval,
    PerformanceDrift,
    Vintage,
)
from lockgate.documents.schema_json import (
    DECISION_COLUMNS,
    LOG_DECISION,
    LOG_DIGEST,
    LOG_TIME,
    NO_OUTCOME,
    OUTCOME,
    UNFAVOURABLE,
)
from lockgate.drift.bins import Counts, Floats, float_values
from lockgate.drift.measured_performance import UNDEFINED, actual_performance

Flags = NDArray[np.bool_]
Times = NDArray[np.datetime64]
Judge = Callable[[Floats, Floats], PerformanceDrift | None]  # of the labels of a month and their scores

END_OF_TIME = np.datetime64("9000-01-01", "us")  # beyond it something else than a time was written
DAYS_OF_A_MONTH = 30
# Of the share of outcomes that is known of favourable decisions: below it the known ones are a selection.
FEW_OF_THE_UNFAVOURABLE = 0.5


@dataclass(frozen=True)
class DecisionOutcomes:
    """One model's decisions among the rows of a log.

    `times` is when each was made, in UTC, NaT where a row is another model's; `unfavourable` says which way each went; `labels` are
    0, 1 or NaN.
    `as_of` is when one looks: a decision that was made later is not there yet.
    """

    times: Times
    unfavourable: Flags
    labels: Floats
    as_of: np.datetime64
    settings: DriftPerformance

    @property
    def counted(self) -> Flags:
        """The decisions of the months that are looked at."""
        first = month_of(self.as_of) - np.timedelta64(self.settings.vintages - 1, "M")
        flags: Flags = (self.times <= self.as_of) & (month_of(self.times) >= first)
        return flags

    @property
    def matured(self) -> Flags:
        """Those of them that are old enough for their outcomes to count."""
        flags: Flags = self.counted & (self.times + self._maturity <= self.as_of)
        return flags

    @property
    def matured_labels(self) -> Floats:
        """The labels that count; NaN elsewhere."""
        labels: Floats = np.where(self.matured, self.labels, np.nan)
        return labels

    @property
    def _maturity(self) -> np.timedelta64:
        return np.timedelta64(self.settings.maturity_days, "D")

    @property
    def judged_months(self) -> int:
        """How many months have outcomes that count."""
        return len(np.unique(month_of(self.times)[~np.isnan(self.matured_labels)]))

    def vintages(self, scores: Floats, judge: Judge) -> Iterator[Vintage]:
        """The months that have decisions, the oldest first; `scores` has the model's probability of each row."""
        months, counted = month_of(self.times), self.counted
        for month in np.unique(months[counted]):
            yield self._vintage(month, counted & (months == month), scores, judge)

    def _vintage(self, month: np.datetime64, rows: Flags, scores: Floats, judge: Judge) -> Vintage:
        matured = rows & self.matured
        known = matured & ~np.isnan(self.labels)
        labels, times = self.labels[known], self.times[rows]
        measured = actual_performance(labels, scores[known])
        events = int(labels.sum())
        last, first = (str((found + self._maturity).astype("datetime64[D]")) for found in (times.max(), times.min()))
        made = Vintage(
            month=str(month),
            decisions=int(rows.sum()),
            matured=int(matured.sum()),
            known=len(labels),
            missing=int(matured.sum()) - len(labels),
            events=events,
            expected_rate=float(scores[known].mean()) if len(labels) else None,
            roc_auc=measured.roc_auc if measured else UNDEFINED,
            brier=measured.brier if measured else UNDEFINED,
            mature_on=last,
            evidence="immature",
            status="insufficient-data",
            reason=f"nothing can be said before {first}",
        )
        if not made.matured:
            return made
        if measured is None:
            reason = f"no outcome is known of {made.matured:,} mature decisions"
            return replace(made, evidence="no-labels", reason=reason)
        if events in (0, made.known):
            which = "events" if events else "no events"
            reason = f"the {made.known:,} known outcomes are all {which}, so that there is nothing to rank"
            return replace(made, evidence="one-class", reason=reason)
        judged = judge(labels, scores[known])
        status: DriftStatus = "insufficient-data" if judged is None else judged.status
        reason = judged.reason if judged and status in MOVED else _words(made)
        return replace(made, evidence=measured.evidence, status=status, reason=reason)

    @property
    def note(self) -> str | None:
        """A sentence on decisions that are not counted where one would expect it."""
        late = int((self.times > self.as_of).sum())
        if late:
            return f"{late:,} decisions are of a time to come, after {self.as_of}, and are not counted"
        if np.isnat(self.times).all():
            return "none of these decisions is of this model, so that none of their outcomes counts"
        if self.settings.maturity_days > DAYS_OF_A_MONTH * (self.settings.vintages - 1):
            return (
                f"hardly any outcome ever counts: the decisions of {self.settings.vintages} months are looked at, and one counts "
                f"after {self.settings.maturity_days:,} days; raise drift.performance.vintages, or lower maturity_days"
            )
        return None

    @property
    def selection(self) -> str | None:
        """A sentence where outcomes are known of a selection of the decisions, such as of favourable ones alone."""
        matured, known = self.matured, ~np.isnan(self.matured_labels)
        refused, taken = matured & self.unfavourable, matured & ~self.unfavourable
        known_refused, known_taken = int((refused & known).sum()), int((taken & known).sum())
        share_refused, share_taken = known_refused / max(refused.sum(), 1), known_taken / max(taken.sum(), 1)
        if not refused.any() or share_refused >= FEW_OF_THE_UNFAVOURABLE * share_taken:
            return None
        return (
            f"outcomes are known of {known_taken:,} of {int(taken.sum()):,} favourable and of {known_refused:,} of "
            f"{int(refused.sum()):,} unfavourable decisions: what is measured holds for those who were accepted, among whom a "
            "model ranks worse than among all who apply"
        )


@dataclass(frozen=True)
class DecisionRows:
    """What the rows of a log say of their decisions: when each was made, in UTC, NaT where nobody says; whether by the model; which
    way it went; and its label, 0, 1 or NaN. `taken` are the stored outcomes that these labels are, by their places."""

    made_at: Times
    is_own: Flags
    unfavourable: Flags
    labels: Floats
    taken: Counts

    @property
    def newest(self) -> np.datetime64 | None:
        """When the newest decision was made; None where nobody says of any."""
        known = self.made_at[~np.isnat(self.made_at)]
        return known.max() if len(known) else None

    def outcomes(self, as_of: np.datetime64, settings: DriftPerformance) -> DecisionOutcomes:
        """The model's decisions, looked at at a time."""
        times = np.where(self.is_own, self.made_at, np.datetime64("NaT", "us"))
        return DecisionOutcomes(times, self.unfavourable, self.labels, as_of, settings)

    def recent(self, as_of: np.datetime64, days: int) -> Flags:
        """The rows of any model's decisions that are less than so many days old: what came last is what may have moved."""
        flags: Flags = (self.made_at <= as_of) & (self.made_at > as_of - np.timedelta64(days, "D"))
        return flags


def decision_rows(rows: pd.DataFrame, target: str, model: str) -> DecisionRows | None:
    """The decisions in a batch that is a decision log, those of `model`, a digest, being its own; None where the batch is none."""
    if not {*DECISION_COLUMNS} <= {*rows.columns}:
        return None
    taken = rows[OUTCOME].to_numpy("int64") if OUTCOME in rows.columns else np.empty(0, np.int64)
    return DecisionRows(
        made_at=pd.to_datetime(rows[LOG_TIME], utc=True).dt.tz_localize(None).to_numpy("datetime64[us]"),
        is_own=(rows[LOG_DIGEST] == model).to_numpy(),
        unfavourable=(rows[LOG_DECISION] == UNFAVOURABLE).to_numpy(),
        labels=float_values(rows[target]) if target in rows.columns else np.full(len(rows), np.nan),
        taken=taken[taken != NO_OUTCOME],
    )


def merged_decisions(parts: Sequence[DecisionRows]) -> DecisionRows:
    """The decisions of all parts of a log, one after the other.

    Raises InputError where an outcome counts for decisions of two of them.
    """
    taken = np.concatenate([one.taken for one in parts])
    if copies := len(taken) - len(np.unique(taken)):
        raise InputError(
            f"{copies:,} outcomes are stored for decisions that the log has more than once; a file is there twice, or a part of "
            "one: remove the copy"
        )
    return DecisionRows(
        made_at=np.concatenate([one.made_at for one in parts]),
        is_own=np.concatenate([one.is_own for one in parts]),
        unfavourable=np.concatenate([one.unfavourable for one in parts]),
        labels=np.concatenate([one.labels for one in parts]),
        taken=taken,
    )


def looked_at(newest: np.datetime64, time: datetime | None) -> np.datetime64:
    """When one looks at a log: at `time`, or, where nobody says it, when the newest decision was made.

    Raises InputError where that is no time.
    """
    if newest >= END_OF_TIME:
        raise InputError(
            f"the newest decision of the log is of {newest}; correct `{LOG_TIME}`, or leave these rows out"
        )
    return newest if time is None else np.datetime64(time.astimezone(UTC).replace(tzinfo=None), "us")


def decision_outcomes(
    rows: pd.DataFrame, target: str, model: str, time: datetime | None, settings: DriftPerformance
) -> DecisionOutcomes | None:
    """The decisions of `model`, a digest, in a batch that is a decision log; None where the batch is none.

    One looks as `looked_at` says, and that raises.
    """
    decisions = decision_rows(rows, target, model)
    newest = None if decisions is None else decisions.newest
    if decisions is None or newest is None:
        return None
    return decisions.outcomes(looked_at(newest, time), settings)


def with_vintages(result: DriftResult, vintages: Sequence[Vintage], selection: str | None) -> DriftResult:
    """The result with its months: where one of them is worse than all together, the performance and the night are as bad.

    Where outcomes of a year are known, a model that broke last month is still good on average. The worst month leads the sentence
    where other months are good: then it is known since when something is wrong.
    """
    made = replace(result, vintages=tuple(vintages), selection=selection)
    worst = max(vintages, key=_gravity, default=None)
    performance = result.performance
    if worst is None or performance is None or worst.status not in MOVED:
        return made
    together = performance.metric("roc_auc")
    if any(one.status == "stable" for one in vintages):
        value = "" if together is None else MetricInterval(together.value, together.low, together.high).with_interval
        reason = f"Decisions of {worst.month}: {worst.reason}"
        reason += f"; all {performance.n:,} known outcomes together: ROC-AUC {value}" * bool(value)
    else:
        reason = f"{performance.reason}; worst for decisions of {worst.month}, ROC-AUC {worst.roc_auc.with_interval}"
    performance = replace(
        performance, status=max(worst.status, performance.status, key=DRIFT_STATUSES.index), reason=reason
    )
    return replace(
        made, performance=performance, status=max(result.status, performance.status, key=DRIFT_STATUSES.index)
    )


def _gravity(vintage: Vintage) -> tuple[int, float]:
    value = vintage.roc_auc.value
    return DRIFT_STATUSES.index(vintage.status), 0.0 if value is None else -value


def month_of(times: Times | np.datetime64) -> Times:
    """The months of times."""
    months: Times = times.astype("datetime64[M]")
    return months


def _words(made: Vintage) -> str:
    expected = "" if made.expected_rate is None else f", {made.expected_rate:.1%} expected"
    words = (
        f"{made.known:,} of {made.matured:,} mature decisions have an outcome, {made.events / made.known:.1%} events{expected}; "
        f"ROC-AUC {made.roc_auc.with_interval}"
    )
    young = made.decisions - made.matured
    return f"{words}; {young:,} more decisions are mature by {made.mature_on}" if young else words
