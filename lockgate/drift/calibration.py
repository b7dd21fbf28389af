"""How often a positive comes with a score: the logistic recalibration of held-out scores, kept in the profile."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lockgate.documents.profile_json import Calibration
from lockgate.metrics.recalibration import fit_line, logit
from lockgate.metrics.sorted_rows import Numbers, blocks, row_sums, sorted_rows

Floats = NDArray[np.float64]


def fit_calibration(labels: ArrayLike, scores: ArrayLike) -> Calibration | None:
    """The logistic recalibration (Cox 1958) of held-out scores, every row counting once, with its Fisher covariance.

    None where there is none: one class, or classes that do not overlap in score. The same for shuffled rows.
    """
    rows = sorted_rows(labels, scores)
    x = logits_of(rows.score)
    line = fit_line(x, rows.label)
    if line is None:
        return None

    def information(x: Floats) -> tuple[Floats, ...]:
        weight = spread(line.intercept + line.slope * x)
        return weight, weight * x, weight * x * x

    ones, cross, squares = row_sums(information, x)
    determinant = ones * squares - cross * cross
    covariance = (squares / determinant, -cross / determinant, ones / determinant)
    return Calibration(rows.rows, float(line.intercept), float(line.slope), covariance)


def logits_of(score: Numbers) -> Floats:
    """The logit of each score, shape (rows,), made a block at a time."""
    logits = np.empty(len(score))
    for part in blocks(len(score)):
        logits[part] = logit(score[part].astype(np.float64))
    return logits


def expit(logits: Floats) -> Floats:
    """1 / (1 + exp(-x)), without overflow."""
    small = np.exp(-np.abs(logits))
    chance: Floats = np.where(logits >= 0.0, 1.0, small) / (1.0 + small)
    return chance


def spread(logits: Floats) -> Floats:
    """The variance of an outcome with each logit."""
    chance = expit(logits)
    return chance * (1.0 - chance)
