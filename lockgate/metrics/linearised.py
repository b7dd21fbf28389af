"""Normal intervals from the influence of each row (the infinitesimal jackknife), in the time of one sort.

Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapter 21. They agree with the bootstrap's to first order,
which is why large samples and slices, of which there are many, have them. PR-AUC's is made on the logit scale, where
it stays within 0..1. KS and ECE are not smooth: they are described without an interval ("biased").
"""

from __future__ import annotations

from math import exp, fsum, log, sqrt

import numpy as np
from numpy.typing import ArrayLike

from lockgate.config.metric_names import BIASED, METRICS
from lockgate.metrics.interval import OK, SMALL_CLASS, SMALL_CLASS_ROWS, Interval, normal_quantile
from lockgate.metrics.resampling import (
    STATISTICS,
    Cells,
    influences,
    merged,
    statistics_of,
)
from lockgate.metrics.scored import Floats, checked
from lockgate.metrics.sorted_rows import ScoreCounts, SortedRows


def linearised_intervals(
    y_true: ArrayLike, y_score: ArrayLike, weight: ArrayLike | None = None, *, confidence: float = 0.95
) -> dict[str, Interval]:
    """Intervals of `lockgate.metrics.resampling.STATISTICS`; statuses as the bootstrap's.

    Scores: probabilities. Raises InputError as `lockgate.metrics.scored.checked` does.
    """
    label, (score,), row_weight = checked(y_true, (y_score,), weight, probability=True)
    cells, _ = merged(label, score, np.ones(len(label)) if row_weight is None else row_weight)
    values = statistics_of(cells, (cells.rows * cells.weight)[None, :])[0]
    positives = int(label.sum())
    status = SMALL_CLASS if min(positives, len(label) - positives) < SMALL_CLASS_ROWS else OK
    moved = influences(cells)
    return {
        name: _interval(name, float(value), _error(cells, moved.get(name)), confidence, status)
        for name, value in zip(STATISTICS, values, strict=True)
    }


def average_precision_variance(rows: SortedRows) -> tuple[float, float]:
    """Average precision of rows of both classes and its variance, 0 where all are alike to it; a block of them at a time.

    The influence of a row is that of `lockgate.metrics.resampling.average_precision_influence`.
    """
    positives = rows.positives
    average = fsum(float((at.positive * _precision(rows, at)[0]).sum()) for at in rows.counts()) / positives
    gained = lost = spread = 0.0
    for at in rows.counts():
        precision, selected = _precision(rows, at)
        gains = gained + np.cumsum(at.positive / selected)
        losses = lost + np.cumsum(at.positive * precision / selected)
        of_positives = precision - average + gains - losses
        spread += float((at.positive * of_positives**2 + at.negative * losses**2).sum())
        gained, lost = float(gains[-1]), float(losses[-1])
    return average, spread / positives**2 * rows.rows / (rows.rows - 1)


def _precision(rows: SortedRows, at: ScoreCounts) -> tuple[Floats, Floats]:
    """Precision of the rows with each score or a higher one, and how many they are."""
    found = rows.positives - at.positive_up_to + at.positive
    selected: Floats = found + (rows.negatives - at.negative_up_to + at.negative)
    return found / selected, selected


def _error(cells: Cells, influence: Floats | None) -> float | None:
    rows = int(cells.rows.sum())
    if influence is None or rows < 2:
        return None
    return sqrt(float((cells.rows * influence**2).sum()) * rows / (rows - 1))


def _interval(name: str, value: float, error: float | None, confidence: float, status: str) -> Interval:
    limits = METRICS[name].valid_range if name in METRICS else None
    if np.isnan(value):
        return Interval(None, None, None, None, "no-calibration-line")
    if name in BIASED:
        return Interval(value, None, None, None, "biased")
    low, high = limits or (None, None)
    if error is None or error <= 1e-12:
        return Interval(value, low, high, None, "no-variation")
    reach = normal_quantile(confidence) * error
    if name == "pr_auc" and 0 < value < 1:
        slope = reach / (value * (1 - value))
        middle = log(value / (1 - value))
        return Interval(value, _expit(middle - slope), _expit(middle + slope), error, status)
    least, most = limits or (-np.inf, np.inf)
    return Interval(value, max(value - reach, least), min(value + reach, most), error, status)


def _expit(x: float) -> float:
    return 1 / (1 + exp(-x)) if x > -700 else 0.0
