"""Whether the rate of positives has changed, where the current batch's outcomes are known.

Fisher's exact test of two proportions, both tails, in the same family as the features: with rates of a few per
thousand the normal approximation promises a tenth of the false alarms it gives. It never alerts: outcomes that are
known early (defaults come before repayments) are seldom a fair sample of the batch, so a changed rate is a question.
"""

from __future__ import annotations

from math import log, sqrt

import numpy as np
from numpy.typing import ArrayLike

from lockgate.documents.drift_json import DriftStatus, LabelDrift, LabelRate
from lockgate.documents.profile_json import DriftRule, LabelCounts
from lockgate.drift.exact_test import exact_tails
from lockgate.metrics.interval import normal_quantile
from lockgate.metrics.sorted_rows import as_floats

# A change of the odds by under a tenth moves a calibrated score less than its own error; a million rows see it anyway.
LEAST_LOG_ODDS = 0.1
CONFIDENCE = 0.95


def count_labels(labels: ArrayLike) -> LabelCounts:
    """Counts of labels 0, 1 and NaN for unknown, an array of shape (rows,)."""
    column = as_floats(labels)
    unknown = int(np.count_nonzero(np.isnan(column)))
    return LabelCounts(len(column) - unknown, int(np.count_nonzero(column)) - unknown)  # NaN is not zero


def label_drift(
    name: str, reference: LabelCounts | None, current: LabelCounts, error: float, rule: DriftRule
) -> LabelDrift:
    """The entry `label` of `drift.json`; `reference` is None for a profile that counts no labels.

    A change warns that is significant at `error` and multiplies the odds of a positive by at least 1.1, or divides them.
    """
    p_value = None if reference is None else exact_p_value(reference, current)
    status: DriftStatus = "stable"
    few = reference is None or min(reference.n, current.n) < rule.min_rows
    if few:
        status = "insufficient-data"
    elif p_value is not None and p_value <= error and abs(_log_odds_ratio(reference, current)) >= LEAST_LOG_ODDS:
        status = "warn"
    return LabelDrift(
        name=name,
        status=status,
        rule="rows" if few else "rate" if status == "warn" else None,
        reason=_reason(reference, current, status, rule),
        p_value=p_value,
        error=error,
        confidence=CONFIDENCE,
        reference=None if reference is None else _rate(reference),
        current=_rate(current),
    )


def exact_p_value(one: LabelCounts, other: LabelCounts) -> float:
    """Fisher's exact test that both have the same rate: twice the smaller tail, at most 1."""
    return min(1.0, 2.0 * min(exact_tails(one.positives, one.n, other.positives, other.n)))


def wilson(counts: LabelCounts, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Two-sided interval of a rate (Wilson 1927, J. Am. Stat. Assoc. 22, 209-212); 0 to 1 where nothing is known."""
    if counts.n == 0:
        return 0.0, 1.0
    z = normal_quantile(confidence)
    shrink = 1.0 + z * z / counts.n
    middle = (counts.rate + z * z / (2 * counts.n)) / shrink
    reach = z * sqrt(counts.rate * (1 - counts.rate) / counts.n + (z / (2 * counts.n)) ** 2) / shrink
    return min(counts.rate, max(0.0, middle - reach)), max(counts.rate, min(1.0, middle + reach))  # rounding errors


def _rate(counts: LabelCounts) -> LabelRate:
    low, high = wilson(counts)
    return LabelRate(counts.n, counts.positives, counts.rate if counts.n else None, low, high)


def _log_odds_ratio(reference: LabelCounts | None, current: LabelCounts) -> float:
    """With half a row added to each cell, so that none is empty (Haldane 1956, Anscombe 1956)."""
    if reference is None:
        return 0.0
    before, now = (log((side.positives + 0.5) / (side.n - side.positives + 0.5)) for side in (reference, current))
    return now - before


def _reason(reference: LabelCounts | None, current: LabelCounts, status: DriftStatus, rule: DriftRule) -> str:
    if reference is None:
        return "the reference counts no labels; `lockgate train` writes a profile that does"
    if status == "insufficient-data":
        side, few = ("current", current.n) if current.n < rule.min_rows else ("reference", reference.n)
        return f"only {few:,} {side} labels, at least {rule.min_rows:,} are needed (drift.min_rows)"
    rates = (
        f"{100 * current.rate:.3g} % of {current.n:,} known labels are positive, {100 * reference.rate:.3g} % before"
    )
    return rates if status == "warn" else f"{rates}: no change that counts"
