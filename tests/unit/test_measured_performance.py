"""ROC-AUC, PR-AUC and Brier of labelled rows, and the variance of each: against other code and against draws."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lockgate.documents.drift_json import MetricInterval
from lockgate.drift.measured_performance import actual_performance
from lockgate.metrics.metrics import brier, roc_auc


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
