"""The rule keeps its promises: how often it cries wolf, what it sees, and what it says of thin data."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace
from scipy import stats

from lockgate.config.params import Drift
from lockgate.documents.drift_json import DRIFT_STATUSES
from lockgate.drift.drift_rule import grade, judge, null_distribution, overall, unseen_p_value
from lockgate.drift.family_error import feature_error
from lockgate.drift.profile import drift_rule
from lockgate.drift.psi import psi_terms

RULE = drift_rule(Drift())
REFERENCE_ROWS, FAMILY = 15_000, 24
ERROR = feature_error(RULE.family_error, FAMILY - 1)
DECILES = (1_500,) * 10 + (0,)


def zipf(values: int, steepness: float) -> np.ndarray:
    weights = 1.0 / np.arange(1, values + 1) ** steepness
    return weights / weights.sum()


def true_shares() -> list[np.ndarray]:
    """Shares of 24 features' bins, missing last: numbers, flags, and categories of which many are rare."""
    numbers = [np.append(np.full(10, (1 - missing) / 10), missing) for missing in [0.0] * 10 + [0.05, 2e-4, 0.3, 0.01]]
    flags = [np.array([0.95, 0.05, 0.0]), np.array([0.0, 0.6, 0.3, 0.0999, 0.0001, 0.0])]
    categories = [np.append(zipf(*kind), 0.0) for kind in [(4, 1), (8, 1), (12, 2), (2, 5)]]
    rare = [np.append(zipf(30, steepness), 0.0) for steepness in (1.5, 2.5, 3.0, 3.5)]
    return [*numbers, *flags, *categories, *rare]


@pytest.mark.parametrize("rows", [200, 1_000, 10_000])
def test_at_most_one_clean_night_in_twenty_warns(rows: int) -> None:
    """A quick version, seeded: 300 nights against three references."""
    random = np.random.default_rng(rows)
    shares = true_shares()
    assert len(shares) == FAMILY
    warned = 0
    for _ in range(3):
        references = [tuple(random.multinomial(REFERENCE_ROWS, share).tolist()) for share in shares]
        for _ in range(100):
            batches = [tuple(random.multinomial(rows, share).tolist()) for share in shares]
            judged = [judge(*pair, 0, ERROR, RULE).status for pair in zip(references, batches, strict=True)]
            warned += overall(judged) != "stable"
    assert warned / 300 <= RULE.family_error


def test_a_quarter_of_a_standard_deviation_at_a_thousand_rows_is_caught() -> None:
    random = np.random.default_rng(5)
    edges = stats.norm.ppf(np.arange(1, 10) / 10)
    shares = np.append(np.diff(np.concatenate([[0.0], stats.norm.cdf(edges - 0.25), [1.0]])), 0.0)
    batches = random.multinomial(1_000, shares, size=400)
    caught = [judge(DECILES, tuple(one.tolist()), 0, ERROR, RULE).status == "warn" for one in batches]
    assert np.mean(caught) >= 0.95


def test_with_full_bins_the_threshold_is_chi_squares() -> None:
    """With no empty bin, chi-square at the error with its margin; an empty one costs a degree of freedom."""
    full = (1_400,) * 10 + (1_000,)
    error = ERROR
    chi_square = stats.chi2.isf(error / 1.5, 10) * (1 / 15_000 + 1 / 5_000)
    assert null_distribution(full, 5_000).threshold(error) == pytest.approx(chi_square, rel=0.06)


@pytest.mark.parametrize("rows", [200, 3_000])
@pytest.mark.parametrize("reference", [DECILES, (9_000, 6_000, 0), (14_000, 700, 200, *([10] * 10), *([0] * 5))])
def test_the_p_value_does_not_promise_too_much(reference: tuple[int, ...], rows: int) -> None:
    """Against 100,000 draws made here: what the rule calls 1 in 100 happens at most that often, and not far less."""
    random = np.random.default_rng(11)
    shares = random.dirichlet(np.array(reference) + 0.5, size=100_000)
    draws = psi_terms(reference, random.multinomial(rows, shares)).sum(axis=-1)
    happened = np.mean(draws >= null_distribution(reference, rows).threshold(0.01))
    assert 0.004 <= happened <= 0.01


def test_p_value_and_threshold_are_each_others_inverse() -> None:
    chance = null_distribution(DECILES, 1_000)
    for error in (0.5, 0.01, 1e-6):
        assert chance.p_value(chance.threshold(error)) == pytest.approx(error)
    assert chance.p_value(0.0) == 1.0
    assert chance.p_value(5.0) == pytest.approx(0.0, abs=1e-100)


def test_the_null_is_the_same_every_time() -> None:
    first = null_distribution(DECILES, 777)
    null_distribution.cache_clear()
    assert null_distribution(DECILES, 777) == first


