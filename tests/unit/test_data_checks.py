"""What else the gate asks of test data and policy: calibration, direction, event rate, dates, an exception."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from gate_evidence import RULE, evidence, features_of, policy, predictions

from lockgate.config.params import Gate
from lockgate.gate.checks.calibration import calibration_checks
from lockgate.gate.checks.dates import date_checks
from lockgate.gate.checks.direction import direction_checks
from lockgate.gate.checks.event_rate import event_rate_checks
from lockgate.gate.checks.exception import exception_checks
from lockgate.gate.evidence import Policy
from lockgate.gate.judge import judge
from lockgate.metrics.interval import Interval


class TestCalibration:
    @pytest.mark.parametrize(("low", "high", "status"), [(0.9, 1.1, "pass"), (0.7, 0.9, "warn"), (1.1, 1.3, "warn")])
    def test_one_outside_the_interval_warns(self, low: float, high: float, status: str) -> None:
        found = evidence(predictions(), intervals={"calibration_slope": Interval((low + high) / 2, low, high, 0.05)})
        assert [check.status for check in calibration_checks(found, policy())] == [status]

    def test_no_line_is_named(self) -> None:
        interval = Interval(None, None, None, None, "no-calibration-line")
        (check,) = calibration_checks(evidence(predictions(), intervals={"calibration_slope": interval}), policy())
        assert (check.status, check.interval) == ("not-applicable", "no-calibration-line")


class TestDirection:
    def test_a_model_that_ranks_upside_down_is_told_apart_from_a_weak_one(self) -> None:
        found = predictions()
        upside_down = replace(found, table=found.table.assign(y_score=1 - found.y_score))
        (check,) = direction_checks(evidence(upside_down), policy())
        assert check.status == "block"
        assert "the labels or the scores look inverted" in check.reason
        weak = replace(found, table=found.table.assign(y_score=np.random.default_rng(5).random(2000)))
        assert [check.status for check in direction_checks(evidence(weak), policy())] == ["pass"]

    def test_labels_inverted_everywhere_are_told_by_the_champion(self) -> None:
        """The new model learnt from inverted labels and ranks them well; the champion learnt from the right ones."""
        before = predictions()
        inverted = before.table.assign(y_true=1 - before.y_true)
        challenger = replace(before, table=inverted.assign(y_score=1 - before.y_score))
        champion = replace(before, table=inverted, model="c" * 64)
        own, of_champion = direction_checks(evidence(challenger, champion=champion), policy())
        assert (own.status, of_champion.status) == ("pass", "block")
        assert "the labels look inverted against those that the champion was trained on" in of_champion.reason
        result = judge(challenger, policy(floors={"roc_auc": 0.5}, champion=RULE), champion=champion)
        assert result.verdict == "block"


class TestEventRate:
    @pytest.mark.parametrize(
        ("trained", "tested", "status"),
        [
            (0.22, 0.22, "pass"),
            (0.02, 0.05, "pass"),
            (0.22, 0.80, "block"),
            (0.80, 0.22, "block"),
            (0.22, 0.78, "block"),
        ],
    )
    def test_odds_apart_by_more_than_the_ratio_block(self, trained: float, tested: float, status: str) -> None:
        train, test = (np.arange(1000) < 1000 * share for share in (trained, tested))
        (check,) = event_rate_checks(features_of(test.astype(int), train.astype(int)), policy())
        assert check.status == status
        assert f"{tested:.1%} of the test rows are events, {trained:.1%} of the training rows" in check.reason

    def test_the_limit_is_the_policys(self) -> None:
        train, test = [1] * 100 + [0] * 900, [1] * 300 + [0] * 700
        for limit, status in ((3.8, "block"), (3.9, "pass")):
            (check,) = event_rate_checks(features_of(test, train), policy(event_rate_ratio=limit))
            assert (check.status, check.threshold) == (status, limit)

    def test_a_factor_of_exactly_the_limit_passes(self) -> None:
        """Half an event and half another row are added: odds of 3 to 1 against 1 to 1."""
        (check,) = event_rate_checks(features_of([0, 1], [0]), policy(event_rate_ratio=3.0))
        assert (check.value, check.status) == (3.0, "pass")

    def test_without_training_rows_there_is_nothing_to_compare_with(self) -> None:
        (check,) = event_rate_checks(features_of([0, 1], None), policy())
        assert (check.status, check.value) == ("not-applicable", None)


class TestDates:
    @pytest.mark.parametrize(
        ("days", "status", "value"),
        [
            (["2026-01-31", "2026-11-27"], "pass", 0),
            (["2026-01-31", "2026-11-28"], "block", 1),
            (["2099-01-01T00:00:00+02:00", "2099-02-01"], "block", 2),
            ([2025, 2099], "not-applicable", None),
        ],
    )
    def test_no_row_is_of_a_day_that_has_not_come(self, days: list[object], status: str, value: int | None) -> None:
        (check,) = date_checks(features_of([0, 1], [0, 1], days, latest=date(2026, 11, 27)), policy())
        assert (check.status, check.value) == (status, value)
        if status == "block":
            assert "`day`" in check.reason
            assert str(max(days))[:10] in check.reason

    def test_without_a_time_column_or_a_day_nothing_can_be_told(self) -> None:
        for seen in (
            features_of([0, 1], [0, 1], latest=date(2026, 1, 1)),
            features_of([0, 1], [0, 1], ["2099-01-01"] * 2),
        ):
            assert [check.status for check in date_checks(seen, policy())] == ["not-applicable"]


class TestAnExceptionToThePolicy:
    POLICY = Policy(
        gate=Gate.model_validate({"exception": {"reason": "why", "approved_by": "who", "until": date(2026, 12, 31)}})
    )

    @pytest.mark.parametrize(
        ("today", "status", "words"),
        [
            (date(2026, 12, 31), "pass", "approved by who until 2026-12-31: why"),
            (date(2027, 1, 1), "block", "approved by who until 2026-12-31: why; it has ended: restore the thresholds"),
            (None, "block", "pass `today` to judge()"),
        ],
    )
    def test_it_holds_up_to_its_last_day_and_blocks_after_it(self, today: date | None, status: str, words: str) -> None:
        (check,) = exception_checks(evidence(predictions(), today=today), self.POLICY)
        assert check.status == status
        assert words in check.reason

    def test_without_one_there_is_no_check(self) -> None:
        assert exception_checks(evidence(predictions()), Policy()) == []

    def test_a_model_that_passes_everything_else_is_blocked_after_its_end(self) -> None:
        verdicts = [judge(predictions().table, self.POLICY, today=date(2026, 12, day)).verdict for day in (30, 31)]
        assert verdicts == ["pass", "pass"]
        ended = judge(predictions().table, self.POLICY, today=date(2027, 1, 1))
        assert (ended.verdict, ended.exception and ended.exception.until) == ("block", "2026-12-31")
        assert ended.policy != judge(predictions().table).policy  # it is part of the policy
