"""How good a model is on labelled rows: ROC-AUC, PR-AUC and Brier with the variance or the interval of each estimate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import fsum, sqrt
from typing import Literal

from numpy.typing import ArrayLike

from lockgate.documents.drift_json import MetricInterval
from lockgate.documents.profile_json import HeldOutPerformance, MetricEstimate
from lockgate.drift.calibration import Floats
from lockgate.metrics.delong import auc_variance
from lockgate.metrics.interval import SMALL_CLASS_ROWS, logit_interval, normal_quantile
from lockgate.metrics.linearised import average_precision_variance
from lockgate.metrics.sorted_rows import SortedRows, sorted_rows

CONFIDENCE = 0.95
UNDEFINED = MetricInterval(None, None, None)
MOST_VARIANCE = 0.25  # of anything that lies in 0..1: taken where a class has one row, which leaves everything open
DIGITS = 12  # significant ones that are kept, so that a profile has the same bytes whatever machine summed them


@dataclass(frozen=True)
class ActualPerformance:
    """The metrics of `n` labelled rows; `evidence` is "small-class" where there are fewer than ten rows of a class."""

    n: int
    positives: int
    evidence: Literal["ok", "small-class"]
    roc_auc: MetricInterval
    brier: MetricInterval


def actual_performance(labels: ArrayLike, scores: ArrayLike) -> ActualPerformance | None:
    """ROC-AUC and Brier of rows with labels 0, 1 or NaN for unknown and a probability each; None where no label is known.

    ROC-AUC has DeLong's interval and is undefined for one class; Brier a mean's normal one, 0 to 1 for one row.
    """
    rows = sorted_rows(labels, scores)
    if rows.rows == 0:
        return None
    found = performance_of_rows(rows)
    smaller = min(rows.positives, rows.negatives)
    return ActualPerformance(
        n=rows.rows,
        positives=rows.positives,
        evidence="small-class" if smaller < SMALL_CLASS_ROWS else "ok",
        roc_auc=metric_interval("roc_auc", None if found is None else found.roc_auc, CONFIDENCE, smaller),
        brier=metric_interval("brier", _mean_loss(rows) if found is None else found.brier),
    )


def performance_of(labels: ArrayLike, scores: ArrayLike) -> HeldOutPerformance | None:
    """The metrics of rows with labels 0, 1 or NaN for unknown and a probability each; None where a class is missing.

    The variance is DeLong's for ROC-AUC, the linearised one (infinitesimal jackknife) for PR-AUC, that of a mean for Brier.
    The same for shuffled rows.
    """
    return performance_of_rows(sorted_rows(labels, scores))


def performance_of_rows(rows: SortedRows) -> HeldOutPerformance | None:
    """The same of rows that are sorted already."""
    if 0 in (rows.positives, rows.negatives):
        return None
    return HeldOutPerformance(
        n=rows.rows,
        positives=rows.positives,
        roc_auc=_estimate(*auc_variance(rows)),
        pr_auc=_estimate(*average_precision_variance(rows)),
        brier=_mean_loss(rows),
    )


def metric_interval(
    name: str, estimate: MetricEstimate | None, confidence: float = CONFIDENCE, smaller_class: int | None = None
) -> MetricInterval:
    """The estimate with its normal interval, on the logit scale for ROC-AUC and PR-AUC; None throughout for None.

    A ROC-AUC or PR-AUC of exactly 0 or 1 has no variance to go by. Of `smaller_class` disjoint pairs all were ranked alike, so at
    most that share of all pairs is otherwise which leaves such a sample possible (Clopper and Pearson); without it, any is.
    """
    if estimate is None:
        return UNDEFINED
    value, error = estimate.value, sqrt(estimate.variance)
    if name == "brier":
        reach = normal_quantile(confidence) * error
        return MetricInterval(value, max(value - reach, 0.0), min(value + reach, 1.0))
    if 0.0 < value < 1.0:
        return MetricInterval(value, *logit_interval(value, error, confidence))
    room = 1.0 if smaller_class is None else 1.0 - ((1.0 - confidence) / 2.0) ** (1.0 / smaller_class)
    return MetricInterval(value, value * (1.0 - room), value * (1.0 - room) + room)


def _mean_loss(rows: SortedRows) -> MetricEstimate:
    def losses() -> Iterator[tuple[Floats, Floats]]:
        """The loss of a positive and of a negative with each score, and how many they are."""
        for at in rows.counts():
            yield (1.0 - at.score) ** 2, at.positive
            yield at.score**2, at.negative

    mean = fsum(float((loss * count).sum()) for loss, count in losses()) / rows.rows
    if rows.rows < 2:
        return _estimate(mean, None)
    squares = fsum(float((count * (loss - mean) ** 2).sum()) for loss, count in losses())
    return _estimate(mean, squares / (rows.rows - 1) / rows.rows)


def _estimate(value: float, variance: float | None) -> MetricEstimate:
    spread = MOST_VARIANCE if variance is None else variance
    return MetricEstimate(float(f"{value:.{DIGITS}g}"), float(f"{spread:.{DIGITS}g}"))
