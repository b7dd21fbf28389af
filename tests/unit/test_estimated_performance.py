"""ROC-AUC, PR-AUC and Brier without labels: the formula against all pairs, its interval against draws, and thin data."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.config.errors import InputError
from lockgate.documents.document import read_value, value_to_bytes
from lockgate.documents.drift_json import EstimatedPerformance, MetricInterval
from lockgate.documents.profile_json import Calibration
from lockgate.drift.calibration import expit, fit_calibration
from lockgate.drift.estimated_performance import estimated_performance, expected_metrics
from lockgate.drift.measured_performance import metric_interval
from lockgate.metrics.metrics import average_precision, brier, roc_auc
from lockgate.metrics.recalibration import logit

TRUE = Calibration(3_000, 0.2, 0.8, (0.0, 0.0, 0.0))


def chances(scores: np.ndarray, calibration: Calibration) -> np.ndarray:
    return expit(calibration.intercept + calibration.slope * logit(scores))


def covered(found: MetricInterval, value: float) -> bool:
    return found.low <= value <= found.high


@given(st.lists(st.sampled_from([0.05, 0.1, 0.3, 0.3001, 0.7]), min_size=2, max_size=40), st.sampled_from([None, TRUE]))
def test_it_is_the_mean_over_all_pairs_of_different_rows(values: list[float], calibration: Calibration | None) -> None:
    score = np.array(values)
    p = score if calibration is None else chances(score, calibration)
    beats = (score[:, None] > score) + 0.5 * (score[:, None] == score)
    weight = p[:, None] * (1.0 - p)
    np.fill_diagonal(weight, 0.0)
    found = estimated_performance(score, calibration)
    assert found.roc_auc.value == pytest.approx((weight * beats).sum() / weight.sum(), abs=1e-12)
    assert found.brier.value == pytest.approx(np.mean(p * (1 - score) ** 2 + (1 - p) * score**2), abs=1e-12)
    assert found.expected_positives == pytest.approx(p.sum())
    selected = (score[:, None] <= score).sum(axis=1)
    others = ((score[:, None] <= score) * p).sum(axis=1) - p
    expected = expected_metrics(score, calibration)
    assert expected.pr_auc.value == pytest.approx((p * (1 + others) / selected).sum() / p.sum(), abs=1e-12)


def test_the_interval_is_that_of_the_metrics_that_labels_give() -> None:
    """Labels drawn as the calibration says: the intervals of the estimate hold 95 % of what they show."""
    random = np.random.default_rng(5)
    score = random.beta(1.5, 5.0, 1_500)
    p = chances(score, TRUE)
    found = expected_metrics(score, TRUE)
    labels = random.random((1_000, len(score))) < p
    for name, function in (("roc_auc", roc_auc), ("pr_auc", average_precision), ("brier", brier)):
        shown = [function(one, score) for one in labels]
        one = getattr(found, name)
        assert np.mean(shown) == pytest.approx(one.value, abs=4 * np.std(shown) / math.sqrt(1_000)), name
        assert 0.93 <= np.mean([covered(metric_interval(name, one), value) for value in shown]) <= 0.97, name


def test_what_a_calibration_from_few_rows_leaves_open_is_in_the_interval() -> None:
    """Scores that are too extreme, calibrated on 1,500 held-out rows, against labels of another 4,000."""
    random = np.random.default_rng(6)
    hits = {"roc_auc": 0, "brier": 0}
    for _ in range(200):
        held_out, score = random.beta(0.8, 2.6, 1_500), random.beta(0.8, 2.6, 4_000)
        calibration = fit_calibration(random.random(1_500) < chances(held_out, TRUE), held_out)
        found = estimated_performance(score, calibration)
        label = random.random(4_000) < chances(score, TRUE)
        hits["roc_auc"] += covered(found.roc_auc, roc_auc(label, score))
        hits["brier"] += covered(found.brier, brier(label, score))
    assert 182 <= hits["roc_auc"] <= 198  # 95 % of 200, give or take two and a half standard deviations
    assert 182 <= hits["brier"] <= 198


def test_the_calibration_is_the_logistic_regression_with_its_covariance() -> None:
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(7)
    score = random.beta(2.0, 5.0, 2_000)
    label = random.random(2_000) < chances(score, TRUE)
    found = fit_calibration(label, score)
    assert found is not None
    expected = LogisticRegression(C=np.inf, tol=1e-10).fit(logit(score)[:, None], label)
    assert (found.intercept, found.slope) == pytest.approx((expected.intercept_[0], expected.coef_[0, 0]), abs=1e-5)
    design = np.column_stack([np.ones(2_000), logit(score)])
    p = chances(score, found)
    inverse = np.linalg.inv((design * (p * (1 - p))[:, None]).T @ design)
    assert found.covariance == pytest.approx((inverse[0, 0], inverse[0, 1], inverse[1, 1]))
    shuffled = random.permutation(2_000)
    assert fit_calibration(label[shuffled], score[shuffled]) == found


@pytest.mark.parametrize("label", [[0, 0, 0, 0], [0, 0, 1, 1]])
def test_one_class_or_classes_apart_cannot_be_calibrated(label: list[int]) -> None:
    assert fit_calibration(label, [0.1, 0.2, 0.3, 0.4]) is None


def test_row_order_does_not_matter_and_the_documents_are_json() -> None:
    random = np.random.default_rng(8)
    score = np.round(random.beta(2.0, 5.0, 3_000), 3)
    shuffled = random.permutation(3_000)
    found = estimated_performance(score, TRUE)
    assert found == estimated_performance(score[shuffled], TRUE)
    assert read_value(value_to_bytes(found), EstimatedPerformance, "drift.json", "") == found


@pytest.mark.parametrize("score", [[], [0.3], [0.3, 0.3], [0.0, 1.0], [0.0] * 5, [1.0] * 5, [0.2, 0.9]])
@pytest.mark.parametrize("calibration", [None, TRUE])
def test_thin_data_has_a_name_and_no_nan(score: list[float], calibration: Calibration | None) -> None:
    found = estimated_performance(score, calibration)
    assert found.evidence == "small-class"
    assert (found.roc_auc.value is None) >= (len(score) < 2)
    assert (found.brier.value is None) == (len(score) == 0)
    for one in (found.roc_auc, found.brier):
        if one.value is not None:
            assert 0.0 <= one.low <= one.value <= one.high <= 1.0
    assert read_value(value_to_bytes(found), EstimatedPerformance, "drift.json", "") == found


def test_scores_that_are_all_equal_rank_nothing() -> None:
    found = estimated_performance([0.2] * 500, None).roc_auc
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))


@pytest.mark.parametrize("score", [math.nan, math.inf, -0.1, 1.1])
def test_a_score_that_is_no_probability_is_refused(score: float) -> None:
    with pytest.raises(InputError, match="1 scores of the current batch are no probabilities"):
        estimated_performance([0.5, score], None)
