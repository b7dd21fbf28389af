"""The comparison with a champion, on the same rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from gate_evidence import RULE, evidence, policy, predictions

from lockgate.config.errors import InputError
from lockgate.config.params import Champion
from lockgate.documents.gate_check import Check
from lockgate.gate.checks.champion import (
    SHOWN_RESAMPLES,
    champion_checks,
    check_of_difference,
    compare_with_champion,
    compared,
    paired,
)
from lockgate.gate.judge import judge
from lockgate.metrics.bootstrap import RESAMPLES
from lockgate.metrics.interval import Interval
from lockgate.model.predictions import Predictions


class TestChampion:
    def checks(
        self, challenger: Predictions, champion: Predictions | None, decide_on: str = "point", **rest: object
    ) -> list[Check]:
        rule = {**RULE, **rest}
        champion = None if champion is None else replace(champion, model="c" * 64)
        return champion_checks(evidence(challenger, champion=champion), policy(decide_on, champion=rule))

    def test_equal_scores_of_another_model_are_not_worse_and_are_named(self) -> None:
        first, *shown = self.checks(predictions(), predictions())
        assert (first.status, first.value, first.low, first.high) == ("pass", 0, 0, 0)
        assert "every score equals the champion's although it is another model" in first.reason
        assert {check.status for check in shown} == {"not-applicable"}
        assert {check.metric for check in shown} == {"pr_auc", "brier"}

    def test_the_very_model_in_hand_is_no_champion_to_compare_with(self) -> None:
        own = predictions()
        (check,) = compare_with_champion(own, own, policy(champion=RULE))
        assert (check.status, check.value) == ("not-applicable", None)
        assert "model unchanged" in check.reason
        result = judge(own, policy(floors={"roc_auc": 0.5}, champion=RULE), champion=own)
        assert (result.verdict, result.champion) == ("pass", own.model)
        assert [rates.rule for rates in result.operating] == ["floor"]
        strict = policy(floors={"roc_auc": 0.99}, champion=RULE)
        assert judge(own, strict, champion=own).verdict == "block"

    def test_a_model_that_nobody_names_is_never_unchanged(self) -> None:
        own = predictions()
        nameless = replace(own, model=None)
        assert compare_with_champion(nameless, nameless, policy(champion=RULE))[0].status == "pass"

    def test_row_order_does_not_matter(self) -> None:
        champion = predictions(spread=1.3)
        shuffled = Predictions(champion.table.sample(frac=1, random_state=3), champion.model, champion.data)
        assert self.checks(predictions(), champion) == self.checks(predictions(), shuffled)

    def test_a_much_worse_challenger_blocks_and_a_better_one_passes(self) -> None:
        good, bad = predictions(6000), predictions(6000, spread=2.4)
        assert self.checks(bad, good)[0].status == "block"
        assert self.checks(good, bad)[0].status == "pass"

    def test_what_is_not_shown_blocks_or_is_inconclusive(self) -> None:
        champion, challenger = predictions(300), predictions(300, spread=1.5)
        assert self.checks(challenger, champion)[0].status == "block"
        assert self.checks(challenger, champion, "bound")[0].status == "inconclusive"

    def test_the_reason_states_the_correlation_of_the_scores(self) -> None:
        assert "rank correlation of the scores 0.9" in self.checks(predictions(spread=1.3), predictions())[0].reason

    def test_other_metrics_decide_only_with_a_margin(self) -> None:
        bad, good = predictions(6000, spread=2.4), predictions(6000)
        checks = {c.metric: c for c in self.checks(bad, good, margins={"roc_auc": 0.5, "brier": 0.0})}
        assert checks["roc_auc"].status == "pass"
        assert (checks["brier"].op, checks["brier"].status) == ("<=", "block")
        assert checks["pr_auc"].status == "not-applicable"

    def test_a_champion_that_should_be_there_and_is_not_blocks(self) -> None:
        (check,) = self.checks(predictions(), None)
        assert check.status == "block"
        assert "--champion" in check.reason

    def test_a_declared_first_model_needs_none(self) -> None:
        asked = policy(champion=RULE)
        (check,) = champion_checks(evidence(predictions(), first_model=True), asked)
        assert check.status == "not-applicable"
        assert "first model" in check.reason

    @pytest.mark.parametrize(
        ("metric", "low", "high", "status", "inconclusive"),
        [
            ("roc_auc", -0.01, 0.02, "pass", "pass"),
            ("roc_auc", -0.0101, 0.02, "block", "inconclusive"),
            ("roc_auc", -0.03, -0.01, "block", "inconclusive"),
            ("roc_auc", -0.03, -0.0101, "block", "block"),
            ("brier", -0.02, 0.01, "pass", "pass"),
            ("brier", -0.02, 0.0101, "block", "inconclusive"),
            ("brier", 0.01, 0.03, "block", "inconclusive"),
            ("brier", 0.0101, 0.03, "block", "block"),
        ],
    )
    def test_an_interval_that_ends_at_the_margin(
        self, metric: str, low: float, high: float, status: str, inconclusive: str
    ) -> None:
        rule, found = Champion(margins={metric: 0.01}), Interval((low + high) / 2, low, high, 0.01)
        assert check_of_difference(metric, found, rule, by_bound=False).status == status
        assert check_of_difference(metric, found, rule, by_bound=True).status == inconclusive

    @pytest.mark.parametrize("ends", [(None, None, None), (0.0, None, 0.1), (0.0, -0.1, None), (None, -0.1, 0.1)])
    def test_a_difference_that_is_not_defined_blocks(self, ends: tuple[float | None, ...]) -> None:
        check = check_of_difference("roc_auc", Interval(*ends, None, "degenerate"), Champion(), by_bound=True)
        assert (check.status, check.reason) == ("block", "the difference is not defined (degenerate)")

    @pytest.mark.parametrize(
        ("status", "promised"),
        [("ok", True), ("identical-ranking", True), ("identical-scores", True), ("small-class", False)],
    )
    def test_an_interval_whose_coverage_is_not_promised_says_so(self, status: str, promised: bool) -> None:
        check = check_of_difference("roc_auc", Interval(0.0, -0.001, 0.001, 0.01, status), Champion(), by_bound=False)
        assert check.reason == "not worse than the champion by more than 0.01" + (
            "" if promised else "; the interval's coverage is not promised (small-class)"
        )

    @pytest.mark.parametrize(
        ("rows", "margins", "resamples"),
        [
            (100, {"roc_auc": 0.01}, [SHOWN_RESAMPLES]),
            (101, {"roc_auc": 0.01}, []),
            (100, {"roc_auc": 0.01, "brier": 0.01}, [RESAMPLES]),
            (101, {"pr_auc": 0.01}, [RESAMPLES]),
        ],
    )
    def test_what_is_only_shown_is_resampled_less_and_of_many_rows_not_at_all(
        self, rows: int, margins: dict[str, float], resamples: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[dict[str, Any]] = []
        module = "lockgate.gate.checks.champion"
        monkeypatch.setattr(f"{module}.MAX_SHOWN_ROWS", 100)
        monkeypatch.setattr(f"{module}.bootstrap_differences", lambda *_sample, **options: asked.append(options) or {})
        rule = Champion.model_validate({"margins": margins, "confidence": 0.8})
        pair = paired(predictions(rows), predictions(rows, spread=1.3))
        difference, intervals = compared(pair, rule, seed=7)
        assert asked == [{"seed": 7, "confidence": 0.8, "resamples": count} for count in resamples]
        assert intervals == {"roc_auc": difference.difference}

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda t: t.assign(row_key=t.row_key + "x"), "scored on other rows"),
            (lambda t: t.iloc[:-1], "scored on other rows"),
            (lambda t: t.drop(columns="row_key"), "have no column `row_key`"),
            (lambda t: t.assign(row_key=["r0", *t.row_key[:-1]]), "names a row twice"),
            (lambda t: t.assign(y_true=1 - t.y_true), "other labels"),
        ],
    )
    def test_other_rows_are_refused(self, change: object, words: str) -> None:
        own = predictions(100)
        other = Predictions(change(own.table), None, None)  # type: ignore[operator]
        with pytest.raises(InputError, match=words):
            self.checks(own, other)
