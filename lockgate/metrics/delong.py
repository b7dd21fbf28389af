"""Intervals of a ROC-AUC and of the difference of two on the same rows, by DeLong's variance in O(n log n).

DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44, 837-845. The placement of a row is the share of the other class
that it beats, ties counting half: the difference of midranks of Sun & Xu (2014), IEEE Signal Process. Lett. 21,
1389-1393, found here by bisection, which takes row weights too. With weights the variance is the linearised one of a
weighted mean (weights are fixed multipliers of rows drawn at random); with equal weights it is DeLong's to the digit.

Names that `status` takes here, beside "ok": "small-class" (fewer than ten rows in a class: given, coverage not
promised), "too-few-rows" (one row in a class: no variance, so all that is possible), "separated" (every positive
beats every negative, or none does), "constant-scores", "identical-ranking" (both models order the rows alike: the
difference is zero with certainty), "degenerate" (no variance for another reason).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum, sqrt

import numpy as np
from numpy.typing import ArrayLike

from lockgate.metrics.interval import (
    OK,
    SMALL_CLASS,
    SMALL_CLASS_ROWS,
    Interval,
    check_confidence,
    logit_interval,
    normal_quantile,
)
from lockgate.metrics.scored import Booleans, Floats, checked
from lockgate.metrics.sorted_rows import SortedRows

TOO_FEW = "too-few-rows"


@dataclass(frozen=True)
class Difference:
    """ROC-AUC of the challenger minus that of the champion, and both on their own.

    `score_correlation` is Spearman's rank correlation of the two scores over all rows, `auc_correlation` that of the
    two AUC estimates, on which the power of the comparison depends; None where a variance is zero.
    """

    difference: Interval
    challenger: float
    champion: float
    score_correlation: float | None
    auc_correlation: float | None


def auc_variance(rows: SortedRows) -> tuple[float, float | None]:
    """ROC-AUC of rows of both classes and its variance, None with one row in a class; a block of them at a time."""
    positives, negatives = rows.positives, rows.negatives
    won = fsum(float((at.positive * at.negative_beaten).sum()) for at in rows.counts())
    auc = won / positives / negatives
    if min(positives, negatives) < 2:
        return auc, None
    of_positives = of_negatives = 0.0
    for at in rows.counts():
        lost = positives - at.positive_up_to + at.positive / 2
        of_positives += float((at.positive * (at.negative_beaten / negatives - auc) ** 2).sum())
        of_negatives += float((at.negative * (lost / positives - auc) ** 2).sum())
    return auc, of_positives / positives / (positives - 1) + of_negatives / negatives / (negatives - 1)


def auc_interval(
    y_true: ArrayLike, y_score: ArrayLike, confidence: float = 0.95, weight: ArrayLike | None = None
) -> Interval:
    """ROC-AUC with DeLong's interval on the logit scale, which stays within 0..1.

    Chosen by simulation at AUC 0.77 with 22 % positives and n = 500, 2,000, 10,000: both scales cover 94 to 96 %, but
    at n = 500 the plain one lies above the truth in 4.0 % and below it in 1.8 %, this one in 3.0 and 2.4 %.
    Scores: any finite numbers. Raises InputError as `lockgate.metrics.scored.checked` does.
    """
    positives, negatives, _ = placements(y_true, (y_score,), weight)
    auc = float(positives.means()[0])
    covariance = _covariance(positives, negatives)
    if positives.constant and negatives.constant:
        half = _room_for_error(positives, negatives, confidence)
        name = "constant-scores" if auc == 0.5 else "separated"
        status = TOO_FEW if covariance is None else name
        return Interval(auc, auc * (1 - half), auc * (1 - half) + half, None, status)
    if covariance is None:
        return Interval(auc, 0.0, 1.0, None, TOO_FEW)
    error = sqrt(covariance[0, 0])
    low, high = logit_interval(auc, error, confidence)
    return Interval(auc, low, high, error, _size_status(positives, negatives))


def paired_difference(
    y_true: ArrayLike,
    challenger: ArrayLike,
    champion: ArrayLike,
    confidence: float = 0.95,
    weight: ArrayLike | None = None,
) -> Difference:
    """ROC-AUC of the challenger minus the champion's on the same rows, with DeLong's paired normal interval.

    A one-sided test of non-inferiority at 5 % asks whether `low` at confidence 0.90 clears minus the margin.
    Scores: any finite numbers. Raises InputError as `lockgate.metrics.scored.checked` does.
    """
    positives, negatives, scores = placements(y_true, (challenger, champion), weight)
    aucs, covariance = positives.means(), _covariance(positives, negatives)
    correlation = None if covariance is None else _correlation(covariance[0, 0], covariance[1, 1], covariance[0, 1])
    return Difference(
        difference=_difference(positives, negatives, confidence),
        challenger=float(aucs[0]),
        champion=float(aucs[1]),
        score_correlation=_rank_correlation(*scores),
        auc_correlation=correlation,
    )


def _difference(positives: Placements, negatives: Placements, confidence: float) -> Interval:
    check_confidence(confidence)
    apart = (positives.difference(), negatives.difference())
    value = float(apart[0].means()[0])
    if not apart[0].values.any() and not apart[1].values.any():
        return Interval(0.0, 0.0, 0.0, 0.0, "identical-ranking")
    covariance = _covariance(*apart)
    if apart[0].constant and apart[1].constant:
        half = _room_for_error(*apart, confidence)
        middle = value * (1 - half)
        return Interval(value, middle - half, middle + half, None, TOO_FEW if covariance is None else "degenerate")
    if covariance is None:
        return Interval(value, -1.0, 1.0, None, TOO_FEW)
    error = sqrt(covariance[0, 0])
    reach = normal_quantile(confidence) * error
    return Interval(value, max(value - reach, -1.0), min(value + reach, 1.0), error, _size_status(*apart))


def _covariance(positives: Placements, negatives: Placements) -> Floats | None:
    if min(positives.rows, negatives.rows) < 2:
        return None
    return positives.covariance() + negatives.covariance()


def _room_for_error(positives: Placements, negatives: Placements, confidence: float) -> float:
    """How large the share of pairs that differ from all pairs seen may be, when every pair seen is alike.

    k = min(positives, negatives) disjoint pairs are independent and all alike, so with the share e of others this
    has the probability (1 - e)^k: the bound of Clopper and Pearson, conservative since it forgets the other pairs.
    """
    k = min(positives.rows, negatives.rows)
    return float(1 - ((1 - check_confidence(confidence)) / 2) ** (1 / k))


def _size_status(positives: Placements, negatives: Placements) -> str:
    return SMALL_CLASS if min(positives.rows, negatives.rows) < SMALL_CLASS_ROWS else OK


def _rank_correlation(one: Floats, other: Floats) -> float | None:
    ranks = [_midranks(score) - (len(score) - 1) / 2 for score in (one, other)]
    products = [float((ranks[i] * ranks[j]).sum()) for i, j in ((0, 0), (1, 1), (0, 1))]
    return _correlation(products[0], products[1], products[2])


def _midranks(score: Floats) -> Floats:
    ordered = np.sort(score)
    ranks: Floats = (np.searchsorted(ordered, score) + np.searchsorted(ordered, score, side="right") - 1) / 2
    return ranks


def _correlation(variance: float, other_variance: float, covariance: float) -> float | None:
    if min(variance, other_variance) <= 0:
        return None
    return min(max(float(covariance / sqrt(variance) / sqrt(other_variance)), -1.0), 1.0)


@dataclass(frozen=True)
class Placements:
    """Placements of the rows of one class, one line a model, and the rows' weights."""

    values: Floats
    weight: Floats

    @property
    def rows(self) -> int:
        return len(self.weight)

    @property
    def constant(self) -> bool:
        return bool((self.values == self.values[:, :1]).all())

    def means(self) -> Floats:
        """The mean placement of each model: of positives its ROC-AUC."""
        means: Floats = (self.values * self.weight).sum(axis=1) / self.weight.sum()
        return means

    def difference(self) -> Placements:
        """Placements of the first model minus those of the second, as one model's."""
        return Placements(self.values[:1] - self.values[1:], self.weight)

    def covariance(self) -> Floats:
        """Covariance of the mean placements, models by models."""
        centred = (self.values - self.means()[:, None]) * (self.weight / self.weight.sum())
        products = np.array([[(one * other).sum() for other in centred] for one in centred])
        covariance: Floats = products * (self.rows / (self.rows - 1))
        return covariance


