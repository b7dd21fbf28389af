"""Normal intervals from the influence of each row (the infinitesimal jackknife), in the time of one sort.

Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapter 21. They agree with the bootstrap's to first order,
which is why large samples and slices, of which there are many, have them. PR-AUC's is made on the logit scale, where
it stays within 0..1. KS and ECE are not smooth: they are described without an interval ("biased").
"""

from __future__ import annotations

from math import exp, log, sqrt

import numpy as np
from numpy.typing import ArrayLike

from lockgate.config.metric_names import BIASED, METRICS
from lockgate.metrics.interval import OK, SMALL_CLASS, SMALL_CLASS_ROWS, Interval, normal_quantile
from lockgate.metrics.resampling import (
    STATISTICS,
    Cells,
    average_precision_influence,
    influences,
    merged,
    ranking,
    statistics_of,
)
from lockgate.metrics.scored import Floats, checked


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


def average_precision_error(y_true: ArrayLike, y_score: ArrayLike) -> tuple[float, float]:
    """Average precision and its standard error, 0 where all rows are alike to it, without the other statistics.

    Scores: probabilities. Raises InputError as `lockgate.metrics.scored.checked` does.
    """
    label, (score,), _ = checked(y_true, (y_score,), None, probability=True)
    cells, _ = merged(label, score, np.ones(len(label)))
    mass = cells.rows * cells.weight
    value, _ = ranking(cells, mass[None, :])
    return float(value[0]), _error(cells, average_precision_influence(cells, mass)) or 0.0


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
