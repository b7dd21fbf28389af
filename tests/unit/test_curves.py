"""Points of curves: their areas, their shape after thinning, Wilson's interval, and the bits of shuffled rows."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import binomtest

from lockgate.config.errors import InputError
from lockgate.metrics import curves
from lockgate.metrics.metrics import expected_calibration_error, roc_auc

ALL = [curves.roc_points, curves.precision_recall_points, curves.calibration_points, curves.score_distribution]


def sample(n, decimals=17, seed=0):
    rng = np.random.default_rng(seed)
    score = np.round(1 / (1 + np.exp(1.58 - 1.15 * rng.standard_normal(n))), decimals)
    label = (rng.random(n) < score).astype(int)
    label[:2] = 0, 1
    return label, score, rng.lognormal(size=n)


def full_curves(label, score):
    order = np.argsort(-score, kind="stable")
    found, wrong = np.cumsum(label[order]), np.cumsum(1 - label[order])
    return wrong / wrong[-1], found / found[-1], found / (found + wrong)


@pytest.mark.parametrize("function", ALL)
@pytest.mark.parametrize("weighted", [False, True])
def test_points_are_the_same_bits_for_shuffled_rows_and_fit_in_json(function, weighted):
    label, score, weight = sample(3000, decimals=3)
    order = np.random.default_rng(9).permutation(len(label))
    weights = (weight, weight[order]) if weighted else (None, None)
    points = json.dumps(function(label, score, weights[0]), allow_nan=False)
    assert points == json.dumps(function(label[order], score[order], weights[1]), allow_nan=False)


@pytest.mark.parametrize("n", [3000, 100_000])
def test_a_thinned_roc_curve_keeps_its_shape_its_ends_and_its_area(n):
    label, score, _ = sample(n)
    points = curves.roc_points(label, score)
    fpr, tpr = np.array(points["fpr"]), np.array(points["tpr"])
    assert len(fpr) <= 200
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    full_fpr, full_tpr, _ = full_curves(label, score)
    along, across = full_fpr + full_tpr, full_tpr - full_fpr  # turned by 45 degrees, no stretch of it is vertical
    assert np.abs(np.interp(along, fpr + tpr, tpr - fpr) - across).max() < 0.01
    assert np.trapezoid(tpr, fpr) == pytest.approx(roc_auc(label, score), abs=5e-4)


def test_a_roc_curve_of_few_scores_is_exact():
    label, score, weight = sample(2000, decimals=1)
    points = curves.roc_points(label, score, weight)
    assert np.trapezoid(points["tpr"], points["fpr"]) == pytest.approx(roc_auc(label, score, weight), abs=1e-12)


def test_a_thinned_precision_recall_curve_keeps_its_shape_and_starts_at_the_highest_score():
    label, score, _ = sample(100_000)
    points = curves.precision_recall_points(label, score)
    recall, precision = np.array(points["recall"]), np.array(points["precision"])
    assert len(recall) <= 200
    assert (recall[0], recall[-1]) == (0, 1)
    assert precision[0] == label[score.argmax()]
    _, full_recall, full_precision = full_curves(label, score)
    later = full_recall > 0.01  # before, precision jumps with every row
    assert np.abs(np.interp(full_recall, recall, precision) - full_precision)[later].max() < 0.01


def test_calibration_points_reproduce_the_calibration_error_and_wilsons_interval():
    label, score, _ = sample(1003, decimals=2)
    points = {name: np.array(column) for name, column in curves.calibration_points(label, score).items()}
    gap = np.abs(points["mean_score"] - points["observed"])
    assert (gap * points["count"]).sum() / 1003 == pytest.approx(expected_calibration_error(label, score), abs=1e-12)
    for i, count in enumerate(points["count"]):
        interval = binomtest(round(points["observed"][i] * count), int(count)).proportion_ci(0.95, method="wilson")
        assert (points["low"][i], points["high"][i]) == pytest.approx((interval.low, interval.high), abs=1e-9)


def test_equal_weights_change_no_interval_and_uneven_ones_widen_it():
    label, score, weight = sample(1000)
    plain = curves.calibration_points(label, score)
    assert curves.calibration_points(label, score, np.full(1000, 0.25)) == plain
    uneven = curves.calibration_points(label, score, weight)
    assert sum(uneven["count"]) == 1000
    assert np.subtract(uneven["high"], uneven["low"]).mean() > np.subtract(plain["high"], plain["low"]).mean()


def test_a_bin_without_rows_is_left_out():
    points = curves.calibration_points([0, 1, 1, 0], [0.2, 0.2, 0.2, 0.7])
    assert points["count"] == [3, 1]
    assert points["mean_score"] == pytest.approx([0.2, 0.7])


def test_score_shares_are_those_of_numpys_histogram_and_sum_to_one():
    label, score, weight = sample(2000)
    points = curves.score_distribution(label, score, weight, bins=25)
    for name, side in (("negative", label == 0), ("positive", label == 1)):
        counts, edges = np.histogram(score[side], bins=25, range=(0, 1), weights=weight[side])
        assert points[name] == pytest.approx((counts / counts.sum()).tolist(), abs=1e-12)
        assert sum(points[name]) == pytest.approx(1)
    assert [*points["low"], points["high"][-1]] == pytest.approx(edges.tolist())


def test_a_score_on_a_bound_is_in_the_upper_bin_and_one_in_the_last():
    points = curves.score_distribution([0, 1, 1], [0.15, 1.0, 0.0])
    assert points["negative"][3] == 1
    assert points["positive"][0] == points["positive"][19] == 0.5


def test_thinning_keeps_corners_and_drops_points_on_straight_lines():
    x = np.linspace(0, 1, 1001)
    assert curves.thinned(x, np.where(x < 0.3, 0, x - 0.3), 200).tolist() == [0, 300, 1000]
    assert len(curves.thinned(x, np.sin(20 * x), 37)) == 37


@pytest.mark.parametrize("function", ALL)
def test_bad_input_is_refused(function):
    with pytest.raises(InputError, match="one class only"):
        function([1, 1], [0.2, 0.3])


@pytest.mark.parametrize("confidence", [0, 1, -1, float("nan")])
def test_a_confidence_that_is_none_is_refused(confidence):
    with pytest.raises(InputError, match="confidence is"):
        curves.calibration_points([0, 1], [0.2, 0.3], confidence=confidence)
