"""How much each row moves a metric, and the acceleration of BCa intervals that follows from it.

The influence of a row is the derivative of the metric by the count of that row (the infinitesimal jackknife; Efron &
Tibshirani 1993, An Introduction to the Bootstrap, chapters 14.3 and 22.6).
"""

from __future__ import annotations

import numpy as np

from lockgate.metrics.recalibration import Line
from lockgate.metrics.resampling import Cells
from lockgate.metrics.scored import Floats, Integers


def influences(cells: Cells) -> dict[str, Floats]:
    """Influence of one row of each cell on each metric that is smooth enough; the line's only where there is one."""
    mass = cells.weight * cells.rows
    result = {
        "pr_auc": _of_average_precision(cells, mass),
        "brier": _of_mean(cells.squared_error, cells.weight, mass),
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


def _of_average_precision(cells: Cells, mass: Floats) -> Floats:
    """A row moves the precision at its own score and at every lower one; a positive also counts its own precision."""
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
