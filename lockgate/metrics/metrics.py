"""Metrics of a binary classifier in numpy: scikit-learn's numbers without its four seconds of import.

`y_true` holds 0 and 1, `y_score` one score a row, `weight` an optional non-negative weight a row; every function
raises InputError as `lockgate.metrics.scored.checked` does. Results are the same to the last bit for shuffled rows.
Sums are numpy's own, not BLAS's, whose order depends on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from lockgate.config.metric_names import LOG_LOSS_CLIP, METRICS
from lockgate.metrics.scored import Tally, equal_mass_bins, tally

ECE_BINS = 10


def roc_auc(y_true: ArrayLike, y_score: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Probability that a positive outscores a negative, ties counting half: 0..1. Scores: any finite number."""
    return _roc_auc(tally(y_true, y_score, weight, probability=False))


def average_precision(y_true: ArrayLike, y_score: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Precision averaged over the steps of recall, not interpolated: 0..1. Scores: any finite number."""
    return _average_precision(tally(y_true, y_score, weight, probability=False))


def gini(y_true: ArrayLike, y_score: ArrayLike, weight: ArrayLike | None = None) -> float:
    """2 * ROC-AUC - 1 (Somers' D), -1..1. Scores: any finite number."""
    return _gini(tally(y_true, y_score, weight, probability=False))


def ks(y_true: ArrayLike, y_score: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Kolmogorov-Smirnov: the widest gap between the classes' score distributions, 0..1. Scores: any finite number."""
    return _ks(tally(y_true, y_score, weight, probability=False))


def brier(y_true: ArrayLike, y_score: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Mean squared difference of probability and outcome, 0..1. Scores: probabilities."""
    return _brier(tally(y_true, y_score, weight))


def tjur_r2(y_true: ArrayLike, y_score: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Mean score of the positives minus that of the negatives, -1..1 (Tjur 2009, Am. Stat. 63, 366-372). Scores: probabilities."""
    return _tjur_r2(tally(y_true, y_score, weight))


def log_loss(y_true: ArrayLike, y_score: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Mean negative log-likelihood in nats, probabilities clipped by the machine epsilon as scikit-learn does.

    0 to 36.04. Scores: probabilities, taken as float64.
    """
    return _log_loss(tally(y_true, y_score, weight))


def expected_calibration_error(y_true: ArrayLike, y_score: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Gap between mean score and observed rate, averaged by weight over ten equal-mass bins, 0..1.

    Equal scores share a bin (`equal_mass_bins`), so the order of the rows cannot matter. Biased upwards in small
    samples: even a calibrated model scores about 0.8 * sqrt(10 * p * (1 - p) / n). Scores: probabilities.
    """
    return _ece(tally(y_true, y_score, weight))


def all_metrics(y_true: ArrayLike, y_score: ArrayLike, weight: ArrayLike | None = None) -> dict[str, float | int]:
    """All metrics from one sort, flat, in the order of `reports/metrics.json`.

    `n` and `positives` count rows of positive weight; `prevalence` and `mean_score` are weighted.
    """
    rows = tally(y_true, y_score, weight)
    total = rows.weight.sum()
    return {
        **{name: _OF_TALLY[name](rows) for name in METRICS},
        "n": rows.n,
        "positives": rows.positives,
        "prevalence": float(rows.positive.sum() / total),
        "mean_score": float((rows.weight * rows.score).sum() / total),
    }


def _roc_auc(rows: Tally) -> float:
    below = np.cumsum(rows.negative) - rows.negative / 2
    return float((rows.positive * below).sum() / (rows.positive.sum() * rows.negative.sum()))


def _average_precision(rows: Tally) -> float:
    positive = rows.positive[::-1]
    found = np.cumsum(positive)
    selected = np.cumsum(rows.weight[::-1])
    return float((positive * (found / selected)).sum() / positive.sum())


def _gini(rows: Tally) -> float:
    return 2 * _roc_auc(rows) - 1


def _ks(rows: Tally) -> float:
    gap = np.cumsum(rows.positive) / rows.positive.sum() - np.cumsum(rows.negative) / rows.negative.sum()
    return float(np.abs(gap).max())


def _brier(rows: Tally) -> float:
    loss = rows.positive * (1 - rows.score) ** 2 + rows.negative * rows.score**2
    return float(loss.sum() / rows.weight.sum())


def _tjur_r2(rows: Tally) -> float:
    of_positives, of_negatives = ((mass * rows.score).sum() / mass.sum() for mass in (rows.positive, rows.negative))
    return float(of_positives - of_negatives)


def _log_loss(rows: Tally) -> float:
    score = np.clip(rows.score, LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP)
    loss = rows.positive * np.log(score) + rows.negative * np.log(1 - score)
    return float(-loss.sum() / rows.weight.sum())


def _ece(rows: Tally) -> float:
    excess = rows.positive - rows.weight * rows.score
    by_bin = np.bincount(equal_mass_bins(rows, ECE_BINS), weights=excess, minlength=ECE_BINS)
    return float(np.abs(by_bin).sum() / rows.weight.sum())


_OF_TALLY: dict[str, Callable[[Tally], float]] = {
    "roc_auc": _roc_auc,
    "pr_auc": _average_precision,
    "brier": _brier,
    "gini": _gini,
    "ks": _ks,
    "ece": _ece,
    "tjur_r2": _tjur_r2,
    "log_loss": _log_loss,
}
