"""DeLong's variance against sums over all pairs, its intervals, and the named results of degenerate samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from lockgate.config.errors import InputError
from lockgate.metrics.delong import auc_interval, paired_difference, placements
from lockgate.metrics.metrics import roc_auc


def covariance_of(label, *scores, weight=None):
    positives, negatives, _ = placements(label, scores, weight)
    return positives.means(), positives.covariance() + negatives.covariance()


def all_pairs(label, *scores):
    """DeLong's AUCs and covariance from the matrix of all pairs of a positive and a negative, O(n^2)."""
    beats = []
    for score in scores:
        gap = score[label == 1][:, None] - score[label == 0][None, :]
        beats.append((gap > 0) + 0.5 * (gap == 0))
    positives, negatives = np.stack([b.mean(axis=1) for b in beats]), np.stack([b.mean(axis=0) for b in beats])
    covariance = np.atleast_2d(np.cov(positives)) / positives.shape[1]
    return positives.mean(axis=1), covariance + np.atleast_2d(np.cov(negatives)) / negatives.shape[1]


def sample(n, seed, decimals=17, spread=0.3):
    rng = np.random.default_rng(seed)
    eta = -1.578 + 1.151 * rng.standard_normal(n)
    label = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
    label[:4] = 0, 1, 0, 1
    other = eta + spread * rng.standard_normal(n)
    return label, np.round(1 / (1 + np.exp(-eta)), decimals), np.round(1 / (1 + np.exp(-other)), decimals)


@given(st.integers(4, 80), st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 2, 17]))
def test_auc_and_covariance_equal_the_sums_over_all_pairs(n, seed, decimals):
    label, one, other = sample(n, seed, decimals)
    aucs, covariance = covariance_of(label, one, other)
    expected_aucs, expected_covariance = all_pairs(label, one, other)
    assert aucs == pytest.approx(expected_aucs, abs=1e-12)
    assert covariance == pytest.approx(expected_covariance, abs=1e-12)


@given(st.integers(4, 60), st.integers(0, 2**32 - 1), st.sampled_from([1, 17]), st.booleans())
def test_shuffled_rows_give_the_same_bits(n, seed, decimals, weighted):
    label, one, other = sample(n, seed, decimals)
    rng = np.random.default_rng(seed)
    order, weight = rng.permutation(n), rng.lognormal(size=n)
    weights = (weight, weight[order]) if weighted else (None, None)
    shuffled = paired_difference(label[order], one[order], other[order], weight=weights[1])
    assert repr(paired_difference(label, one, other, weight=weights[0])) == repr(shuffled)
    assert auc_interval(label, one, 0.9, weights[0]) == auc_interval(label[order], one[order], 0.9, weights[1])


def test_equal_weights_change_nothing_and_uneven_ones_give_the_weighted_auc_with_more_error():
    label, one, _ = sample(400, 1, decimals=2)
    weight = np.random.default_rng(2).lognormal(size=400)
    equal = covariance_of(label, one, weight=np.full(400, 0.3))[1]
    assert equal == pytest.approx(covariance_of(label, one)[1])
    found = auc_interval(label, one, weight=weight)
    assert found.value == pytest.approx(roc_auc(label, one, weight), abs=1e-12)
    assert found.standard_error > 1.2 * auc_interval(label, one).standard_error


def test_the_weighted_error_is_the_one_seen_over_many_samples():
    rng = np.random.default_rng(3)
    aucs, errors = [], []
    for seed in range(400):
        label, one, _ = sample(300, seed + 1000)
        found = auc_interval(label, one, weight=rng.lognormal(sigma=0.7, size=300))
        aucs.append(found.value)
        errors.append(found.standard_error)
    assert np.mean(errors) == pytest.approx(np.std(aucs), rel=0.12)  # an error of 3.5 % in the right-hand side


def test_the_interval_is_normal_on_the_logit_scale():
    label, one, _ = sample(500, 4)
    found = auc_interval(label, one, 0.95)
    middle = math.log(found.value / (1 - found.value))
    reach = 1.959963984540054 * found.standard_error / (found.value * (1 - found.value))
    assert found.low == pytest.approx(1 / (1 + math.exp(reach - middle)), abs=1e-12)
    assert found.high == pytest.approx(1 / (1 + math.exp(-reach - middle)), abs=1e-12)
    assert found.status == "ok"


def test_95_percent_intervals_cover_about_95_percent():
    truth, aucs = 0.77, 0
    for seed in range(500):
        label, one, _ = sample(500, seed + 5000)
        found = auc_interval(label, one)
        aucs += found.low <= truth <= found.high
    assert 0.92 <= aucs / 500 <= 0.98


