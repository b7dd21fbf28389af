"""Fairness: differences between groups, held against the customary limits or those of the policy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from gate_evidence import evidence, policy, predictions

from lockgate.config.errors import InputError
from lockgate.config.params import Decision
from lockgate.documents.gate_check import Check
from lockgate.gate.checks.fairness import fairness_checks
from lockgate.model.predictions import Predictions


class TestFairness:
    def found(self, rates: dict[str, float], favourable: str = "below", rows: int = 2000) -> dict[str, Check]:
        """Groups whose shares of favourable decisions are `rates`, whatever the outcome."""
        rng = np.random.default_rng(4)
        group = np.repeat(list(rates), rows)
        good = rng.random(len(group)) < np.repeat(list(rates.values()), rows)
        score = np.where(good == (favourable == "below"), 0.1, 0.9)
        table = pd.DataFrame({"y_true": rng.integers(0, 2, len(group)).astype("int8"), "y_score": score, "g": group})
        decision = Decision.model_validate({"threshold": 0.5, "favourable": favourable})
        checks = fairness_checks(
            evidence(Predictions(table, "m", "d"), decision=decision, audit_columns=("g",)), policy()
        )
        return {str(check.metric): check for check in checks}

    @pytest.mark.parametrize("favourable", ["below", "above"])
    def test_the_four_fifths_rule(self, favourable: str) -> None:
        fair, unfair = self.found({"a": 0.6, "b": 0.6}, favourable), self.found({"a": 0.6, "b": 0.3}, favourable)
        assert {check.status for check in fair.values()} == {"pass"}
        ratio = unfair["adverse_impact_ratio"]
        assert ratio.status == "warn"
        assert ratio.value == pytest.approx(0.5, abs=0.05)
        assert ratio.low < 0.5 < ratio.high  # type: ignore[operator]
        assert unfair["equal_opportunity_difference"].value == pytest.approx(0.3, abs=0.05)
        assert unfair["false_positive_rate_difference"].status == "warn"

    def test_a_group_that_nobody_favours_has_an_interval(self) -> None:
        ratio = self.found({"a": 0.6, "b": 0.0})["adverse_impact_ratio"]
        assert ratio.value == 0
        assert 0 <= ratio.low <= 0 < ratio.high < 0.01  # type: ignore[operator]

    def test_no_favourable_decision_at_all_is_named(self) -> None:
        ratio = self.found({"a": 0.0, "b": 0.0})["adverse_impact_ratio"]
        assert ratio.status == "not-applicable"
        assert "no decision is favourable" in ratio.reason

    def test_a_group_alone_or_tiny_is_not_compared(self) -> None:
        assert {c.status for c in self.found({"a": 0.5}).values()} == {"not-applicable"}
        assert {c.status for c in self.found({"a": 0.5, "b": 0.1}, rows=10).values()} == {"not-applicable"}

    def test_limits_block_and_an_empty_list_asks_nothing(self) -> None:
        table = pd.DataFrame(
            {"y_true": [0, 1] * 500, "y_score": [0.1] * 500 + [0.9] * 500, "g": ["a"] * 500 + ["b"] * 500}
        )
        found = evidence(Predictions(table.astype({"y_true": "int8"}), "m", "d"), audit_columns=("g",))
        limited = policy(fairness_limits={"adverse_impact_ratio": 0.8})
        assert fairness_checks(found, limited)[0].status == "block"
        assert fairness_checks(found, policy(fairness=[])) == []

    @pytest.mark.parametrize(("rows", "applies"), [(30, True), (29, False)])
    def test_a_group_is_compared_from_the_minimum_of_rows_on(self, rows: int, applies: bool) -> None:
        for check in self.found({"a": 1.0, "b": 0.0}, rows=rows).values():
            assert (check.status != "not-applicable") is (applies and check.metric == "adverse_impact_ratio")

    @pytest.mark.parametrize(("favourable", "share"), [("above", 1.0), ("below", 0.0)])
    def test_a_score_at_the_threshold_is_decided_as_one_above(self, favourable: str, share: float) -> None:
        table = pd.DataFrame({"y_true": [0, 1] * 100, "y_score": 0.5, "g": ["a"] * 100 + ["b"] * 100})
        table.loc[0, "y_score"] = 0.4999 if favourable == "below" else 0.5
        decision = Decision.model_validate({"threshold": 0.5, "favourable": favourable})
        seen = evidence(
            Predictions(table.astype({"y_true": "int8"}), "m", "d"), decision=decision, audit_columns=("g",)
        )
        ratio = fairness_checks(seen, policy())[0]
        assert ratio.value == share
        assert ratio.reason.startswith(
            f"`{'b' if favourable == 'below' else 'a'}` has {share:.1%} favourable decisions"
        )

    def test_a_column_that_is_not_there_is_refused_by_the_key_that_names_it(self) -> None:
        with pytest.raises(
            InputError, match=r"^evaluate\.fairness names `sez`, which the predictions do not have; .*`sex`"
        ):
            fairness_checks(evidence(predictions(100, sex="f")), policy(fairness=["sez"]))

    def test_each_column_is_looked_at_once(self) -> None:
        table = pd.DataFrame({"y_true": [0, 1] * 100, "y_score": 0.5, "g": ["a", "b", "b", "a"] * 50, "h": "x"})
        seen = evidence(Predictions(table.astype({"y_true": "int8"}), "m", "d"), audit_columns=("g", "g"))
        assert [check.slice for check in fairness_checks(seen, policy())] == ["g"] * 3
        assert [check.slice for check in fairness_checks(seen, policy(fairness=["h", "g", "h"]))] == ["h"] * 3 + [
            "g"
        ] * 3
