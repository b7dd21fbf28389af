"""Standard errors before there are data, the plan they give, and the reuse of a test set."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from msgspec.structs import replace

from lockgate.config.errors import InputError
from lockgate.documents.gate_json import Reuse
from lockgate.documents.test_set_history_json import DecisionHistory, PastDecision
from lockgate.gate.error_rates import Assumptions, Needed, champion_error_rates, floor_rate, rates_of, rows_needed
from lockgate.gate.test_set_reuse import history_of, measure_reuse, supported_models
from lockgate.metrics.bootstrap import bootstrap_intervals
from lockgate.metrics.delong import auc_interval, paired_difference
from lockgate.metrics.linearised import linearised_intervals
from lockgate.metrics.power import auc_error, blocked_when, difference_error, within_class_correlation


def binormal(rows: int, auc_shift: float, correlation: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    label = (rng.random(rows) < 0.22).astype(int)
    one, other = rng.standard_normal((2, rows))
    other = correlation * one + np.sqrt(1 - correlation**2) * other
    return label, one + auc_shift * label, other + auc_shift * label


def test_predicted_errors_are_delongs() -> None:
    shift = 1.0449  # ROC-AUC 0.77
    within = within_class_correlation(shift, 0.22, 0.95)
    label, one, other = binormal(200_000, shift, within)
    paired = paired_difference(label, one, other)
    assert paired.score_correlation == pytest.approx(0.95, abs=0.002)
    assert paired.difference.standard_error == pytest.approx(difference_error(0.77, 0.22, 200_000, 0.95), rel=0.03)
    assert auc_interval(label, one).standard_error == pytest.approx(auc_error(0.77, 0.22, 200_000), rel=0.03)


def test_linearised_intervals_are_near_the_bootstraps() -> None:
    label, score, _ = binormal(3000, 1.0449, 0.0)
    probability = 1 / (1 + np.exp(-(score - 2)))
    slow, quick = (
        bootstrap_intervals(label, probability, seed=1, resamples=1000),
        linearised_intervals(label, probability),
    )
    for name in ("pr_auc", "brier", "log_loss", "calibration_slope", "calibration_intercept"):
        width = slow[name].high - slow[name].low
        assert quick[name].value == slow[name].value
        assert quick[name].low == pytest.approx(slow[name].low, abs=0.12 * width), name
        assert quick[name].high == pytest.approx(slow[name].high, abs=0.12 * width), name
    assert quick["ks"].status == "biased"


def test_a_plan_has_the_error_rates_it_was_made_for() -> None:
    assumed = Assumptions(0.77, 0.22, 0.95, 0.01)
    needed = rows_needed(assumed, 0.02, 0.05)
    blocks, passes = rates_of(assumed, needed.rows, 0.90)
    assert blocks == pytest.approx(0.02, abs=2e-4)
    assert passes == pytest.approx(0.05, abs=2e-4)
    assert rows_needed(Assumptions(0.77, 0.22, 0.99, 0.01), 0.02, 0.05).rows < needed.rows / 4
    with pytest.raises(InputError, match="lower them"):
        rows_needed(assumed, 0.6, 0.5)


@pytest.mark.parametrize(("block_equal", "pass_worse", "span"), [(0.02, 0.05, 3.698602537), (0.4, 0.4, 0.506694206)])
def test_the_rows_that_are_needed_span_both_errors(block_equal: float, pass_worse: float, span: float) -> None:
    """`span` is the sum of the normal quantiles of both errors, from a table."""
    assumed = Assumptions(0.77, 0.22, 0.95, 0.02)
    rows = (span * difference_error(0.77, 0.22, 1, 0.95) / 0.02) ** 2
    assert rows_needed(assumed, block_equal, pass_worse) == Needed(math.ceil(rows), round(0.22 * math.ceil(rows)))


def test_errors_that_no_row_is_needed_for_are_refused() -> None:
    words = "^--block-equal and --pass-worse together are 1 or more, which no rows are needed for; lower them$"
    with pytest.raises(InputError, match=words):
        rows_needed(Assumptions(0.77, 0.22, 0.95, 0.01), 0.5, 0.5)


def test_a_floor_blocks_a_good_model_in_a_share_that_follows_from_its_error() -> None:
    assumed = Assumptions(0.77, 0.22, 0.95, 0.01)
    for rows in (1000, 6000):
        expected = NormalDist().cdf(-0.01 / auc_error(0.77, 0.22, rows))
        assert floor_rate(assumed, rows) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("margin", "worse_by"), [(0.02, 0.02), (0.0, 0.01)])
def test_the_rates_of_a_comparison_follow_from_its_error(margin: float, worse_by: float) -> None:
    found, normal = champion_error_rates(0.008, 0.93, margin, 0.92), NormalDist()
    bar = -margin + normal.inv_cdf(0.96) * 0.008
    assert (found.rule, found.metric, found.standard_error, found.score_correlation) == (
        "champion",
        "roc_auc",
        0.008,
        0.93,
    )
    assert (found.margin, found.worse_by) == (margin, worse_by)
    assert found.blocks_good == pytest.approx(normal.cdf(bar / 0.008), rel=1e-9)
    assert found.passes_worse == pytest.approx(1 - normal.cdf((bar + worse_by) / 0.008), rel=1e-9)


def test_without_error_the_bar_is_a_step() -> None:
    assert (blocked_when(0.0, -0.01, 0.0, 2.0), blocked_when(-0.02, -0.01, 0.0, 2.0)) == (0.0, 1.0)


class TestHistory:
    def decision(self, **changes: str) -> PastDecision:
        return replace(PastDecision("t", "m", "p", "pass"), **changes)

    def test_the_same_thing_decided_twice_counts_once(self) -> None:
        once = history_of([self.decision()])
        assert history_of([*once.decisions, self.decision()]) == once
        others = [self.decision(policy="q"), self.decision(model="n"), self.decision(test_set="u")]
        more = history_of([*once.decisions, *others])
        assert len(more.decisions) == 4
        assert measure_reuse(more.decisions, "t", "m", 0.005).models == 2

    def test_the_order_of_decisions_does_not_matter(self) -> None:
        one, other = self.decision(), self.decision(model="n")
        assert history_of([one, other]) == history_of([other, one])

    def test_exhausted_by_the_bound_for_adaptive_use(self) -> None:
        # 2 * Phi(-0.02 / 0.0065) = 0.00209: of 0.05, 2^4 fit and 2^5 do not
        assert supported_models(0.0065, 0.02, 0.95) == 4
        decisions = [self.decision(model=str(i)) for i in range(4)]
        assert not measure_reuse(decisions, "t", "0", 0.0065).exhausted
        assert measure_reuse(decisions, "t", "4", 0.0065).exhausted
        assert supported_models(0.03, 0.02, 0.95) == 0
        assert supported_models(0.0, 0.02, 0.95) is None

    def test_a_model_counts_once_and_only_where_this_test_set_judged_it(self) -> None:
        decisions = [
            self.decision(model="n"),
            self.decision(model="n", policy="q"),
            self.decision(test_set="u", model="o"),
        ]
        assert measure_reuse(decisions, "t", "m", None) == Reuse("t", 2, None, 0.02, False)
        assert measure_reuse(decisions, "t", "n", 0.0065, 0.02, 0.95) == Reuse("t", 1, 4, 0.02, False)
        assert measure_reuse(decisions, "t", "m", 0.0065, 0.01, 0.5) == Reuse("t", 2, 2, 0.01, False)
        assert measure_reuse(decisions, "t", "m", 0.0065, 0.01, 0.6) == Reuse("t", 2, 1, 0.01, True)

    @pytest.mark.parametrize(
        "content", ["", "[]", "{}", '{"schema": 1, "decisions": [1]}', '{"schema": 1, "decisions": [{}]}']
    )
    def test_a_history_that_is_none_is_refused(self, tmp_path: Path, content: str) -> None:
        (tmp_path / "h.json").write_text(content)
        with pytest.raises(InputError, match=r"h\.json"):
            DecisionHistory.read_file(tmp_path / "h.json")