def placements(
    y_true: ArrayLike, y_scores: tuple[ArrayLike, ...], weight: ArrayLike | None
) -> tuple[Placements, Placements, tuple[Floats, ...]]:
    """Placements of positives and negatives, in an order that does not depend on the order of the rows."""
    label, scores, row_weight = checked(y_true, y_scores, weight, probability=False)
    row_weight = np.ones(len(label)) if row_weight is None else row_weight
    order = np.lexsort((row_weight, label, *reversed(scores)))
    label, row_weight, scores = label[order], row_weight[order], tuple(score[order] for score in scores)
    beaten = [_beaten(score, label, row_weight) for score in scores]
    positives = np.stack([share for share, _ in beaten])
    negatives = np.stack([share for _, share in beaten])
    return Placements(positives, row_weight[label]), Placements(negatives, row_weight[~label]), scores


def _beaten(score: Floats, label: Booleans, weight: Floats) -> tuple[Floats, Floats]:
    """For each positive the share of negatives below it, for each negative the share of positives above it."""
    return (
        _share_below(score[label], score[~label], weight[~label]),
        _share_below(-score[~label], -score[label], weight[label]),
    )


def _share_below(score: Floats, others: Floats, weight: Floats) -> Floats:
    order = np.lexsort((weight, others))
    others, mass = others[order], np.concatenate(([0.0], np.cumsum(weight[order])))
    below, up_to = (mass[np.searchsorted(others, score, side=side)] for side in ("left", "right"))
    share: Floats = (below + up_to) / (2 * mass[-1])
    return share
