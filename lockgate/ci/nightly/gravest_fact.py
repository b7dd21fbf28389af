"""The gravest of what a night found, as one sentence: it leads the issue, and the retrain that answers carries it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lockgate.documents.drift_json import DRIFT_STATUSES, DriftResult, DriftStatus
from lockgate.documents.nightly_json import MAX_FACT, StaleBatch
from lockgate.documents.profile_json import SCORE
from lockgate.documents.text import clean_reason


def gravest_fact(drift: DriftResult, stale: Sequence[StaleBatch] = ()) -> str:
    """The sentence, on one line; empty where nothing warns or alerts.

    Of facts that are equally grave the one that says most of the model comes first: what labels show of it, what it is estimated
    to do, whether there is a batch at all, how rows go through it, and only then where and which single columns have moved.
    """
    facts = [fact for fact in _facts(drift, stale) if DRIFT_STATUSES.index(fact[0]) >= DRIFT_STATUSES.index("warn")]
    worst = max(facts, key=lambda fact: DRIFT_STATUSES.index(fact[0]), default=None)  # the first of equal ones
    return "" if worst is None else clean_reason(worst[1], MAX_FACT)


def _facts(drift: DriftResult, stale: Sequence[StaleBatch]) -> Iterator[tuple[DriftStatus, str]]:
    if drift.performance:
        yield drift.performance.status, drift.performance.reason
    if drift.estimated:
        yield drift.estimated.status, drift.estimated.reason
    for one in stale:
        yield "warn", f"The batch is stale: {one.reason}"
    if drift.model_drift:
        yield drift.model_drift.status, drift.model_drift.reason
    yield from drift.where
    for feature in drift.by_effect:
        what = "The score" if feature.kind == SCORE else f"The feature {feature.name}"
        yield feature.status, f"{what} has moved: {feature.reason or f'PSI {feature.psi:.2f}'}"
    if drift.label:
        yield drift.label.status, f"The rate of {drift.label.name} has changed: {drift.label.reason}"
