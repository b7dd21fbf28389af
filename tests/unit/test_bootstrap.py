"""The bootstrap against metrics of copied rows, scikit-learn's calibration line, coverage, and degenerate samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from lockgate.config.errors import InputError
from lockgate.metrics import bootstrap
from lockgate.metrics.bootstrap import bca_interval, bootstrap_differences, bootstrap_intervals
from lockgate.metrics.metrics import all_metrics
from lockgate.metrics.recalibration import fit_line, logit
from lockgate.metrics.resampling import STATISTICS, acceleration, influences, merged, statistics_of


def sample(n, seed, decimals=17):
    rng = np.random.default_rng(seed)
    eta = -1.578 + 1.151 * rng.standard_normal(n)
    label = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
    label[:2] = 0, 1
    other = eta + 0.3 * rng.standard_normal(n)
    return label, np.round(1 / (1 + np.exp(-eta)), decimals), np.round(1 / (1 + np.exp(-other)), decimals)


def finite(interval):
    numbers = (interval.value, interval.low, interval.high, interval.standard_error)
    return all(number is None or math.isfinite(number) for number in numbers)


@given(st.integers(5, 80), st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 2, 17]), st.booleans())
@example(n=65, seed=2830, decimals=0, weighted=False)  # a resample in which every score is 0
def test_statistics_of_counts_are_the_metrics_of_the_resample(n, seed, decimals, weighted):
    rng = np.random.default_rng(seed)
    label, score, _ = sample(n, seed, decimals)
    weight = rng.choice([0.25, 1.0, 3.5], n) if weighted else np.ones(n)
    cells, of_row = merged(label == 1, score, weight)  # weights that binary fractions hold: bounds of bins are exact
    assert cells.rows.tolist() == np.bincount(of_row).tolist()
    counts = np.stack([np.bincount(rng.choice(of_row, n), minlength=len(cells.score)) for _ in range(6)])
    found = statistics_of(cells, counts * cells.weight)
    for line, masses in zip(found, counts * cells.weight, strict=True):
        by_name = dict(zip(STATISTICS, line, strict=True))
        if 0 < (masses * cells.label).sum() < masses.sum():
            expected = all_metrics(cells.label, cells.score, masses)
            for name in ("pr_auc", "brier", "tjur_r2", "log_loss", "ks", "ece"):
                assert by_name[name] == pytest.approx(expected[name], abs=1e-12), name
        else:
            assert math.isnan(by_name["pr_auc"])
            assert math.isnan(by_name["ks"])
            assert math.isnan(by_name["tjur_r2"])
        exact = fit_line(logit(cells.score), cells.label, masses)
        if exact is None or cells.line is None:
            assert math.isnan(by_name["calibration_slope"])
        else:
            assert by_name["calibration_slope"] == pytest.approx(exact.slope, rel=1e-5, abs=1e-5)
            assert by_name["calibration_intercept"] == pytest.approx(exact.intercept, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_calibration_line_is_the_logistic_regression_of_scikit_learn(weighted):
    label, score, _ = sample(500, 3)
    score = score**1.3
    weight = np.random.default_rng(4).lognormal(size=500) if weighted else np.ones(500)
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    model.fit(logit(score)[:, None], label, sample_weight=weight)
    line = fit_line(logit(score), label.astype(float), weight)
    assert (line.slope, line.intercept) == pytest.approx((model.coef_[0, 0], model.intercept_[0]), abs=1e-6)


def test_a_calibration_line_with_scores_of_zero_and_one_is_finite():
    label, score, _ = sample(500, 5)
    score[:4] = 0, 1, 1, 0
    line = fit_line(logit(score), label.astype(float), np.ones(500))
    assert 0 < line.slope < 1.5


@pytest.mark.parametrize("score", [[0.1, 0.2, 0.8, 0.9], [0.9, 0.8, 0.2, 0.1], [0.5] * 4, [0.1, 0.5, 0.5, 0.9]])
def test_there_is_no_calibration_line_without_overlap(score):
    assert fit_line(logit(np.array(score)), np.array([0.0, 0.0, 1.0, 1.0]), np.ones(4)) is None


@pytest.mark.parametrize(
    "name", ["pr_auc", "brier", "tjur_r2", "log_loss", "calibration_slope", "calibration_intercept"]
)
def test_the_influence_of_a_row_is_the_slope_of_the_metric_in_its_weight(name):
    rng = np.random.default_rng(14)
    score = np.round(rng.random(60), 1)
    cells, _ = merged(rng.random(60) < 0.2 + score / 2, score, rng.choice([0.5, 1.0, 2.0], 60))

    def metric(masses):
        if name.startswith("calibration"):
            return getattr(fit_line(cells.logit, cells.label, masses), name.removeprefix("calibration_"))
        return all_metrics(cells.label, cells.score, masses)[name]

    step = 1e-5 * np.diag(cells.weight)
    around = [[metric(cells.rows * cells.weight + sign * line) for line in step] for sign in (1, -1)]
    assert influences(cells)[name] == pytest.approx(np.subtract(*around) / 2e-5, abs=1e-8)


def test_a_bca_interval_equals_scipys():
    from scipy.stats import bootstrap as scipy_bootstrap

    loss = np.random.default_rng(15).exponential(size=40)
    theirs = scipy_bootstrap((loss,), np.mean, n_resamples=2000, method="BCa", rng=np.random.default_rng(1))
    skew = acceleration(loss - loss.mean(), np.ones(40, dtype=np.int64))
    ours = bca_interval(loss.mean(), theirs.bootstrap_distribution, skew, None, 0.95, small=False)
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs.confidence_interval), rel=2e-3)


@pytest.mark.parametrize("weighted", [False, True])
def test_equal_seeds_give_equal_bits_for_shuffled_rows_and_any_number_of_threads(weighted, monkeypatch):
    label, one, other = sample(700, 6, decimals=2)
    rng = np.random.default_rng(7)
    order, weight = rng.permutation(700), rng.choice([0.5, 1.0, 2.3], 700)
    weights = (weight, weight[order]) if weighted else (None, None)
    first = bootstrap_intervals(label, one, weights[0], seed=1, resamples=200)
    paired = bootstrap_differences(label, one, other, weights[0], seed=1, resamples=200)
    monkeypatch.setattr(bootstrap, "_THREADS", 4)
    assert repr(bootstrap_intervals(label[order], one[order], weights[1], seed=1, resamples=200)) == repr(first)
    shuffled = bootstrap_differences(label[order], one[order], other[order], weights[1], seed=1, resamples=200)
    assert repr(shuffled) == repr(paired)
    assert bootstrap_intervals(label, one, weights[0], seed=2, resamples=200) != first


def test_values_are_the_metrics_of_the_sample():
    label, one, other = sample(600, 8, decimals=2)
    found, expected = bootstrap_intervals(label, one, seed=1, resamples=100), all_metrics(label, one)
    assert list(found) == list(STATISTICS)
    for name in ("pr_auc", "brier", "tjur_r2", "log_loss", "ks", "ece"):
        assert found[name].value == pytest.approx(expected[name], abs=1e-12)
    paired, against = bootstrap_differences(label, one, other, seed=1, resamples=100), all_metrics(label, other)
    for name in ("pr_auc", "brier"):
        assert paired[name].value == pytest.approx(expected[name] - against[name], abs=1e-12)


def test_the_error_of_a_mean_is_its_formula_and_that_of_a_pair_is_smaller():
    label, one, other = sample(3000, 9)
    loss, gap = (one - label) ** 2, (one - label) ** 2 - (other - label) ** 2
    found = bootstrap_intervals(label, one, seed=1, resamples=1000)["brier"]
    assert found.standard_error == pytest.approx(loss.std() / math.sqrt(3000), rel=0.08)  # its own error is 2.2 %
    paired = bootstrap_differences(label, one, other, seed=1, resamples=1000)["brier"]
    assert paired.standard_error == pytest.approx(gap.std() / math.sqrt(3000), rel=0.08)
    assert paired.standard_error < found.standard_error / 2
    assert paired.value < 0 < found.value


def test_95_percent_intervals_cover_about_95_percent():
    # of a logit-normal calibrated score with 22 % positives and ROC-AUC 0.77, by quadrature
    truth = {"pr_auc": 0.5018, "brier": 0.1418, "log_loss": 0.4420, "calibration_slope": 1, "calibration_intercept": 0}
    covered = dict.fromkeys(truth, 0)
    for seed in range(150):
        label, score, _ = sample(500, 10_000 + seed)
        found = bootstrap_intervals(label, score, seed=seed, resamples=200)
        for name, value in truth.items():
            covered[name] += found[name].low <= value <= found[name].high
    assert min(covered.values()) >= 0.89 * 150  # 95 % less three standard errors
    assert sum(covered.values()) <= 0.985 * 150 * len(truth)


def test_biased_metrics_are_described_and_not_promised():
    label, score, _ = sample(400, 11)
    found = bootstrap_intervals(label, score, seed=1, resamples=200)
    for name in ("ks", "ece"):
        assert found[name].status == "biased"
        assert 0 <= found[name].low < found[name].value < found[name].high <= 1
    assert {found[name].status for name in STATISTICS if name not in ("ks", "ece")} == {"ok"}


def test_a_perfect_score_has_no_variation_and_no_calibration_line():
    label = np.arange(60) % 2
    found = bootstrap_intervals(label, label, seed=1, resamples=200)
    assert (found["pr_auc"].value, found["pr_auc"].status) == (1, "no-variation")
    assert (found["pr_auc"].low, found["pr_auc"].high) == (0, 1)
    assert found["calibration_slope"].status == "no-calibration-line"
    assert found["calibration_slope"].value is None
    assert all(finite(interval) for interval in found.values())


def test_equal_scores_have_intervals_but_no_calibration_line():
    found = bootstrap_intervals([0, 1] * 50, [0.3] * 100, seed=1, resamples=200)
    assert found["pr_auc"].value == 0.5
    assert found["brier"].status == "ok"
    assert found["calibration_slope"].status == "no-calibration-line"


def test_identical_scores_differ_by_nothing():
    label, one, _ = sample(100, 12)
    for interval in bootstrap_differences(label, one, one, seed=1, resamples=100).values():
        assert (interval.value, interval.low, interval.high, interval.status) == (0, 0, 0, "identical-scores")


def test_a_class_that_resamples_miss_is_too_few_rows_and_a_small_one_is_named():
    rng = np.random.default_rng(13)
    score = rng.random(200)
    assert bootstrap_intervals([1, 1] + [0] * 198, score, seed=1, resamples=300)["pr_auc"].status == "too-few-rows"
    assert bootstrap_intervals([1] * 9 + [0] * 191, score, seed=1, resamples=300)["pr_auc"].status == "small-class"


@given(st.data())
def test_no_sample_however_small_gives_nan(data):
    n = data.draw(st.integers(2, 7))
    label = data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n).filter(lambda rows: 0 < sum(rows) < n))
    one, other = (data.draw(st.lists(st.sampled_from([0, 0.3, 1]), min_size=n, max_size=n)) for _ in range(2))
    found = bootstrap_intervals(label, one, seed=0, resamples=100)
    paired = bootstrap_differences(label, one, other, seed=0, resamples=100)
    for interval in (*found.values(), *paired.values()):
        assert finite(interval)
        assert interval.status != "ok"


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"seed": -1}, "seed is -1"),
        ({"seed": 1, "resamples": 99}, "resamples is 99"),
        ({"seed": 1, "confidence": 1.0}, "confidence is 1.0"),
        ({"seed": 1, "confidence": float("nan")}, "confidence is nan"),
    ],
)
def test_a_plan_that_is_none_is_refused(plan, message):
    with pytest.raises(InputError, match=message):
        bootstrap_intervals([0, 1], [0.2, 0.6], **plan)
    with pytest.raises(InputError, match=message):
        bootstrap_differences([0, 1], [0.2, 0.6], [0.3, 0.6], **plan)


@pytest.mark.parametrize("score", [[0.2, float("nan")], [0.2, 1.2], [0.2], [0.2, 0.3, 0.4]])
def test_bad_input_is_refused(score):
    with pytest.raises(InputError, match="y_score"):
        bootstrap_intervals([0, 1], score, seed=1)
    with pytest.raises(InputError, match="y_score"):
        bootstrap_differences([0, 1], [0.2, 0.6], score, seed=1)
