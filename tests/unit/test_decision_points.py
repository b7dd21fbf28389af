"""What decisions at one score or another come to, held against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lockgate.metrics.decision_points import Costs, DecisionPoint, decision_points, usual_thresholds

LABELS = np.array([0, 0, 1, 0, 1], dtype="int8")
SCORES = np.array([0.1, 0.2, 0.3, 0.6, 0.9])
COSTS = Costs(false_negative=10.0, false_positive=1.0)


@pytest.mark.parametrize(
    ("threshold", "point"),
    [
        (0.05, DecisionPoint(0.05, 1.0, 0.4, 1.0, 3 / 5)),
        (0.3, DecisionPoint(0.3, 0.6, 2 / 3, 1.0, 1 / 5)),  # a row on the threshold is above it
        (0.5, DecisionPoint(0.5, 0.4, 0.5, 0.5, 11 / 5)),
        (0.95, DecisionPoint(0.95, 0.0, None, 0.0, 20 / 5)),
    ],
)
def test_shares_and_costs_are_those_that_one_counts(threshold: float, point: DecisionPoint) -> None:
    assert decision_points(LABELS, SCORES, None, [threshold], COSTS) == [point]


def test_rows_count_by_their_weight() -> None:
    weight = np.array([1.0, 1.0, 4.0, 2.0, 2.0])
    (point,) = decision_points(LABELS, SCORES, weight, [0.5], COSTS)
    assert point == DecisionPoint(0.5, 0.4, 0.5, 2 / 6, (10 * 4 + 2) / 10)


def test_without_costs_there_are_none() -> None:
    assert [point.cost for point in decision_points(LABELS, SCORES, None, [0.2, 0.5])] == [None, None]


def test_usual_thresholds_part_the_rows_into_tenths() -> None:
    scores = np.arange(1, 1001) / 1000
    assert usual_thresholds(scores) == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    assert usual_thresholds(scores / 1e4) == [1e-05, 2e-05, 3e-05, 4e-05, 5e-05, 6e-05, 7e-05, 8e-05, 9e-05]


def test_a_threshold_that_parts_nothing_is_none() -> None:
    assert usual_thresholds(np.full(50, 0.3)) == []
    assert usual_thresholds(np.array([0.3] * 60 + [0.70001] * 40)) == [0.7]
