"""What follows from a decision at one score or another: how many are approved, how many events are caught, what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SHARES = tuple(share / 10 for share in range(1, 10))


@dataclass(frozen=True)
class Costs:
    """What an event that was taken for none costs, and what a row costs that was taken for an event and is none."""

    false_negative: float
    false_positive: float


@dataclass(frozen=True)
class DecisionPoint:
    """Rows at or above `threshold` are taken for events.

    `at_or_above` is their share; `precision` the share of events among them, None where there are none; `recall` the share of
    all events that is among them; `cost` the mean of a row, None where nobody says what mistakes cost.
    """

    threshold: float
    at_or_above: float
    precision: float | None
    recall: float
    cost: float | None


def usual_thresholds(y_score: NDArray[np.float64]) -> list[float]:
    """Thresholds that a tenth, two tenths and so on of the rows lie below, to two digits; none that takes all rows or none."""
    found = {float(f"{threshold:.2g}") for threshold in np.quantile(y_score, SHARES, method="higher")}
    return sorted(one for one in found if y_score.min() < one <= y_score.max())


def decision_points(
    y_true: NDArray[np.int8],
    y_score: NDArray[np.float64],
    weight: NDArray[np.float64] | None,
    thresholds: Sequence[float],
    costs: Costs | None = None,
) -> list[DecisionPoint]:
    """A decision at each of the thresholds; there are rows, and events among them. Rows count by `weight`."""
    counts = np.ones(len(y_true)) if weight is None else weight
    total, events = float(counts.sum()), float(counts[y_true == 1].sum())
    found = []
    for threshold in thresholds:
        taken = y_score >= threshold
        above, caught = float(counts[taken].sum()), float(counts[taken & (y_true == 1)].sum())
        cost = None
        if costs is not None:
            cost = (costs.false_negative * (events - caught) + costs.false_positive * (above - caught)) / total
        found.append(DecisionPoint(threshold, above / total, caught / above if above else None, caught / events, cost))
    return found
