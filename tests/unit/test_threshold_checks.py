"""Enough rows, floors and ceilings, intervals, and what all checks add up to."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from gate_evidence import evidence, policy, predictions

from lockgate.config.params import Evaluate
from lockgate.documents.gate_check import Check, decide, decided
from lockgate.gate.checks.sample import sample_checks
from lockgate.gate.checks.threshold import floor_checks
from lockgate.gate.evidence import Evidence, measured_intervals
from lockgate.gate.judge import judge
from lockgate.metrics.delong import auc_interval
from lockgate.metrics.interval import Interval
from lockgate.metrics.metrics import all_metrics
from lockgate.model.predictions import Predictions


class TestSample:
    def test_two_rows_are_no_evidence(self) -> None:
        table = pd.DataFrame({"y_true": [0, 1], "y_score": [0.1, 0.9]})
        result = judge(table)
        assert result.verdict == "block"
        assert any("198 more are needed" in reason for reason in result.blocking_reasons())

    @pytest.mark.parametrize(
        ("positives", "negatives", "statuses"),
        [
            (50, 150, ["pass", "pass"]),
            (50, 149, ["block", "pass"]),
            (49, 500, ["pass", "block"]),
            (500, 49, ["pass", "block"]),
            (10, 10, ["block", "block"]),
        ],
    )
    def test_rows_and_the_rarer_class_have_a_minimum_each(
        self, positives: int, negatives: int, statuses: list[str]
    ) -> None:
        label = [1] * positives + [0] * negatives
        found = Predictions(pd.DataFrame({"y_true": label, "y_score": np.linspace(0.1, 0.9, len(label))}), "m", "d")
        checks = sample_checks(Evidence(found, all_metrics(found.y_true, found.y_score)), policy())
        assert [check.status for check in checks] == statuses


class TestThresholds:
    @pytest.mark.parametrize(
        ("low", "value", "high", "point", "bound"),
        [
            (0.72, 0.74, 0.76, "pass", "pass"),
            (0.69, 0.71, 0.73, "pass", "inconclusive"),
            (0.67, 0.69, 0.71, "block", "inconclusive"),
            (0.64, 0.66, 0.68, "block", "block"),
        ],
    )
    def test_the_estimate_or_the_whole_interval_decides(
        self, low: float, value: float, high: float, point: str, bound: str
    ) -> None:
        assert decided(value, low, high, ">=", 0.70, by_bound=False) == point
        assert decided(value, low, high, ">=", 0.70, by_bound=True) == bound
        assert decided(-value, -high, -low, "<=", -0.70, by_bound=False) == point
        assert decided(-value, -high, -low, "<=", -0.70, by_bound=True) == bound

    def test_without_an_interval_the_bound_is_never_a_pass(self) -> None:
        assert decided(0.9, None, None, ">=", 0.5, by_bound=True) == "inconclusive"

    def test_a_straddling_interval_is_flagged_where_the_estimate_decides(self) -> None:
        found = evidence(predictions())
        floor = found.metrics["roc_auc"] - 0.001
        (check,) = floor_checks(found, policy(floors={"roc_auc": floor}))
        assert check.status == "pass"
        assert "another test set of this size could turn this" in check.reason
        (check,) = floor_checks(found, policy("bound", floors={"roc_auc": floor}))
        assert check.status == "inconclusive"

    @pytest.mark.parametrize("metrics", [{}, {"roc_auc": math.nan}])
    def test_a_metric_that_is_missing_or_nan_blocks(self, metrics: dict[str, float]) -> None:
        found = Evidence(predictions(), metrics)
        assert [check.status for check in floor_checks(found, policy(floors={"roc_auc": 0.1}))] == ["block"]

    def test_a_biased_metric_is_described_and_not_promised(self) -> None:
        found = evidence(predictions(), intervals={"ks": Interval(0.4, 0.36, 0.44, 0.02, "biased")})
        (check,) = floor_checks(found, policy(floors={"ks": 0.1}))
        assert check.interval == "biased"
        assert "not a promise" in check.reason


class TestVerdict:
    def check(self, kind: str, status: str) -> Check:
        return Check("x", kind, status=status)  # type: ignore[arg-type]

    @pytest.mark.parametrize("kind", ["calibration", "slice", "fairness", "leakage"])
    def test_what_only_describes_is_no_verdict_but_can_block_one(self, kind: str) -> None:
        assert decide([self.check(kind, "pass")]) == "block"
        assert decide([self.check("floor", "pass"), self.check(kind, "warn")]) == "pass"
        assert decide([self.check("floor", "pass"), self.check(kind, "block")]) == "block"
        assert decide([self.check("floor", "pass"), self.check(kind, "inconclusive")]) == "inconclusive"

    def test_nothing_is_no_verdict(self) -> None:
        assert decide([]) == "block"
        assert decide([self.check("champion", "not-applicable")]) == "block"

    def test_the_same_evidence_gives_the_same_result(self) -> None:
        columns = {"region": ["a", "b"] * 1000, "age": np.arange(2000.0)}
        asked = policy(slices=["region", "age"], fairness=["region"])
        champion = predictions(spread=1.4)
        first, second = (judge(predictions(**columns), asked, champion=champion) for _ in range(2))
        assert first == second


@pytest.mark.parametrize(("rows", "is_quick"), [(100_000, False), (100_001, True)])
def test_beyond_a_hundred_thousand_rows_nothing_is_resampled(
    rows: int, is_quick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, object]] = []
    for name in ("bootstrap_intervals", "linearised_intervals"):
        monkeypatch.setattr(
            f"lockgate.gate.evidence.{name}",
            lambda *_sample, name=name, **options: (
                asked.append((name, options)) or {"brier": Interval(0.1, 0.0, 0.2, 0.05)}
            ),
        )
    found = predictions(rows)
    intervals = measured_intervals(found, Evaluate.model_validate({"confidence": 0.9, "seed": 7}))
    assert (
        asked == [("linearised_intervals", {"confidence": 0.9})]
        if is_quick
        else [("bootstrap_intervals", {"seed": 7, "confidence": 0.9})]
    )
    assert list(intervals) == ["roc_auc", "gini", "brier"]
    auc, gini = intervals["roc_auc"], intervals["gini"]
    assert auc == auc_interval(found.y_true, found.y_score, 0.9)
    assert (gini.value, gini.low, gini.high) == (2 * auc.value - 1, 2 * auc.low - 1, 2 * auc.high - 1)  # type: ignore[operator]
    assert (gini.standard_error, gini.status) == (2 * auc.standard_error, auc.status)  # type: ignore[operator]
