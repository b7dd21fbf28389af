"""The rule keeps its promises: how often it cries wolf, what it sees, and what it says of thin data."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace
from scipy import stats

from lockgate.config.params import Drift
from lockgate.documents.drift_json import DRIFT_STATUSES
from lockgate.drift.drift_rule import (
    constant_p_value,
    grade,
    judge,
    missing_p_value,
    null_distribution,
    overall,
    unseen_p_value,
)
from lockgate.drift.family_error import UNSEEN_VALUES, feature_error
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
    ("current", "unseen", "status", "fired"),
    [
        ((100,) * 10 + (0,), 0, "stable", ()),
        ((0,) * 10 + (1_000,), 0, "alert", ("missing", "psi")),  # everything missing
        ((55,) * 9 + (505,) + (0,), 0, "alert", ("psi",)),
        ((90,) * 9 + (190,) + (0,), 0, "warn", ("psi",)),
        ((100,) * 10 + (0,), 10, "stable", ()),  # under 1 %
        ((100,) * 10 + (0,), 11, "warn", ("unseen",)),
        ((100,) * 10 + (0,), 500, "alert", ("unseen",)),
        ((90,) * 9 + (190,) + (0,), 20, "warn", ("psi", "unseen")),
        ((90,) * 9 + (190,) + (0,), 500, "alert", ("unseen", "psi")),  # PSI alone would warn
        ((55,) * 9 + (505,) + (0,), 20, "alert", ("psi", "unseen")),
        ((0,) * 11, 1_000, "alert", ("unseen",)),  # recoded: nothing left to compute a PSI from
    ],
)
def test_what_each_night_is_called(current: tuple[int, ...], unseen: int, status: str, fired: tuple[str, ...]) -> None:
    judged = judge(DECILES, current, unseen, ERROR, RULE)
    assert (judged.status, judged.fired) == (status, fired)
    assert judged.rule == (fired[0] if fired else None)
    assert 0.0 <= judged.p_value <= 1.0
    assert judged.threshold >= RULE.effect_floor
    assert np.isfinite([judged.psi, judged.threshold]).all()


@pytest.mark.parametrize("current", [(0,) * 11, (0,) * 10 + (199,)])
def test_too_few_rows_are_the_rule_whatever_fires(current: tuple[int, ...]) -> None:
    judged = judge(DECILES, current, 0, ERROR, RULE, is_constant=True)
    assert (judged.status, judged.rule) == ("insufficient-data", "rows")


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
    assert judge(DECILES, SHIFTED, 0, ERROR, replace(RULE, **changes)).status == status


def test_without_a_row_in_any_bin_no_psi_fires_however_low_the_floor() -> None:
    found = judge(DECILES, (0,) * 11, 1_000, ERROR, replace(RULE, effect_floor=0.0))
    assert (found.psi, found.threshold, found.fired) == (0.0, 0.0, ("unseen",))


def test_the_smaller_side_has_to_have_the_rows() -> None:
    reference = (15,) * 10 + (50,)
    for least, is_judged in ((200, True), (201, False)):
        found = judge(reference, (0,) * 10 + (1_000,), 0, ERROR, replace(RULE, min_rows=least))
        assert (found.status != "insufficient-data") is is_judged
    for unseen, is_judged in ((20, True), (19, False)):  # unseen rows are rows
        found = judge(DECILES, (18,) * 10 + (0,), unseen, ERROR, replace(RULE, min_rows=200))
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
    found = judge((1_000,) * 9 + (750, 0), (100,) * 9 + (75, 0), unseen, ERROR, rule)
    assert (found.status, found.fired) == (status, () if status == "stable" else ("unseen",))


def test_chance_may_explain_unseen_values_with_exactly_the_error() -> None:
    chance = unseen_p_value(DECILES, 1_000, 2)
    rule = replace(RULE, unseen_share=0.001)
    current = (100,) * 9 + (98, 0)
    for allowed, fired in ((chance, ("unseen",)), (float(np.nextafter(chance, 0.0)), ())):
        assert judge(DECILES, current, 2, allowed / UNSEEN_VALUES, rule).fired == fired


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


GAPS = (1_450,) * 10 + (500,)  # 3.3 % missing


@pytest.mark.parametrize(
    ("reference", "missing", "changes", "status"),
    [
        (GAPS, 80, {}, "stable"),  # no chance, and risen by under 5 points
        (GAPS, 80, {"unseen_share": 0.0}, "warn"),
        (GAPS, 33, {"unseen_share": 0.0}, "stable"),
        (GAPS, 300, {}, "alert"),
        (GAPS, 282, {}, "warn"),  # risen by under 25 points
        (DECILES, 1, {}, "stable"),
        (DECILES, 8, {}, "warn"),  # of a feature that never had any, 0.8 % are enough
        (DECILES, 8, {"unseen_share": 0.009}, "warn"),
    ],
)
def test_a_rise_of_missing_values(
    reference: tuple[int, ...], missing: int, changes: dict[str, float], status: str
) -> None:
    rule = replace(RULE, effect_floor=9.0, warn=9.0, **{"unseen_share": 0.05, **changes})  # no PSI fires
    found = judge(
        reference,
        ((1_000 - missing) // 10,) * 9 + (1_000 - missing - 9 * ((1_000 - missing) // 10), missing),
        0,
        ERROR,
        rule,
    )
    assert (found.status, found.fired) == (status, () if status == "stable" else ("missing",))


@pytest.mark.parametrize(("reference", "rows"), [(GAPS, 1_000), (DECILES, 5_000), ((7, 0, 3), 20)])
def test_the_chance_of_missing_values_is_the_hypergeometric_one(reference: tuple[int, ...], rows: int) -> None:
    for missing in (0, 1, 5, rows // 20):
        both = reference[-1] + missing
        expected = stats.hypergeom.sf(missing - 1, sum(reference) + rows, both, rows)
        assert missing_p_value(reference, missing, rows) == pytest.approx(expected, rel=1e-9)
    assert missing_p_value(reference, 0, 0) == 1.0


def test_the_first_missing_values_of_a_million_rows_have_to_be_a_thousandth() -> None:
    million = (100_000,) * 10 + (0,)
    for missing, fired in ((1_000, ()), (1_010, ("missing",))):
        current = (*((1_000_000 - missing) // 10,) * 10, missing)
        assert judge(million, current, 0, ERROR, RULE).fired == fired


def test_one_value_that_is_left_alerts_unless_it_was_nearly_the_only_one() -> None:
    for others, fired in ((1_500, ("constant",)), (30, ("constant",)), (3, ()), (0, ())):
        reference = (15_000 - others, others, 0)
        found = judge(reference, (5_000, 0, 0), 0, ERROR, replace(RULE, effect_floor=9.0), is_constant=True)
        assert (found.status, found.fired) == ("alert" if fired else "stable", fired)
    assert judge((13_500, 1_500, 0), (5_000, 0, 0), 0, ERROR, replace(RULE, effect_floor=9.0)).fired == ()


def test_the_chance_that_one_value_is_left_is_a_bound_of_what_happens() -> None:
    """Three flags, of which 20 rows are drawn again and again."""
    random = np.random.default_rng(3)
    for share in (0.5, 0.8, 0.95):
        drawn = random.binomial(20, share, size=200_000)
        happened = np.mean((drawn == 20) | (drawn == 0))
        ones = round(15_000 * share)
        assert happened <= constant_p_value((ones, 15_000 - ones, 0), 20) <= 2 * happened + 1e-4
    for nothing in (constant_p_value((0, 0, 9), 20), constant_p_value((5, 5, 0), 0)):
        assert nothing == 1.0


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
