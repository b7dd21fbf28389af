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

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import fsum

import numpy as np
from numpy.typing import ArrayLike

from lockgate.config.errors import InputError
from lockgate.documents.drift_json import EstimatedPerformance
from lockgate.documents.profile_json import Calibration, MetricEstimate
from lockgate.drift.calibration import Floats, expit
from lockgate.drift.measured_performance import CONFIDENCE, metric_interval
from lockgate.metrics.interval import SMALL_CLASS_ROWS
from lockgate.metrics.recalibration import logit
from lockgate.metrics.scored import group_starts
from lockgate.metrics.sorted_rows import Numbers, as_floats, distinct_scores, tied_blocks

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
class _Outside:
    """What is expected of the rows in other blocks: in those of lower scores, and in those of higher ones."""

    positive_below: float = 0.0
    negative_below: float = 0.0
    rows_above: float = 0.0
    positive_above: float = 0.0


@dataclass(frozen=True)
class _Scores:
    """Distinct scores of a block, ascending, with the rows at each, the chance of a positive there and its logit before."""

    score: Floats
    rows: Floats
    chance: Floats
    logits: Floats
    outside: _Outside

    @cached_property
    def positive(self) -> Floats:
        return self.rows * self.chance

    @cached_property
    def negative(self) -> Floats:
        return self.rows * (1.0 - self.chance)

    @cached_property
    def spread(self) -> Floats:
        return self.rows * self.chance * (1.0 - self.chance)

    @cached_property
    def below(self) -> Floats:
        """Negatives that each score beats, ties counting half."""
        below: Floats = self.outside.negative_below + (np.cumsum(self.negative) - self.negative / 2)
        return below

    @cached_property
    def selected(self) -> Floats:
        """Rows with at least each score."""
        return self.outside.rows_above + _from_here_up(self.rows)

    @cached_property
    def found(self) -> Floats:
        """Positives among them."""
        return self.outside.positive_above + _from_here_up(self.positive)


@dataclass(frozen=True)
class _Sample:
    """Ascending scores, a block at a time, and what is expected of all of them."""

    scores: Numbers
    calibration: Calibration | None
    outside: tuple[_Outside, ...]
    n: float
    positives: float
    negatives: float
    itself: float  # a row is no pair with itself

    def blocks(self) -> Iterator[_Scores]:
        for part, outside in zip(tied_blocks(self.scores), self.outside, strict=True):
            yield _grouped(self.scores[part], self.calibration, outside)

    @property
    def pairs(self) -> float:
        return self.positives * self.negatives - self.itself


def expected_metrics(scores: ArrayLike, calibration: Calibration | None) -> ExpectedMetrics:
    """From one probability a row; the same for shuffled rows. Raises InputError where a score is no probability.

    Beside the scores it needs a sorted copy of them, and what a block takes.
    """
    sample = _sample(np.sort(_probabilities(scores)), calibration)
    won = hit = loss = 0.0
    for at in sample.blocks():
        won += float((at.positive * at.below).sum())
        hit += float((at.positive * (1.0 - at.chance + at.found) / at.selected).sum())
        loss += float((at.rows * (at.chance * (1.0 - at.score) ** 2 + (1.0 - at.chance) * at.score**2)).sum())
    values: dict[str, float] = {}
    if sample.n >= 2 and sample.pairs > 0.0:
        values["roc_auc"] = (won - sample.itself / 2) / sample.pairs
    if sample.positives > 0.0:
        values["pr_auc"] = hit / sample.positives
    if sample.n:
        values["brier"] = loss / sample.n
    variances = _variances(sample, values)
    found = {name: MetricEstimate(min(max(value, 0.0), 1.0), variances[name]) for name, value in values.items()}
    return ExpectedMetrics(
        n=int(sample.n),
        positives=sample.positives,
        roc_auc=found.get("roc_auc"),
        pr_auc=found.get("pr_auc"),
        brier=found.get("brier"),
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


def _probabilities(scores: ArrayLike) -> Numbers:
    column = as_floats(scores)
    wrong = int(np.count_nonzero(~((column >= 0.0) & (column <= 1.0))))
    if wrong:
        raise InputError(
            f"{wrong:,} scores of the current batch are no probabilities; is the bundle's model another's?"
        )
    return column


def _sample(scores: Numbers, calibration: Calibration | None) -> _Sample:
    rows, positives, negatives, itself = list[float](), list[float](), list[float](), list[float]()
    for part in tied_blocks(scores):
        at = _grouped(scores[part], calibration, _Outside())
        for sums, values in ((rows, at.rows), (positives, at.positive), (negatives, at.negative), (itself, at.spread)):
            sums.append(float(values.sum()))
    outside = tuple(
        _Outside(fsum(positives[:i]), fsum(negatives[:i]), fsum(rows[i + 1 :]), fsum(positives[i + 1 :]))
        for i in range(len(rows))
    )
    return _Sample(scores, calibration, outside, fsum(rows), fsum(positives), fsum(negatives), fsum(itself))


def _grouped(scores: Numbers, calibration: Calibration | None, outside: _Outside) -> _Scores:
    starts = group_starts(scores)
    score, rows = distinct_scores(scores, starts), np.diff(starts, append=len(scores))
    logits = logit(score)
    chance = score if calibration is None else expit(calibration.intercept + calibration.slope * logits)
    return _Scores(score, rows.astype(np.float64), chance, logits, outside)


def _from_here_up(values: Floats) -> Floats:
    return np.cumsum(values[::-1])[::-1]


def _variances(sample: _Sample, values: Mapping[str, float]) -> dict[str, float]:
    """Variance of each metric, of its slope in the outcome of a row at each score."""
    sums = {name: np.zeros(3) for name in values}
    hits = 0.0
    for at in sample.blocks():
        raised = hits + np.cumsum(at.positive / at.selected)
        hits = float(raised[-1])
        for name, value in values.items():
            slope = _slope(name, value, sample, at, raised)
            moved = (at.spread * slope**2, at.spread * slope, at.spread * at.logits * slope)
            sums[name] += [one.sum() for one in moved]
    return {name: _variance(sample.calibration, *map(float, found)) for name, found in sums.items()}


def _slope(name: str, value: float, sample: _Sample, at: _Scores, raised: Floats) -> Floats:
    slope: Floats
    if name == "roc_auc":
        above = sample.positives - (at.outside.positive_below + np.cumsum(at.positive)) + at.positive / 2
        beaten = (at.below - (1.0 - at.chance) / 2) - (above - at.chance / 2)
        more_pairs = (sample.negatives - (1.0 - at.chance)) - (sample.positives - at.chance)
        slope = (beaten - value * more_pairs) / sample.pairs
    elif name == "pr_auc":
        # A positive counts the precision at its own score, and raises it there and at every lower one.
        slope = (at.found / at.selected + raised - value) / sample.positives
    else:
        slope = (1.0 - 2.0 * at.score) / sample.n
    return slope


def _variance(calibration: Calibration | None, variance: float, by_intercept: float, by_slope: float) -> float:
    if calibration is not None:
        first, both, second = calibration.covariance
        variance += by_intercept**2 * first + 2 * by_intercept * by_slope * both + by_slope**2 * second
    return max(variance, 0.0)
