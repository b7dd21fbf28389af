"""What a feature's move does to the score and to the decisions: the held-out rows, reweighted bin by bin.

With e_b the reference's share of bin b, a_b the current one and m_b the mean score of the held-out rows in it, the mean score
changes by sum of (a_b - e_b) m_b. Rows with values that no bin has, and bins without held-out rows, take the mean of all. What goes
along with the feature among the held-out rows goes along here: it is no experiment.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lockgate.documents.drift_json import FeatureEffect
from lockgate.documents.profile_json import BinScores, Calibration
from lockgate.documents.schema_json import DecisionRule
from lockgate.drift.bins import Codes, Counts, Floats
from lockgate.drift.calibration import expit
from lockgate.metrics.recalibration import logit

UNIT = 1e-9  # of the sums of scores, which are integers so that they add up in any order


class HeldOutScores:
    """Held-out scores, and what is decided on each, ready to be summed by the bins of any feature."""

    def __init__(self, scores: ArrayLike, calibration: Calibration | None, decision: DecisionRule | None) -> None:
        score = np.asarray(scores, dtype=np.float64)
        self._score, self._square = _units(score), _units(score**2)
        self._favourable: NDArray[np.bool_] | None = None
        if decision is not None:
            self._favourable = (score < decision.threshold) == (decision.favourable == "below")
            chance = score
            if calibration is not None:
                chance = expit(calibration.intercept + calibration.slope * logit(score))
            self._events = np.where(self._favourable, _units(chance), 0)

    def by_bin(self, codes: Codes, bins: int) -> BinScores:
        """The sums by bin, the rows' bins given; the scores count as calibrated where no calibration is known."""
        rows = tuple(np.bincount(codes, minlength=bins).tolist())
        score, squares = _sums(codes, self._score, bins), _sums(codes, self._square, bins)
        if self._favourable is None:
            return BinScores(rows=rows, score=score, squares=squares)
        favourable = tuple(np.bincount(codes[self._favourable], minlength=bins).tolist())
        return BinScores(
            rows=rows, score=score, squares=squares, favourable=favourable, events=_sums(codes, self._events, bins)
        )


def merged_scores(parts: Sequence[BinScores]) -> BinScores:
    """The sums of all parts of the held-out rows; of decisions only where all parts know them."""

    def added(numbers: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        return tuple(map(sum, zip(*numbers, strict=True))) if all(numbers) else ()

    return BinScores(
        rows=added([one.rows for one in parts]),
        score=added([one.score for one in parts]),
        squares=added([one.squares for one in parts]),
        favourable=added([one.favourable for one in parts]),
        events=added([one.events for one in parts]),
    )


def feature_effect(reference: ArrayLike, current: ArrayLike, unseen: int, scores: BinScores) -> FeatureEffect | None:
    """What the move from the reference's counts to the current ones does; `unseen` rows have values of no bin.

    None where a side, or the held-out part, has no rows.
    """
    before, now = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    rows = np.asarray(scores.rows, dtype=np.float64)
    if min(before.sum(), now.sum() + unseen, rows.sum()) <= 0:
        return None
    move = now / (now.sum() + unseen) - before / before.sum()
    score, score_error = _change(move, rows, np.asarray(scores.score) * UNIT, np.asarray(scores.squares) * UNIT)
    if not scores.favourable:
        return FeatureEffect(score=score, score_error=score_error)
    decided = np.asarray(scores.favourable, dtype=np.float64)
    favourable, favourable_error = _change(move, rows, decided, decided)
    events, _ = _change(move, rows, np.asarray(scores.events) * UNIT, np.zeros(len(rows)))
    return FeatureEffect(
        score=score,
        score_error=score_error,
        favourable=favourable,
        favourable_error=favourable_error,
        events=events,
    )


def _change(move: Floats, rows: Floats, total: Floats, squares: Floats) -> tuple[float, float]:
    """By how much a mean changes, and the standard error of that: of each bin the rows and the sums over them are given.

    What is moved out of all bins, into values that none has, takes the mean of all rows; so does an empty bin.
    """
    overall = total.sum() / rows.sum()
    filled = rows > 0
    mean = np.where(filled, total / np.where(filled, rows, 1.0), overall)
    variance = np.where(filled, squares / np.where(filled, rows, 1.0) - mean**2, 0.0).clip(min=0.0)
    change = float((move * (mean - overall)).sum())
    error = sqrt(float((move**2 * variance / np.where(filled, rows, 1.0)).sum()))
    return change, error


def _units(values: Floats) -> Counts:
    return np.asarray(np.rint(values / UNIT), dtype=np.int64)


def _sums(codes: Codes, values: Counts, bins: int) -> tuple[int, ...]:
    """Exact: `bincount` with weights would add up floats."""
    sums = np.zeros(bins, dtype=np.int64)
    np.add.at(sums, codes, values)
    return tuple(sums.tolist())