@pytest.mark.parametrize(
    ("current", "unseen", "status", "fired", "rule"),
    [
        ((100,) * 10 + (0,), 0, "stable", (False, False), None),
        ((0,) * 10 + (1_000,), 0, "alert", (True, False), "psi"),  # everything missing
        ((55,) * 9 + (505,) + (0,), 0, "alert", (True, False), "psi"),
        ((90,) * 9 + (190,) + (0,), 0, "warn", (True, False), "psi"),
        ((100,) * 10 + (0,), 10, "stable", (False, False), None),  # under 1 %
        ((100,) * 10 + (0,), 11, "warn", (False, True), "unseen"),
        ((100,) * 10 + (0,), 500, "alert", (False, True), "unseen"),
        ((90,) * 9 + (190,) + (0,), 20, "warn", (True, True), "psi"),
        ((90,) * 9 + (190,) + (0,), 500, "alert", (True, True), "unseen"),  # PSI alone would warn
        ((55,) * 9 + (505,) + (0,), 20, "alert", (True, True), "psi"),
        ((0,) * 11, 1_000, "alert", (False, True), "unseen"),  # recoded: nothing left to compute a PSI from
        ((0,) * 11, 0, "insufficient-data", (False, False), "rows"),
        ((0,) * 10 + (199,), 0, "insufficient-data", (True, False), "rows"),
    ],
)
def test_what_each_night_is_called(
    current: tuple[int, ...], unseen: int, status: str, fired: tuple[bool, bool], rule: str | None
) -> None:
    judged = judge(DECILES, current, unseen, ERROR, RULE)
    assert (judged.status, judged.rule) == (status, rule)
    assert (judged.psi_fired, judged.unseen_fired) == fired
    assert 0.0 <= judged.p_value <= 1.0
    assert judged.threshold >= RULE.effect_floor
    assert np.isfinite([judged.psi, judged.threshold]).all()


SHIFTED = (90,) * 9 + (190,) + (0,)
PSI = judge(DECILES, SHIFTED, 0, ERROR, RULE).psi
ABOVE = np.nextafter(PSI, 1.0)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"alert": PSI}, "alert"),
        ({"alert": ABOVE}, "warn"),
        ({"effect_floor": PSI}, "warn"),
        ({"effect_floor": ABOVE}, "stable"),
        ({"min_rows": 1_000}, "warn"),
        ({"min_rows": 1_001}, "insufficient-data"),
    ],
)
def test_a_psi_at_a_limit_has_reached_it(changes: dict[str, float], status: str) -> None:
    assert judge(DECILES, SHIFTED, 0, FAMILY, replace(RULE, **changes)).status == status


def test_without_a_row_in_any_bin_no_psi_fires_however_low_the_floor() -> None:
    found = judge(DECILES, (0,) * 11, 1_000, FAMILY, replace(RULE, effect_floor=0.0))
    assert (found.psi, found.threshold, found.psi_fired, found.rule) == (0.0, 0.0, False, "unseen")


def test_the_smaller_side_has_to_have_the_rows() -> None:
    reference = (15,) * 10 + (50,)
    for least, is_judged in ((200, True), (201, False)):
        found = judge(reference, (0,) * 10 + (1_000,), 0, FAMILY, replace(RULE, min_rows=least))
        assert (found.status != "insufficient-data") is is_judged
    for unseen, is_judged in ((20, True), (19, False)):  # unseen rows are rows
        found = judge(DECILES, (18,) * 10 + (0,), unseen, FAMILY, replace(RULE, min_rows=200))
        assert (found.status != "insufficient-data") is is_judged


@pytest.mark.parametrize(
    ("unseen", "changes", "status"),
    [
        (25, {"unseen_share": 0.025}, "stable"),  # not above the share
        (25, {"unseen_share": 0.0249}, "warn"),
        (25, {"alert": 0.025}, "alert"),
        (25, {"alert": 0.0251}, "warn"),
        (0, {"unseen_share": 0.0}, "stable"),
    ],
)
def test_unseen_values_at_a_limit(unseen: int, changes: dict[str, float], status: str) -> None:
    rule = replace(RULE, **changes)
    found = judge((1_000,) * 9 + (750, 0), (100,) * 9 + (75, 0), unseen, FAMILY, rule)
    assert (found.status, found.psi_fired) == (status, False)


def test_chance_may_explain_unseen_values_with_exactly_the_error() -> None:
    chance = unseen_p_value(DECILES, 1_000, 2)
    rule = replace(RULE, unseen_share=0.001)
    current = (100,) * 9 + (98, 0)
    for error, fired in ((chance, True), (float(np.nextafter(chance, 0.0)), False)):
        assert judge(DECILES, current, 2, 1, replace(rule, family_error=error)).unseen_fired == fired


