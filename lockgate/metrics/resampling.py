"""Statistics of bootstrap resamples from one sort: a resample is a count of each row, never a copy of the rows.

Rows alike in score, label and weight are one cell, so ties cost less, not more. The statistics of a block of resamples
come from its masses, a matrix of resamples by cells holding counts times weights. Sums are einsum's and numpy's own:
unlike BLAS's their order does not depend on the number of threads.

The influence of a row, from which the acceleration of BCa intervals follows, is the derivative of a statistic by the count
of that row (the infinitesimal jackknife; Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapters 14.3, 22.6).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lockgate.config.metric_names import LOG_LOSS_CLIP
from lockgate.metrics.metrics import ECE_BINS
from lockgate.metrics.recalibration import Line, fit_line, logit, refit_lines
from lockgate.metrics.scored import Booleans, Floats, Integers

STATISTICS = ("pr_auc", "brier", "tjur_r2", "log_loss", "ks", "ece", "calibration_slope", "calibration_intercept")


@dataclass(frozen=True)
class Cells:
    """Cells in descending order of score; `start` and `end` (exclusive) bound each cell's group of equal scores."""

    score: Floats
    label: Floats
    weight: Floats
    rows: Integers
    start: Integers
    end: Integers

    @cached_property
    def logit(self) -> Floats:
        return logit(self.score)

    @cached_property
    def excess(self) -> Floats:
        return self.label - self.score

    @cached_property
    def squared_error(self) -> Floats:
        return self.excess**2

    @cached_property
    def log_loss(self) -> Floats:
        score = np.clip(self.score, LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP)
        losses: Floats = -np.where(self.label > 0, np.log(score), np.log(1 - score))
        return losses

    @cached_property
    def positive(self) -> Integers:
        return np.flatnonzero(self.label)

    @cached_property
    def positives_before(self) -> Integers:
        return np.concatenate(([0], np.cumsum(self.label, dtype=np.int64)))

    @cached_property
    def line(self) -> Line | None:
        """The calibration line of the cells, each weighed once for every row in it."""
        return fit_line(self.logit, self.label, self.weight * self.rows)


def cells_of(label: Booleans, score: Floats, weight: Floats, rows: Integers) -> Cells:
    """Cells, in descending order of score, of so many rows each."""
    first = np.concatenate(([True], score[1:] != score[:-1]))
    group = np.cumsum(first) - 1
    starts = np.flatnonzero(first)
    ends = np.append(starts[1:], len(score))
    return Cells(score, label.astype(np.float64), weight, rows, starts[group], ends[group])


def merged(label: Booleans, score: Floats, weight: Floats) -> tuple[Cells, Integers]:
    """Cells of a checked sample, rows alike merged, and each row's cell, rows in the order of the cells."""
    order = np.lexsort((weight, label, -score))
    keys = (label[order], score[order], weight[order])
    first = np.concatenate(([True], np.any([key[1:] != key[:-1] for key in keys], axis=0)))
    rows = np.diff(np.append(np.flatnonzero(first), len(first)))
    return cells_of(keys[0][first], keys[1][first], keys[2][first], rows), np.cumsum(first) - 1


def statistics_of(cells: Cells, masses: Floats) -> Floats:
    """STATISTICS of each line of `masses`, shape (resamples, 8).

    NaN where a resample lacks a class, or has no calibration line, as all have none where the whole sample has none.
    """
    total = masses.sum(axis=1)
    running = _running(masses)
    precision, gap = ranking(cells, masses, running)
    slope = intercept = np.full(len(masses), np.nan)
    if cells.line is not None:
        intercept, slope = refit_lines(cells.logit, cells.label, masses, cells.line)
    columns = (
        precision,
        brier_of(cells, masses, total),
        _tjur_r2(cells, masses, total),
        np.einsum("rc,c->r", masses, cells.log_loss) / total,
        gap,
        _calibration_error(cells, masses, running),
        slope,
        intercept,
    )
    return np.stack(columns, axis=1)


def brier_of(cells: Cells, masses: Floats, total: Floats) -> Floats:
    """Brier score of each line of `masses`, whose sums are `total`."""
    brier: Floats = np.einsum("rc,c->r", masses, cells.squared_error) / total
    return brier


