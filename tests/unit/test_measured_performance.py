"""ROC-AUC, PR-AUC and Brier of labelled rows, and the variance of each: against other code and against draws."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lockgate.documents.drift_json import MetricInterval
from lockgate.drift.measured_performance import actual_performance, metric_interval, performance_of
from lockgate.metrics.metrics import average_precision, brier, roc_auc


def test_the_measured_metrics_are_those_of_the_known_rows() -> None:
    random = np.random.default_rng(9)
    score = random.beta(2.0, 5.0, 2_000)
    label = (random.random(2_000) < score).astype(float)
    known = random.random(2_000) < 0.6
    found = actual_performance(np.where(known, label, np.nan), score)
    assert found is not None
    assert (found.n, found.positives) == (int(known.sum()), int(label[known].sum()))
    assert found.roc_auc.value == pytest.approx(roc_auc(label[known], score[known]), abs=1e-12)
    assert found.brier.value == pytest.approx(brier(label[known], score[known]), abs=1e-12)
    loss = (label[known] - score[known]) ** 2
    assert found.brier.high - found.brier.value == pytest.approx(
        1.959964 * loss.std(ddof=1) / math.sqrt(len(loss)), rel=1e-6
    )


def test_labels_of_one_class_one_row_or_none() -> None:
    assert actual_performance([math.nan, math.nan], [0.1, 0.2]) is None
    assert actual_performance([], []) is None
    one_class = actual_performance([0, 0, 0], [0.1, 0.2, 0.3])
    assert one_class is not None
    assert one_class.roc_auc == MetricInterval(None, None, None)
    assert one_class.evidence == "small-class"
    one_row = actual_performance([1], [0.1])
    assert one_row is not None
    assert (one_row.brier.value, one_row.brier.low, one_row.brier.high) == (pytest.approx(0.81), 0.0, 1.0)


def test_performance_has_the_values_and_the_variances_of_resamples_of_the_rows() -> None:
    random = np.random.default_rng(10)
    score = np.round(random.beta(1.5, 5.0, 1_200), 3)
    label = (random.random(1_200) < score).astype(float)
    found = performance_of(np.append(label, math.nan), np.append(score, 0.5))
    assert found is not None
    assert (found.n, found.positives) == (1_200, int(label.sum()))
    draws = random.integers(1_200, size=(800, 1_200))
    for name, function in (("roc_auc", roc_auc), ("pr_auc", average_precision), ("brier", brier)):
        one = getattr(found, name)
        assert one.value == pytest.approx(function(label, score), abs=1e-11)
        shown = [function(label[rows], score[rows]) for rows in draws]
        assert math.sqrt(one.variance) == pytest.approx(np.std(shown), rel=0.1), name
    shuffled = random.permutation(1_200)
    assert performance_of(label[shuffled], score[shuffled]) == found


@pytest.mark.parametrize("label", [[], [math.nan], [0.0, 0.0], [1.0], [1.0, math.nan]])
def test_a_class_that_is_not_there_leaves_no_performance(label: list[float]) -> None:
    assert performance_of(label, [0.5] * len(label)) is None


def test_a_ranking_without_a_mistake_has_an_interval_by_the_smaller_class() -> None:
    found = performance_of([0.0] * 80 + [1.0] * 20, np.linspace(0.1, 0.9, 100))
    assert found is not None
    assert (found.roc_auc.value, found.roc_auc.variance) == (1.0, 0.0)
    bound = 0.025 ** (1 / 20)  # of twenty pairs none is ranked wrongly
    assert metric_interval("roc_auc", found.roc_auc, smaller_class=20) == MetricInterval(1.0, pytest.approx(bound), 1.0)
    assert metric_interval("roc_auc", found.roc_auc) == MetricInterval(1.0, 0.0, 1.0)
    assert metric_interval("roc_auc", None) == MetricInterval(None, None, None)


def test_one_row_of_a_class_leaves_nearly_everything_open() -> None:
    found = performance_of([0.0, 0.0, 1.0], [0.1, 0.6, 0.5])
    assert found is not None
    assert (found.roc_auc.value, found.roc_auc.variance) == (0.5, 0.25)
    interval = metric_interval("roc_auc", found.roc_auc)
    assert (interval.low, interval.high) == (pytest.approx(0.02, abs=0.01), pytest.approx(0.98, abs=0.01))
