"""What ROC-AUC, PR-AUC and Brier score are to be expected of a batch before its labels are known, from calibrated scores.

Confidence-based performance estimation (CBPE, as in NannyML; Kivimaki, Bialek, Kuberski & Nurminen 2025,
arXiv 2505.05295): where a score's probability p of a positive is right, the outcomes are Bernoulli(p), and so is what a
metric will be once they are known. With s the scores, i and j different rows, and N_i the rows with a score of at least s_i:

    ROC-AUC = sum p_i (1 - p_j) ([s_i > s_j] + [s_i = s_j] / 2)  /  sum p_i (1 - p_j)
    PR-AUC  = sum p_i (1 + sum p_j [s_j >= s_i]) / N_i  /  sum p_i
    Brier   = mean of p_i (1 - s_i)^2 + (1 - p_i) s_i^2

Each has a slope d_i in p_i, so the metric that the labels will give varies by sum p_i (1 - p_i) d_i^2, and what the
calibration's own estimates leave open (intercept and slope, from held-out rows) comes through the same d_i. The variance
holds both. It holds nothing for a relation of score and outcome that has changed since: that cannot be seen without labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lockgate.config.errors import InputError
from lockgate.documents.drift_json import EstimatedPerformance
from lockgate.documents.profile_json import Calibration, MetricEstimate
from lockgate.drift.calibration import Floats, expit
from lockgate.drift.measured_performance import CONFIDENCE, metric_interval
from lockgate.metrics.interval import SMALL_CLASS_ROWS
from lockgate.metrics.recalibration import logit

CALIBRATED = "rows with the same score are positive as often as they were among the held-out rows at training"
UNCALIBRATED = "the scores are true probabilities, which this profile has no labels to confirm"


@dataclass(frozen=True)
class ExpectedMetrics:
    """The metrics that the scores of `n` rows let expect, each with the variance of what labels will show; None for none.

    ROC-AUC is not defined for fewer than two rows.
    """

    n: int
    positives: float
    roc_auc: MetricEstimate | None
    pr_auc: MetricEstimate | None
    brier: MetricEstimate | None

    @property
    def has_both_classes(self) -> bool:
        """Whether enough rows of each class are expected for a normal interval to be relied on."""
        return min(self.positives, self.n - self.positives) >= SMALL_CLASS_ROWS


@dataclass(frozen=True)
class _Scores:
    """Distinct scores, ascending, with the rows at each, the chance of a positive there and its logit before."""

    score: Floats
    rows: Floats
    chance: Floats
    logits: Floats


def expected_metrics(scores: ArrayLike, calibration: Calibration | None) -> ExpectedMetrics:
    """From one probability a row; the same for shuffled rows. Raises InputError where a score is no probability."""
    at = _grouped(_probabilities(scores), calibration)
    return ExpectedMetrics(
        n=int(at.rows.sum()),
        positives=float((at.rows * at.chance).sum()),
        roc_auc=_expected_auc(at, calibration),
        pr_auc=_expected_average_precision(at, calibration),
        brier=_expected_brier(at, calibration),
    )


def estimated_performance(scores: ArrayLike, calibration: Calibration | None) -> EstimatedPerformance:
    """The entry `estimated` of `drift.json`, not judged yet: see `lockgate.drift.performance`.

    ROC-AUC is null for fewer than two rows, both are for none. `evidence` is "ok", or "small-class" where fewer than ten
    rows of a class are expected: the normal interval is then not to be relied on.
    Raises InputError where a score is no probability.
    """
    return estimate_of(expected_metrics(scores, calibration), calibration)


def estimate_of(expected: ExpectedMetrics, calibration: Calibration | None) -> EstimatedPerformance:
    """The same from the metrics that `expected_metrics` made of scores and this calibration."""
    return EstimatedPerformance(
        n=expected.n,
        expected_positives=expected.positives,
        confidence=CONFIDENCE,
        evidence="ok" if expected.has_both_classes else "small-class",
        roc_auc=metric_interval("roc_auc", expected.roc_auc),
        brier=metric_interval("brier", expected.brier),
        assumes=UNCALIBRATED if calibration is None else CALIBRATED,
    )


def _probabilities(scores: ArrayLike) -> Floats:
    column = np.asarray(scores, dtype=np.float64)
    wrong = int(np.count_nonzero(~((column >= 0.0) & (column <= 1.0))))
    if wrong:
        raise InputError(
            f"{wrong:,} scores of the current batch are no probabilities; is the bundle's model another's?"
        )
    return column + 0.0  # turns -0.0 into 0.0


def _grouped(scores: Floats, calibration: Calibration | None) -> _Scores:
    score, rows = np.unique(scores, return_counts=True)
    logits = logit(score)
    chance = score if calibration is None else expit(calibration.intercept + calibration.slope * logits)
    return _Scores(score, rows.astype(np.float64), chance, logits)


def _expected_auc(at: _Scores, calibration: Calibration | None) -> MetricEstimate | None:
    positive, negative = at.rows * at.chance, at.rows * (1.0 - at.chance)
    positives, negatives = positive.sum(), negative.sum()
    itself = at.rows * at.chance * (1.0 - at.chance)  # a row is no pair with itself
    pairs = positives * negatives - itself.sum()
    if at.rows.sum() < 2 or pairs <= 0.0:
        return None
    below = np.cumsum(negative) - negative / 2
    above = positives - np.cumsum(positive) + positive / 2
    auc = float(((positive * below).sum() - itself.sum() / 2) / pairs)
    beaten = (below - (1.0 - at.chance) / 2) - (above - at.chance / 2)
    more_pairs = (negatives - (1.0 - at.chance)) - (positives - at.chance)
    slope = (beaten - auc * more_pairs) / pairs
    return MetricEstimate(min(max(auc, 0.0), 1.0), _variance(at, slope, calibration))


def _expected_average_precision(at: _Scores, calibration: Calibration | None) -> MetricEstimate | None:
    positive = at.rows * at.chance
    positives = positive.sum()
    if positives <= 0.0:
        return None
    selected, found = _from_here_up(at.rows), _from_here_up(positive)
    precision = found / selected
    average = float((positive * (1.0 - at.chance + found) / selected).sum() / positives)
    # A positive counts the precision at its own score, and raises it there and at every lower one.
    slope = (precision + np.cumsum(positive / selected) - average) / positives
    return MetricEstimate(min(average, 1.0), _variance(at, slope, calibration))


def _from_here_up(values: Floats) -> Floats:
    return np.cumsum(values[::-1])[::-1]


def _expected_brier(at: _Scores, calibration: Calibration | None) -> MetricEstimate | None:
    n = at.rows.sum()
    if n == 0:
        return None
    loss = at.chance * (1.0 - at.score) ** 2 + (1.0 - at.chance) * at.score**2
    return MetricEstimate(float((at.rows * loss).sum() / n), _variance(at, (1.0 - 2.0 * at.score) / n, calibration))


def _variance(at: _Scores, slope: Floats, calibration: Calibration | None) -> float:
    """Variance of a metric whose slope in the outcome of a row at each score is `slope`."""
    spread = at.rows * at.chance * (1.0 - at.chance)
    variance = float((spread * slope**2).sum())
    if calibration is not None:
        by_intercept, by_slope = float((spread * slope).sum()), float((spread * at.logits * slope).sum())
        first, both, second = calibration.covariance
        variance += by_intercept**2 * first + 2 * by_intercept * by_slope * both + by_slope**2 * second
    return max(variance, 0.0)
