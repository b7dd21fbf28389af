"""Today's ROC-AUC and Brier score: estimated without labels from calibrated scores, and measured where labels are known.

Confidence-based performance estimation (CBPE, as in NannyML; Kivimaki, Bialek, Kuberski & Nurminen 2025,
arXiv 2505.05295): where a score's probability p of a positive is right, the outcomes are Bernoulli(p), and so is what a
metric will be once they are known. With s the scores, i and j different rows:

    ROC-AUC = sum p_i (1 - p_j) ([s_i > s_j] + [s_i = s_j] / 2)  /  sum p_i (1 - p_j)
    Brier   = mean of p_i (1 - s_i)^2 + (1 - p_i) s_i^2

Both are linear in each p_i, with slope d_i, so the metric that the labels will give varies by sum p_i (1 - p_i) d_i^2,
and what the calibration's own estimates leave open (intercept and slope, from held-out rows) comes through the same
d_i. The interval holds both. It holds nothing for a relation of score and outcome that has changed since: that cannot
be seen without labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lockgate.config.errors import InputError
from lockgate.documents.drift_json import ActualPerformance, EstimatedPerformance, MetricInterval
from lockgate.documents.profile_json import Calibration
from lockgate.metrics.delong import auc_interval
from lockgate.metrics.interval import SMALL_CLASS_ROWS, normal_quantile
from lockgate.metrics.recalibration import fit_line, logit

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
UNDEFINED = MetricInterval(None, None, None)
CALIBRATED = "rows with the same score are positive as often as they were among the held-out rows at training"
UNCALIBRATED = "the scores are true probabilities, which this profile has no labels to confirm"


@dataclass(frozen=True)
class _Scores:
    """Distinct scores, ascending, with the rows at each, the chance of a positive there and its logit before."""

    score: Floats
    rows: Floats
    chance: Floats
    logits: Floats


def estimated_performance(scores: ArrayLike, calibration: Calibration | None) -> EstimatedPerformance:
    """The entry `estimated` of `drift.json`, from one probability a row; the same for shuffled rows.

    ROC-AUC is null for fewer than two rows, both are for none. `evidence` is "ok", or "small-class" where fewer than ten
    rows of a class are expected: the normal interval is then not to be relied on.
    Raises InputError where a score is no probability.
    """
    at = _grouped(_probabilities(scores), calibration)
    n = float(at.rows.sum())
    positives = float((at.rows * at.chance).sum())
    small = min(positives, n - positives) < SMALL_CLASS_ROWS
    return EstimatedPerformance(
        n=int(n),
        expected_positives=positives,
        confidence=CONFIDENCE,
        evidence="small-class" if small else "ok",
        roc_auc=_estimated_auc(at, calibration),
        brier=_estimated_brier(at, calibration),
        assumes=UNCALIBRATED if calibration is None else CALIBRATED,
    )


def actual_performance(labels: ArrayLike, scores: ArrayLike) -> ActualPerformance | None:
    """The entry `actual` of `drift.json`, from labels 0, 1 or NaN for unknown; None where none is known.

    ROC-AUC has DeLong's interval and is null for one class; Brier a mean's normal one, 0 to 1 for one row.
    """
    label, score = np.asarray(labels, dtype=np.float64), _probabilities(scores)
    known = ~np.isnan(label)
    label, score = label[known], score[known]
    if not len(label):
        return None
    order = np.lexsort((label, score))
    label, score = label[order], score[order]
    positives = int(np.count_nonzero(label))
    auc = UNDEFINED
    if 0 < positives < len(label):
        found = auc_interval(label, score, CONFIDENCE)
        auc = MetricInterval(found.value, found.low, found.high)
    loss = (score - label) ** 2
    error = float(loss.std(ddof=1)) / sqrt(len(loss)) if len(loss) > 1 else 1.0
    small = min(positives, len(label) - positives) < SMALL_CLASS_ROWS
    return ActualPerformance(
        n=len(label),
        positives=positives,
        confidence=CONFIDENCE,
        evidence="small-class" if small else "ok",
        roc_auc=auc,
        brier=_around(float(loss.mean()), error),
    )


def fit_calibration(labels: ArrayLike, scores: ArrayLike) -> Calibration | None:
    """The logistic recalibration (Cox 1958) of held-out scores, every row counting once, with its Fisher covariance.

    None where there is none: one class, or classes that do not overlap in score. The same for shuffled rows.
    """
    label, score = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    order = np.lexsort((label, score))
    x, y = logit(score[order]), label[order]
    line = fit_line(x, y, np.ones(len(x)))
    if line is None:
        return None
    chance = expit(line.intercept + line.slope * x)
    weight = chance * (1.0 - chance)
    ones, cross, squares = float(weight.sum()), float((weight * x).sum()), float((weight * x * x).sum())
    determinant = ones * squares - cross * cross
    covariance = (squares / determinant, -cross / determinant, ones / determinant)
    return Calibration(len(x), float(line.intercept), float(line.slope), covariance)


def expit(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(-x)), without overflow."""
    small = np.exp(-np.abs(logits))
    chance: NDArray[np.float64] = np.where(logits >= 0.0, 1.0, small) / (1.0 + small)
    return chance


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


