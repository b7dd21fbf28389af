"""What the reference knew of outcomes: how many rows were positive, and how the held-out scores were calibrated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lockgate.metrics.recalibration import fit_line, logit


@dataclass(frozen=True)
class LabelCounts:
    """Rows whose label is known, and how many of them are positive."""

    n: int
    positives: int

    @property
    def rate(self) -> float:
        """Share of positives, 0 where no label is known."""
        return self.positives / self.n if self.n else 0.0


@dataclass(frozen=True)
class Calibration:
    """P(positive | score) = expit(intercept + slope * logit(score)), fitted on `n` rows the model did not learn from.

    `covariance` is that of the estimates: of the intercept, of the two together, of the slope.
    """

    n: int
    intercept: float
    slope: float
    covariance: tuple[float, float, float]


def count_labels(labels: ArrayLike) -> LabelCounts:
    """Counts of labels 0, 1 and NaN for unknown, an array of shape (rows,)."""
    known = _known(labels)
    return LabelCounts(len(known), int(np.count_nonzero(known)))


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


def expit(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(-x)), without overflow."""
    small = np.exp(-np.abs(logits))
    chance: NDArray[np.float64] = np.where(logits >= 0.0, 1.0, small) / (1.0 + small)
    return chance


def calibration_to_json(calibration: Calibration) -> dict[str, Any]:
    """Its entry in `profile.json`."""
    return {
        "n": calibration.n,
        "intercept": calibration.intercept,
        "slope": calibration.slope,
        "covariance": list(calibration.covariance),
    }


def _known(labels: ArrayLike) -> NDArray[np.float64]:
    column = np.asarray(labels, dtype=np.float64)
    return column[~np.isnan(column)]