def _tjur_r2(cells: Cells, masses: Floats, total: Floats) -> Floats:
    """Mean score of the positives minus that of the negatives; NaN where a line lacks a class."""
    of_positives = np.einsum("rc,c->r", masses, cells.label)
    scores, positive_scores = (
        np.einsum("rc,c->r", masses, score) for score in (cells.score, cells.label * cells.score)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        gap: Floats = positive_scores / of_positives - (scores - positive_scores) / (total - of_positives)
    return np.where(np.isfinite(gap), gap, np.nan)


def ranking(cells: Cells, masses: Floats, running: Floats | None = None) -> tuple[Floats, Floats]:
    """Average precision and KS of each line of `masses`; NaN where it lacks a class.

    Between two groups that hold positives the gap between the classes' distributions only falls, so its extremes are
    at the ends of those groups and just before their starts: no other place has to be looked at.
    """
    selected = _running(masses) if running is None else running
    positive, before = cells.positive, cells.positives_before
    mass = np.take(masses, positive, axis=1)
    found = _running(mass)
    found_end = np.take(found, before[cells.end[positive]], axis=1)
    selected_end = np.take(selected, cells.end[positive], axis=1)
    found_start = np.take(found, before[cells.start[positive]], axis=1)
    selected_start = np.take(selected, cells.start[positive], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        of_positives = 1 / found[:, -1]
        of_negatives = 1 / (selected[:, -1] - found[:, -1])
        either = (of_positives + of_negatives)[:, None]
        highest = (found_end * either - selected_end * of_negatives[:, None]).max(axis=1)
        lowest = (found_start * either - selected_start * of_negatives[:, None]).min(axis=1)
        np.maximum(selected_end, np.finfo(np.float64).tiny, out=selected_end)
        precision = np.einsum("rp,rp->r", mass, found_end / selected_end) * of_positives
        one_class = ~np.isfinite(either[:, 0])
    precision[one_class] = np.nan
    gap = np.maximum(highest, -lowest)
    gap[one_class] = np.nan
    return precision, gap


def _calibration_error(cells: Cells, masses: Floats, running: Floats) -> Floats:
    """Expected calibration error of each line of `masses`, with equal-mass bins of its own.

    The bin of a group is where the middle of its mass falls, as in `equal_mass_bins`, so each bound of the bins is at
    the start or the end of the group whose mass holds it.
    """
    resamples, width = masses.shape
    upper = np.arange(1, ECE_BINS)  # tenths of the mass above a bound, in descending order of score
    bounds = running[:, -1:] * upper
    at = np.empty(bounds.shape, dtype=np.int64)
    for line in range(resamples):
        at[line] = np.searchsorted(running[line, 1:], bounds[line] / ECE_BINS, side="right")
    np.minimum(at, width - 1, out=at)
    start, end = cells.start[at], cells.end[at]
    doubled = np.take_along_axis(running, start, axis=1) + np.take_along_axis(running, end, axis=1)
    cut = np.where(doubled * (ECE_BINS / 2) <= bounds, end, start)
    cut = np.concatenate((np.zeros((resamples, 1), dtype=np.int64), cut), axis=1)
    length = np.diff(cut, axis=1, append=width)
    excess = np.empty(resamples * width + 1)  # the last entry is there for bins that begin after the last cell
    excess[-1] = 0
    np.multiply(masses, cells.excess, out=excess[:-1].reshape(masses.shape))
    first = cut + np.arange(resamples)[:, None] * width
    sums = np.add.reduceat(excess, first.ravel()).reshape(cut.shape)
    error: Floats = np.abs(np.where(length > 0, sums, 0)).sum(axis=1) / running[:, -1]
    return error


def _running(masses: Floats) -> Floats:
    """Sums along each line, beginning with zero."""
    running = np.zeros((masses.shape[0], masses.shape[1] + 1))
    np.cumsum(masses, axis=1, out=running[:, 1:])
    return running


def influences(cells: Cells) -> dict[str, Floats]:
    """Influence of one row of each cell on each metric that is smooth enough; the line's only where there is one."""
    mass = cells.weight * cells.rows
    result = {
        "pr_auc": average_precision_influence(cells, mass),
        "brier": _of_mean(cells.squared_error, cells.weight, mass),
        "tjur_r2": _of_tjur_r2(cells, mass),
        "log_loss": _of_mean(cells.log_loss, cells.weight, mass),
    }
    if cells.line is not None:
        result |= _of_line(cells, cells.line, mass)
    return result


def acceleration(influence: Floats, rows: Integers) -> float:
    """A sixth of the skewness of the sum of the influences of so many rows each; 0 where none has any."""
    spread = float((rows * influence**2).sum())
    return 0.0 if spread == 0 else float((rows * influence**3).sum()) / (6 * spread**1.5)


def _of_mean(loss: Floats, weight: Floats, mass: Floats) -> Floats:
    total = mass.sum()
    centred: Floats = weight * (loss - (mass * loss).sum() / total) / total
    return centred


def _of_tjur_r2(cells: Cells, mass: Floats) -> Floats:
    """A row moves the mean of its own class only."""
    positive, negative = mass * cells.label, mass * (1 - cells.label)
    of_positives = (positive * cells.score).sum() / positive.sum()
    of_negatives = (negative * cells.score).sum() / negative.sum()
    moved: Floats = cells.weight * np.where(
        cells.label > 0,
        (cells.score - of_positives) / positive.sum(),
        (of_negatives - cells.score) / negative.sum(),
    )
    return moved


def average_precision_influence(cells: Cells, mass: Floats) -> Floats:
    """Influence of one row of each cell, whose weights times rows are `mass`, on average precision.

    A row moves the precision at its own score and at every lower one; a positive also counts its own precision.
    """
    selected, found = np.cumsum(mass)[cells.end - 1], np.cumsum(mass * cells.label)[cells.end - 1]
    hits = mass * cells.label
    precision, positives = found / selected, hits.sum()
    gained, lost = (_from_here_down(hits * share, cells.start) for share in (1 / selected, precision / selected))
    average = (hits * precision).sum() / positives
    influence: Floats = cells.weight * (cells.label * (precision - average + gained) - lost) / positives
    return influence


def _from_here_down(values: Floats, start: Integers) -> Floats:
    """Sums over each cell's own group of equal scores and all lower scores."""
    return np.cumsum(values[::-1])[::-1][start]


def _of_line(cells: Cells, line: Line, mass: Floats) -> dict[str, Floats]:
    x = cells.logit
    p = 1 / (1 + np.exp(-(line.intercept + line.slope * x)))
    curvature = mass * p * (1 - p)
    h0, h1, h2 = curvature.sum(), (curvature * x).sum(), (curvature * x * x).sum()
    residual = cells.weight * (cells.label - p) / (h0 * h2 - h1 * h1)
    return {"calibration_slope": residual * (h0 * x - h1), "calibration_intercept": residual * (h2 - h1 * x)}
