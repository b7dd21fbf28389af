"""How often a positive comes with a score: the logistic recalibration of held-out scores, kept in the profile."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lockgate.documents.profile_json import Calibration
from lockgate.metrics.recalibration import fit_line, logit

Floats = NDArray[np.float64]


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


def expit(logits: Floats) -> Floats:
    """1 / (1 + exp(-x)), without overflow."""
    small = np.exp(-np.abs(logits))
    chance: Floats = np.where(logits >= 0.0, 1.0, small) / (1.0 + small)
    return chance
