"""Points for plots of a scored sample: few, deterministic, and the same for shuffled rows.

Arguments are those of `lockgate.metrics.metrics`, errors too. Curves come as columns of equal length, ready for JSON.
"""

from __future__ import annotations

from heapq import heappop, heappush
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

from lockgate.metrics.interval import normal_quantile
from lockgate.metrics.metrics import ECE_BINS
from lockgate.metrics.scored import Floats, Integers, equal_mass_bins, tally

POINTS = 200
Columns = dict[str, list[float]]


def roc_points(
    y_true: ArrayLike, y_score: ArrayLike, weight: ArrayLike | None = None, *, points: int = POINTS
) -> Columns:
    """False and true positive rate from (0, 0) to (1, 1), to be joined by straight lines. Scores: finite numbers."""
    rows = tally(y_true, y_score, weight, probability=False)
    fpr, tpr = (_from_zero(np.cumsum(side[::-1])) for side in (rows.negative, rows.positive))
    fpr, tpr = fpr / fpr[-1], tpr / tpr[-1]
    kept = thinned(fpr, tpr, points)
    return {"fpr": fpr[kept].tolist(), "tpr": tpr[kept].tolist()}


def precision_recall_points(
    y_true: ArrayLike, y_score: ArrayLike, weight: ArrayLike | None = None, *, points: int = POINTS
) -> Columns:
    """Recall from 0 to 1 and the precision there; at recall 0 that of the highest score. Scores: finite numbers."""
    rows = tally(y_true, y_score, weight, probability=False)
    found, selected = np.cumsum(rows.positive[::-1]), np.cumsum(rows.weight[::-1])
    recall = _from_zero(found / found[-1])
    precision = np.concatenate((found[:1] / selected[:1], found / selected))
    kept = thinned(recall, precision, points)
    return {"recall": recall[kept].tolist(), "precision": precision[kept].tolist()}


def calibration_points(
    y_true: ArrayLike,
    y_score: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    bins: int = ECE_BINS,
    confidence: float = 0.95,
) -> Columns:
    """For each equal-mass bin that is not empty: mean score, observed rate with Wilson's interval, count of rows.

    The bins are those of `expected_calibration_error`. With weights the interval uses Kish's effective number of rows,
    (sum of weights)^2 / sum of squared weights. Wilson (1927), JASA 22, 209-212. Scores: probabilities.
    """
    rows = tally(y_true, y_score, weight)
    bin_of = equal_mass_bins(rows, bins)
    mass, positive, score, squared = (
        np.bincount(bin_of, weights=column)
        for column in (rows.weight, rows.positive, rows.weight * rows.score, rows.squared)
    )
    count = np.bincount(bin_of, weights=rows.rows)
    full = np.flatnonzero(count)
    observed = positive[full] / mass[full]
    low, high = wilson(observed, mass[full] ** 2 / squared[full], confidence)
    return {
        "mean_score": (score[full] / mass[full]).tolist(),
        "observed": observed.tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
        "count": count[full].astype(int).tolist(),
    }


def score_distribution(
    y_true: ArrayLike, y_score: ArrayLike, weight: ArrayLike | None = None, *, bins: int = 20
) -> Columns:
    """Shares of each class's weight in equal bins of 0..1, left-closed, the last closed. Scores: probabilities."""
    rows = tally(y_true, y_score, weight)
    bin_of = np.minimum((rows.score * bins).astype(np.int64), bins - 1)
    columns = {"low": np.arange(bins) / bins, "high": np.arange(1, bins + 1) / bins}
    for name, side in (("negative", rows.negative), ("positive", rows.positive)):
        columns[name] = np.bincount(bin_of, weights=side, minlength=bins) / side.sum()
    return {name: column.tolist() for name, column in columns.items()}


def wilson(rate: Floats, rows: Floats, confidence: float) -> tuple[Floats, Floats]:
    """Wilson's score interval of observed rates (0..1) in so many rows."""
    z = normal_quantile(confidence)
    scale = 1 + z * z / rows
    middle = (rate + z * z / (2 * rows)) / scale
    reach = z / scale * np.sqrt(rate * (1 - rate) / rows + z * z / (4 * rows * rows))
    return np.maximum(middle - reach, 0.0), np.minimum(middle + reach, 1.0)


def thinned(x: Floats, y: Floats, points: int) -> Integers:
    """Indices of at most `points` points whose polygon stays near the whole curve's, both ends among them.

    Douglas & Peucker (1973), Cartographica 10, 112-122, best first: the point farthest from the chord of its piece is
    added until there are enough, or none is off its chord.
    """
    kept = {0, len(x) - 1}
    pieces: list[tuple[float, int, int, int]] = []
    _offer(pieces, x, y, 0, len(x) - 1)
    while pieces and len(kept) < points:
        _, start, end, middle = heappop(pieces)
        kept.add(middle)
        _offer(pieces, x, y, start, middle)
        _offer(pieces, x, y, middle, end)
    return np.array(sorted(kept))


def _offer(pieces: list[tuple[float, int, int, int]], x: Floats, y: Floats, start: int, end: int) -> None:
    if end - start < 2:
        return
    dx, dy = x[end] - x[start], y[end] - y[start]
    length = sqrt(dx * dx + dy * dy) or 1.0
    inner = slice(start + 1, end)
    off = np.abs(dx * (y[inner] - y[start]) - dy * (x[inner] - x[start])) / length
    farthest = int(off.argmax())
    if off[farthest] > 1e-12:
        heappush(pieces, (-float(off[farthest]), start, end, start + 1 + farthest))


def _from_zero(column: Floats) -> Floats:
    return np.concatenate(([0.0], column))
