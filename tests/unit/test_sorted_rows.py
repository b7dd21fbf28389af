"""Metrics of sorted scores a block at a time: the formulas over all rows at once, whatever a block holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.config.errors import InputError
from lockgate.documents.profile_json import Calibration
from lockgate.drift.calibration import expit, fit_calibration
from lockgate.drift.estimated_performance import expected_metrics
from lockgate.drift.measured_performance import performance_of
from lockgate.drift.performance import measured_drift
from lockgate.metrics import sorted_rows as module
from lockgate.metrics.delong import auc_variance, placements
from lockgate.metrics.linearised import average_precision_variance
from lockgate.metrics.recalibration import fit_line, logit
from lockgate.metrics.resampling import average_precision_influence, merged
from lockgate.metrics.sorted_rows import sorted_rows
from tests.unit.test_performance import FLOORS, RULE

KNOWN = Calibration(3_000, 0.2, 0.8, (0.004, -0.002, 0.003))
SCORES = st.lists(st.sampled_from([0.0, -0.0, 1.0, 0.05, 0.1, 0.3, 0.3001, 0.7]) | st.floats(0.0, 1.0), max_size=40)


@pytest.fixture(params=[1, 3, 7])
def small_blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(module, "BLOCK", request.param)
    return int(request.param)


def sample(n: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    score = np.round(random.beta(1.5, 5.0, n), 2)
    return (random.random(n) < score).astype(float), score


def of_all_rows_at_once(score: np.ndarray, calibration: Calibration | None) -> dict[str, tuple[float, float]]:
    """Value and variance of each metric that is defined, every row on its own."""
    p = score if calibration is None else expit(calibration.intercept + calibration.slope * logit(score))
    beats = (score[:, None] > score) + 0.5 * (score[:, None] == score)
    np.fill_diagonal(beats, 0.0)
    pairs = p.sum() * (1 - p).sum() - (p * (1 - p)).sum()
    at_least = score[:, None] <= score
    selected, found = at_least.sum(axis=1), (at_least * p).sum(axis=1)
    metrics = {}
    if len(score) > 1 and pairs > 0:
        won, lost = beats @ (1 - p), beats.T @ p
        value = (p * won).sum() / pairs
        of_positive, of_negative = (1 - p).sum() - (1 - p), p.sum() - p
        metrics["roc_auc"] = value, (won - lost - value * (of_positive - of_negative)) / pairs
    if p.sum() > 0:
        value = (p * (1 - p + found) / selected).sum() / p.sum()
        metrics["pr_auc"] = value, (found / selected + (at_least.T * (p / selected)).sum(axis=1) - value) / p.sum()
    if len(score):
        metrics["brier"] = np.mean(p * (1 - score) ** 2 + (1 - p) * score**2), (1 - 2 * score) / len(score)
    variances = {}
    for name, (value, slope) in metrics.items():
        variance = (p * (1 - p) * slope**2).sum()
        if calibration is not None:
            first, both, second = calibration.covariance
            shift, tilt = (p * (1 - p) * slope).sum(), (p * (1 - p) * logit(score) * slope).sum()
            variance += shift**2 * first + 2 * shift * tilt * both + tilt**2 * second
        variances[name] = (float(value), float(variance))
    return variances


@given(SCORES, st.sampled_from([None, KNOWN]), st.sampled_from([1, 2, 5, 100]), st.sampled_from(["f4", "f8"]))
def test_what_scores_let_expect_is_the_sum_over_all_rows(
    values: list[float], calibration: Calibration | None, block: int, dtype: str
) -> None:
    score = np.array(values, dtype=dtype)
    expected = of_all_rows_at_once(score.astype(np.float64), calibration)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", block)
        found = expected_metrics(score, calibration)
    assert found.n == len(score)
    for name in ("roc_auc", "pr_auc", "brier"):
        one = getattr(found, name)
        assert (one is None) == (name not in expected), name
        if one is not None:
            assert (one.value, one.variance) == pytest.approx(expected[name], rel=1e-10, abs=1e-14), name


@pytest.mark.parametrize("positives_in_ten", [0, 5, 9])
def test_measured_metrics_are_delongs_and_the_jackknifes_of_all_rows(small_blocks: int, positives_in_ten: int) -> None:
    label, score = sample(300, small_blocks)
    label[np.arange(300) % 10 < positives_in_ten] = 1.0
    rows = sorted_rows(label, score)
    positives, negatives, _ = placements(label, (score,), None)
    covariance = positives.covariance() + negatives.covariance()
    assert auc_variance(rows) == pytest.approx((positives.means()[0], covariance[0, 0]), rel=1e-12)
    cells, _ = merged(label == 1, score, np.ones(300))
    influence = average_precision_influence(cells, cells.rows * cells.weight)
    assert average_precision_variance(rows)[1] == pytest.approx(
        (cells.rows * influence**2).sum() * 300 / 299, rel=1e-12
    )


def judged_numbers(label: np.ndarray, score: np.ndarray) -> list[float]:
    """All that is measured, judged and calibrated."""
    judged = measured_drift(label, score, KNOWN, performance_of(label, score), FLOORS, RULE)
    calibration, line = fit_calibration(label, score), fit_line(logit(score), label)
    assert judged is not None
    assert calibration is not None
    assert line is not None
    assert [one.metric for one in judged.metrics][3:] == ["calibration_intercept", "calibration_slope"]
    of_metrics = [(one.value, one.low, one.high, one.p_value, one.expected) for one in judged.metrics]
    found = [number for numbers in of_metrics for number in numbers if number is not None]
    return [*found, calibration.intercept, calibration.slope, *calibration.covariance, line.intercept, line.slope]


def test_what_is_judged_does_not_depend_on_the_blocks(small_blocks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    label, score = sample(400)
    in_blocks = judged_numbers(label, score)
    monkeypatch.setattr(module, "BLOCK", 10_000)
    assert in_blocks == pytest.approx(judged_numbers(label, score), rel=1e-9, abs=1e-12)


def test_narrow_numbers_and_shuffled_rows_give_the_same_bits(small_blocks: int) -> None:
    label, score = sample(300)
    label[::7], score = np.nan, score.astype(np.float32).astype(np.float64)
    shuffled = np.random.default_rng(2).permutation(300)
    reference = performance_of(label, score)
    wide = measured_drift(label, score, KNOWN, reference, FLOORS, RULE)
    labels, scores = label[shuffled].astype(np.float16), score[shuffled].astype(np.float32)
    assert measured_drift(labels, scores, KNOWN, reference, FLOORS, RULE) == wide
    rows = sorted_rows(labels, scores)
    assert (rows.score.dtype, rows.rows) == (np.float32, int((~np.isnan(label)).sum()))


@pytest.mark.parametrize(
    ("labels", "scores", "words"),
    [([0.0, 2.0], [0.1, 0.2], "y_true holds 1 value other than 0 and 1"), ([0.0, 1.0], [0.1, 1.5], "outside 0..1")],
)
def test_labels_of_a_third_class_and_scores_that_are_no_probabilities_are_refused(
    labels: list[float], scores: list[float], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        performance_of(labels, scores)