def test_the_difference_has_the_variance_of_a_difference_and_the_sign_of_the_better_challenger():
    label, one, other = sample(2000, 6)
    found = paired_difference(label, one, other)
    aucs, covariance = all_pairs(label, one, other)
    assert found.difference.value == pytest.approx(aucs[0] - aucs[1], abs=1e-12)
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    assert found.difference.standard_error == pytest.approx(math.sqrt(variance), abs=1e-12)
    assert found.difference.value > 0
    assert (found.challenger, found.champion) == pytest.approx(tuple(aucs), abs=1e-12)
    assert found.auc_correlation == pytest.approx(
        covariance[0, 1] / math.sqrt(covariance[0, 0] * covariance[1, 1]), abs=1e-12
    )
    assert found.difference.high - found.difference.value == pytest.approx(
        1.959963984540054 * found.difference.standard_error, abs=1e-12
    )


@pytest.mark.parametrize("decimals", [1, 17])
def test_the_score_correlation_is_spearmans(decimals):
    label, one, other = sample(300, 7, decimals)
    assert paired_difference(label, one, other).score_correlation == pytest.approx(
        spearmanr(one, other).statistic, abs=1e-12
    )


def test_identical_and_recalibrated_scores_differ_by_nothing():
    label, one, _ = sample(200, 8, decimals=2)
    for other in (one, one**2):
        found = paired_difference(label, one, other)
        assert (found.difference.low, found.difference.value, found.difference.high) == (0, 0, 0)
        assert (found.difference.standard_error, found.difference.status) == (0, "identical-ranking")
        assert found.score_correlation == pytest.approx(1)


@pytest.mark.parametrize(("turned", "auc"), [(False, 1.0), (True, 0.0)])
def test_separated_classes_have_an_interval_that_shrinks_with_the_smaller_class(turned, auc):
    widths = []
    for n in (20, 200):
        label = np.arange(n) % 2
        found = auc_interval(label, 1 - label if turned else label)
        assert (found.value, found.status, found.standard_error) == (auc, "separated", None)
        assert auc in (found.low, found.high)
        widths.append(found.high - found.low)
    # Clopper and Pearson: 10 successes in 10 trials have the lower 97.5 % bound 0.6915
    assert widths == pytest.approx([1 - 0.025 ** (1 / 10), 1 - 0.025 ** (1 / 100)], abs=1e-12)


def test_equal_scores_have_an_auc_of_one_half_and_a_name():
    found = auc_interval([0, 1] * 50, [0.3] * 100)
    assert (found.value, found.status) == (0.5, "constant-scores")
    assert 0.4 < found.low < 0.5 < found.high < 0.6


@pytest.mark.parametrize("score", [[0.1, 0.2, 0.3], [0.2, 0.3, 0.1], [0.5, 0.5, 0.5]])
def test_one_row_in_a_class_is_too_few(score):
    found = auc_interval([0, 0, 1], score)
    assert found.status == "too-few-rows"
    assert found.standard_error is None
    assert found.low <= 0.05
    assert found.high - found.low >= 0.95


def test_a_class_below_ten_rows_is_named_small():
    label = np.array([1] * 9 + [0] * 100)
    score = np.random.default_rng(9).random(109)
    assert auc_interval(label, score).status == "small-class"
    assert paired_difference(label, score, score[::-1].copy()).difference.status == "small-class"


def test_a_perfect_model_against_a_constant_one_is_degenerate_and_certain_of_nothing():
    label = np.arange(40) % 2
    found = paired_difference(label, label, np.full(40, 0.5))
    assert (found.difference.value, found.difference.status) == (0.5, "degenerate")
    assert -1 <= found.difference.low < 0.5 < found.difference.high <= 1
    assert (found.score_correlation, found.auc_correlation) == (None, None)


@given(st.data())
def test_no_sample_however_small_gives_nan_or_an_interval_without_its_value(data):
    n = data.draw(st.integers(2, 7))
    label = data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n).filter(lambda rows: 0 < sum(rows) < n))
    one, other = (data.draw(st.lists(st.sampled_from([0, 0.5, 1]), min_size=n, max_size=n)) for _ in range(2))
    compared = paired_difference(label, one, other)
    for found, (least, most) in ((auc_interval(label, one), (0, 1)), (compared.difference, (-1, 1))):
        assert least <= found.low <= found.value <= found.high <= most
        assert found.standard_error is None or found.standard_error >= 0
        assert found.status in {
            "small-class",
            "too-few-rows",
            "separated",
            "constant-scores",
            "identical-ranking",
            "degenerate",
        }
    assert all(x is None or -1 <= x <= 1 for x in (compared.score_correlation, compared.auc_correlation))


def test_bad_input_is_refused():
    for confidence in (0, 1, 95, float("nan")):
        with pytest.raises(InputError, match="confidence is"):
            auc_interval([0, 1, 0, 1], [0.1, 0.4, 0.3, 0.2], confidence)
        with pytest.raises(InputError, match="confidence is"):
            paired_difference([0, 1], [0.1, 0.4], [0.1, 0.4], confidence)
    with pytest.raises(InputError, match="one class only"):
        auc_interval([1, 1], [0.1, 0.4])
    with pytest.raises(InputError, match="y_score has 3 rows"):
        paired_difference([0, 1], [0.1, 0.4], [0.1, 0.4, 0.5])