def _estimated_auc(at: _Scores, calibration: Calibration | None) -> MetricInterval:
    positive, negative = at.rows * at.chance, at.rows * (1.0 - at.chance)
    positives, negatives = positive.sum(), negative.sum()
    itself = at.rows * at.chance * (1.0 - at.chance)  # a row is no pair with itself
    pairs = positives * negatives - itself.sum()
    if at.rows.sum() < 2 or pairs <= 0.0:
        return UNDEFINED
    below = np.cumsum(negative) - negative / 2
    above = positives - np.cumsum(positive) + positive / 2
    auc = float(((positive * below).sum() - itself.sum() / 2) / pairs)
    beaten = (below - (1.0 - at.chance) / 2) - (above - at.chance / 2)
    more_pairs = (negatives - (1.0 - at.chance)) - (positives - at.chance)
    error = _error(at, (beaten - auc * more_pairs) / pairs, calibration)
    if not 0.0 < auc < 1.0:
        return MetricInterval(min(max(auc, 0.0), 1.0), 0.0, 1.0)
    # On the logit scale, as DeLong's interval of a measured one: within 0..1, and even-handed.
    reach = exp(-normal_quantile(CONFIDENCE) * error / (auc * (1.0 - auc)))
    return MetricInterval(auc, auc * reach / (auc * reach + 1.0 - auc), auc / (auc + (1.0 - auc) * reach))


def _estimated_brier(at: _Scores, calibration: Calibration | None) -> MetricInterval:
    n = at.rows.sum()
    if n == 0:
        return UNDEFINED
    loss = at.chance * (1.0 - at.score) ** 2 + (1.0 - at.chance) * at.score**2
    return _around(float((at.rows * loss).sum() / n), _error(at, (1.0 - 2.0 * at.score) / n, calibration))


def _error(at: _Scores, slope: Floats, calibration: Calibration | None) -> float:
    """Standard error of a metric whose slope in the outcome of a row at each score is `slope`."""
    spread = at.rows * at.chance * (1.0 - at.chance)
    variance = float((spread * slope**2).sum())
    if calibration is not None:
        by_intercept, by_slope = float((spread * slope).sum()), float((spread * at.logits * slope).sum())
        first, both, second = calibration.covariance
        variance += by_intercept**2 * first + 2 * by_intercept * by_slope * both + by_slope**2 * second
    return sqrt(max(variance, 0.0))


def _around(value: float, error: float) -> MetricInterval:
    reach = normal_quantile(CONFIDENCE) * error
    return MetricInterval(value, max(value - reach, 0.0), min(value + reach, 1.0))
