"""How good a model is on labelled rows: ROC-AUC, PR-AUC and Brier with the variance or the interval of each estimate."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from lockgate.documents.drift_json import MetricInterval
from lockgate.documents.profile_json import HeldOutPerformance, MetricEstimate
from lockgate.drift.calibration import Floats
from lockgate.metrics.delong import auc_covariance
from lockgate.metrics.interval import SMALL_CLASS_ROWS, logit_interval, normal_quantile
from lockgate.metrics.linearised import average_precision_error

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
    label, score = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    known = ~np.isnan(label)
    label, score = label[known], score[known]
    n, positives = len(label), int(np.count_nonzero(label))
    if n == 0:
        return None
    smaller = min(positives, n - positives)
    found = performance_of(label, score)
    brier = _mean_loss(label, score) if found is None else found.brier
    return ActualPerformance(
        n=n,
        positives=positives,
        evidence="small-class" if smaller < SMALL_CLASS_ROWS else "ok",
        roc_auc=metric_interval("roc_auc", None if found is None else found.roc_auc, CONFIDENCE, smaller),
        brier=metric_interval("brier", brier),
    )


def performance_of(labels: ArrayLike, scores: ArrayLike) -> HeldOutPerformance | None:
    """The metrics of rows with labels 0, 1 or NaN for unknown and a probability each; None where a class is missing.

    The variance is DeLong's for ROC-AUC, the linearised one (infinitesimal jackknife) for PR-AUC, that of a mean for Brier.
    The same for shuffled rows.
    """
    label, score = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    known = ~np.isnan(label)
    label, score = label[known], score[known]
    positives = int(np.count_nonzero(label))
    if positives in (0, len(label)):
        return None
    (auc,), covariance = auc_covariance(label, score)
    precision, error = average_precision_error(label, score)
    return HeldOutPerformance(
        n=len(label),
        positives=positives,
        roc_auc=_estimate(float(auc), None if covariance is None else float(covariance[0, 0])),
        pr_auc=_estimate(precision, error**2),
        brier=_mean_loss(label, score),
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


def _mean_loss(label: Floats, score: Floats) -> MetricEstimate:
    loss = np.sort((score - label) ** 2)
    return _estimate(float(loss.mean()), float(loss.var(ddof=1)) / len(loss) if len(loss) > 1 else None)


def _estimate(value: float, variance: float | None) -> MetricEstimate:
    spread = MOST_VARIANCE if variance is None else variance
    return MetricEstimate(float(f"{value:.{DIGITS}g}"), float(f"{spread:.{DIGITS}g}"))