@pytest.mark.parametrize(
    ("reference", "once"),
    [((10, 5, 3, 0), 0), ((10, 1, 1, 0), 2), ((10, 5, 2, 1), 0), ((10, 1, 5, 1), 1)],
)
def test_the_chance_of_unseen_values_rests_on_those_seen_once_and_missing_is_no_value(
    reference: tuple[int, ...], once: int
) -> None:
    share = (once + 1) / (sum(reference) + 1)
    for unseen in (1, 4):
        expected = stats.binom.sf(unseen - 1, 30, share)
        assert unseen_p_value(reference, 30, unseen) == pytest.approx(expected, rel=1e-12)


def test_the_null_is_a_pearson_distribution_of_the_moments_of_its_draws() -> None:
    reference, rows = (400, 300, 200, 1), 500
    random = np.random.Generator(np.random.PCG64(20_240_229))
    draws = psi_terms(reference, random.multinomial(rows, random.dirichlet(np.array(reference) + 0.5, size=4_000))).sum(
        axis=-1
    )
    found = null_distribution(reference, rows)
    assert found.mean == pytest.approx(draws.mean(), rel=1e-12)
    assert found.deviation == pytest.approx(draws.std(), rel=1e-12)
    assert found.skewness == pytest.approx(stats.skew(draws), rel=1e-9)
    pearson = stats.pearson3(found.skewness, found.mean, found.deviation)
    for psi in (found.mean, 2 * found.mean, 5 * found.mean):
        assert found.p_value(psi) == pytest.approx(min(1.0, 1.5 * pearson.sf(psi)), rel=1e-9)
    for error in (0.2, 0.001):
        assert found.threshold(error) == pytest.approx(pearson.isf(error / 1.5), rel=1e-9)


def test_without_rows_there_is_no_distribution() -> None:
    for found in (null_distribution(DECILES, 0), null_distribution((0,) * 11, 100)):
        assert (found.mean, found.deviation, found.skewness) == (0.0, 0.0, 1e-3)
        assert found.p_value(0.0) == found.p_value(9.0) == 1.0
        assert found.threshold(0.01) == 0.0
    assert null_distribution(DECILES, 1).deviation > 0
    assert null_distribution((1, 0), 100).deviation > 0


def test_a_certain_but_tiny_change_is_under_the_floor() -> None:
    million = (100_000,) * 10 + (0,)
    judged = judge(million, (103_000, 97_000) + (100_000,) * 8 + (0,), 0, ERROR, RULE)
    assert judged.p_value < 1e-6
    assert (judged.threshold, judged.status) == (RULE.effect_floor, "stable")


def test_a_large_psi_of_few_rows_is_not_significant() -> None:
    """0.1 by the usual rule of thumb, and what an unchanged feature does at 200 rows."""
    judged = judge(DECILES, (31, 13, 24, 16, 22, 11, 26, 20, 12, 25, 0), 0, ERROR, RULE)
    assert judged.psi > 0.10
    assert judged.status == "stable"


def test_too_few_reference_rows_decide_nothing() -> None:
    assert judge((15,) * 10 + (0,), (0,) * 10 + (1_000,), 0, ERROR, RULE).status == "insufficient-data"


def test_grades_and_the_worst_of_all() -> None:
    assert [grade(psi, RULE) for psi in (0.02, 0.0999, 0.10, 0.2499, 0.25)] == [
        *("slight", "slight", "moderate", "moderate", "severe")
    ]
    assert overall(["stable", "stable"]) == "stable"
    assert overall(["stable", "insufficient-data"]) == "insufficient-data"
    assert overall(["warn", "insufficient-data", "stable"]) == "warn"
    assert overall(DRIFT_STATUSES) == "alert"
    assert overall([]) == "insufficient-data"


def test_values_that_any_batch_of_a_long_tail_brings_are_no_alarm_and_a_new_code_is() -> None:
    """Shares over 1 % of unseen values are ordinary here: the rule on the share alone would cry wolf."""
    random = np.random.default_rng(12)
    shares = zipf(3_000, 1.0)
    p_values, unseen_shares = [], []
    for _ in range(300):
        reference = random.multinomial(2_000, shares)
        seen = reference > 0
        night = random.multinomial(400, shares)
        unseen = int(night[~seen].sum())
        counts = (*reference[seen].tolist(), 0)
        p_values.append(unseen_p_value(counts, 400, unseen))
        unseen_shares.append(unseen / 400)
    assert np.mean(np.array(unseen_shares) > RULE.unseen_share) > 0.9
    assert np.mean(np.array(p_values) <= 0.01) <= 0.03  # Good and Turing's estimate errs a little itself
    assert unseen_p_value((1_000, 995, 5, 0), 400, 12) < 1e-6
    assert unseen_p_value((1_000, 995, 5, 0), 400, 0) == 1.0
    assert unseen_p_value((0, 0), 0, 0) == 1.0
