"""The label's rate: the exact test against scipy's distribution, its false alarms, and what each night is called."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from scipy import stats

from lockgate.config.params import Drift
from lockgate.documents.profile_json import LabelCounts
from lockgate.drift.label_drift import count_labels, exact_p_value, label_drift, wilson
from lockgate.drift.profile import drift_rule

RULE = drift_rule(Drift())
ERROR = 0.05 / 26
REFERENCE = LabelCounts(15_000, 3_300)


def counts() -> st.SearchStrategy[LabelCounts]:
    return st.integers(1, 400).flatmap(lambda n: st.integers(0, n).map(lambda positives: LabelCounts(n, positives)))


@given(counts(), counts())
def test_the_p_value_is_twice_the_smaller_hypergeometric_tail(one: LabelCounts, other: LabelCounts) -> None:
    positives = stats.hypergeom(one.n + other.n, one.positives + other.positives, other.n)
    tails = positives.cdf(other.positives), positives.sf(other.positives - 1)
    assert exact_p_value(one, other) == pytest.approx(min(1.0, 2.0 * min(tails)), rel=1e-9)
    assert exact_p_value(other, one) == pytest.approx(exact_p_value(one, other), rel=1e-9)


@pytest.mark.parametrize("rows", [10**8, 10**10])
def test_more_rows_than_memory_holds_take_no_more_of_it_than_their_spread(rows: int) -> None:
    same = exact_p_value(LabelCounts(rows, 22 * rows // 100), LabelCounts(rows, 22 * rows // 100))
    other = exact_p_value(LabelCounts(rows, 22 * rows // 100), LabelCounts(rows, 30 * rows // 100))
    assert same == pytest.approx(1.0, abs=1e-3)
    assert other == 0.0


@pytest.mark.parametrize("more", [0, 300, 1_000, 3_000])
def test_a_million_rows_have_the_tails_of_few(more: int) -> None:
    one, other = LabelCounts(10**6, 220_000), LabelCounts(10**6, 220_000 + more)
    positives = stats.hypergeom(2 * 10**6, 440_000 + more, 10**6)
    tails = positives.cdf(other.positives), positives.sf(other.positives - 1)
    assert exact_p_value(one, other) == pytest.approx(min(1.0, 2.0 * min(tails)), rel=1e-6)


@pytest.mark.parametrize("rate", [0.002, 0.22])
def test_false_alarms_stay_below_the_error_also_for_rare_outcomes(rate: float) -> None:
    random = np.random.default_rng(3)
    error, nights = 0.02, 2_000
    before, now = random.binomial(15_000, rate, nights), random.binomial(300, rate, nights)
    p_values = [
        exact_p_value(LabelCounts(15_000, int(one)), LabelCounts(300, int(other)))
        for one, other in zip(before, now, strict=True)
    ]
    assert np.mean(np.array(p_values) <= error) <= error


@pytest.mark.parametrize(
    ("current", "status", "rule"),
    [
        (LabelCounts(5_000, 1_100), "stable", None),
        (LabelCounts(5_000, 1_600), "warn", "rate"),
        (LabelCounts(5_000, 700), "warn", "rate"),
        (LabelCounts(5_000, 0), "warn", "rate"),  # one class
        (LabelCounts(5_000, 5_000), "warn", "rate"),
        (LabelCounts(200, 56), "stable", None),
        (LabelCounts(199, 199), "insufficient-data", "rows"),
        (LabelCounts(1, 1), "insufficient-data", "rows"),
    ],
)
def test_what_each_night_is_called(current: LabelCounts, status: str, rule: str | None) -> None:
    found = label_drift("default", REFERENCE, current, ERROR, RULE)
    assert (found.status, found.rule, found.name) == (status, rule, "default")
    assert found.reference.rate == pytest.approx(0.22)
    assert found.current.low <= found.current.rate <= found.current.high
    assert found.error == ERROR


def test_a_change_at_a_limit() -> None:
    """The least logarithm of the odds ratio that counts is 0.1: even odds that become 1.105 to 1, or the reverse."""
    before = LabelCounts(10**6, 500_000)
    for positives, status in ((524_970, "stable"), (524_990, "warn"), (475_030, "stable"), (475_010, "warn")):
        assert label_drift("default", before, LabelCounts(10**6, positives), 1, RULE).status == status
    few, many = LabelCounts(200, 40), LabelCounts(5_000, 2_000)
    for sides in ((few, many), (many, few)):
        assert label_drift("default", *sides, 1, RULE).status == "warn"
        assert label_drift("default", *sides, 1, replace(RULE, min_rows=201)).status == "insufficient-data"
    chance = exact_p_value(few, many)
    for error, status in ((chance, "warn"), (np.nextafter(chance, 0.0), "stable")):
        assert label_drift("default", few, many, error, RULE).status == status


def test_too_few_labels_say_on_which_side() -> None:
    few = LabelCounts(199, 20)
    reasons = [
        label_drift("default", *sides, 1, RULE).reason for sides in ((few, REFERENCE), (REFERENCE, few), (few, few))
    ]
    assert reasons == [
        "only 199 reference labels, at least 200 are needed (drift.min_rows)",
        "only 199 current labels, at least 200 are needed (drift.min_rows)",
        "only 199 current labels, at least 200 are needed (drift.min_rows)",
    ]


def test_the_words_give_both_rates() -> None:
    found = label_drift("default", REFERENCE, LabelCounts(5_000, 1_600), ERROR, RULE)
    assert found.reason == "32 % of 5,000 known labels are positive, 22 % before"


def test_a_certain_but_tiny_change_does_not_warn() -> None:
    found = label_drift("default", LabelCounts(10**7, 2_200_000), LabelCounts(10**7, 2_230_000), ERROR, RULE)
    assert found.p_value < 1e-50
    assert found.status == "stable"


def test_a_profile_without_labels_decides_nothing_and_shows_todays_rate() -> None:
    found = label_drift("default", None, LabelCounts(5_000, 1_600), ERROR, RULE)
    assert (found.status, found.reference, found.p_value) == ("insufficient-data", None, None)
    assert found.current.rate == 0.32
    assert "lockgate train" in found.reason


@pytest.mark.parametrize(("n", "positives"), [(0, 0), (1, 0), (1, 1), (200, 1), (5_000, 1_100)])
def test_wilsons_interval_is_scipys(n: int, positives: int) -> None:
    low, high = wilson(LabelCounts(n, positives))
    if n == 0:
        assert (low, high) == (0.0, 1.0)
        return
    expected = stats.binomtest(positives, n).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_unknown_labels_are_not_counted() -> None:
    assert count_labels([0.0, 1.0, math.nan, 1.0]) == LabelCounts(3, 2)
    assert count_labels([math.nan]) == LabelCounts(0, 0)
