"""The model's performance judged: each rule fires and holds still, tests and intervals against independent code, thin data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from scipy import stats

from lockgate.config.params import Drift, Evaluate
from lockgate.documents.document import read_value, value_to_bytes
from lockgate.documents.drift_json import EstimatedPerformance, MetricDrift, PerformanceDrift
from lockgate.documents.profile_json import MetricEstimate
from lockgate.drift.calibration import expit, fit_calibration
from lockgate.drift.estimated_performance import estimated_performance, expected_metrics
from lockgate.drift.family_error import performance_error
from lockgate.drift.measured_performance import performance_of
from lockgate.drift.performance import (
    confronted_estimate,
    gate_thresholds,
    judged_estimate,
    measured_drift,
    thresholds_met,
)
from lockgate.drift.profile import drift_rule
from lockgate.metrics.metrics import roc_auc

RULE = drift_rule(Drift())
ERROR = performance_error(RULE.family_error)
FLOORS = {"roc_auc": 0.70}
MEAN, SPREAD = -1.6, 1.2  # logits of the scores: ROC-AUC 0.78, 22 % events
METRIC_NAMES = ["roc_auc", "pr_auc", "brier", "calibration_intercept", "calibration_slope"]


def rows(
    n: int, seed: int, *, mean: float = MEAN, spread: float = SPREAD, intercept: float = 0.0, slope: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and scores whose logits are normal; the labels' logits are a line of these."""
    random = np.random.default_rng(seed)
    logits = mean + spread * random.standard_normal(n)
    return (random.random(n) < expit(intercept + slope * logits)).astype(float), expit(logits)


HELD_OUT = rows(3_000, 1)
CALIBRATION = fit_calibration(*HELD_OUT)
REGISTERED = performance_of(*HELD_OUT)


def judged(labels: np.ndarray, scores: np.ndarray, **changes: Any) -> PerformanceDrift:
    settings = {"calibration": CALIBRATION, "registered": REGISTERED, "thresholds": FLOORS, "rule": RULE, **changes}
    found = measured_drift(labels, scores, **settings)
    assert found is not None
    return found


def metric(found: PerformanceDrift, name: Any) -> MetricDrift:
    one = found.metric(name)
    assert one is not None
    return one


def with_noise(labels: np.ndarray, share: float) -> np.ndarray:
    """The labels, of which a share is drawn anew whatever the row is."""
    random = np.random.default_rng(4)
    return np.where(random.random(len(labels)) < share, random.permutation(labels), labels)


def test_a_batch_like_the_held_out_rows_is_stable_and_says_what_it_is_held_against() -> None:
    labels, scores = rows(5_000, 2)
    found = judged(labels, scores)
    assert [one.metric for one in found.metrics] == METRIC_NAMES
    assert {found.status, *(one.status for one in found.metrics)} == {"stable"}
    assert {one.rule for one in found.metrics} == {None}
    ranking = metric(found, "roc_auc")
    assert ranking.reference == REGISTERED.roc_auc.value
    assert ranking.value == pytest.approx(roc_auc(labels, scores))
    assert (found.n, found.positives, ranking.threshold) == (5_000, labels.sum(), 0.70)
    assert found.reason == ranking.reason
    assert found.reason.endswith(f"it was {ranking.reference:.3f} at registration: no change for the worse that counts")


@pytest.mark.parametrize(
    ("share", "status", "rule", "words"),
    [
        (0.9, "alert", "both", "The model no longer ranks: ROC-AUC 0.5"),
        (0.35, "alert", "both", "The model no longer ranks: ROC-AUC 0.6"),
        (0.2, "warn", "change", "The model ranks worse than it did: ROC-AUC 0.7"),
    ],
)
def test_a_fall_of_the_ranking_warns_and_beyond_the_threshold_alerts(
    share: float, status: str, rule: str, words: str
) -> None:
    labels, scores = rows(5_000, 2)
    found = judged(with_noise(labels, share), scores)
    ranking = metric(found, "roc_auc")
    assert (found.status, ranking.status, ranking.rule) == (status, status, rule)
    assert found.reason == ranking.reason
    assert found.reason.startswith(words)
    assert "on 5,000 known outcomes, the gate asks for at least 0.70, and it was 0.7" in found.reason


def test_a_value_beyond_the_threshold_for_certain_alerts_without_anything_to_compare_with() -> None:
    labels, scores = rows(5_000, 2)
    dead = judged(with_noise(labels, 0.9), scores, registered=None, calibration=None)
    assert (dead.status, metric(dead, "roc_auc").rule) == ("alert", "threshold")
    assert [one.metric for one in dead.metrics] == METRIC_NAMES[:3]
    near = judged(with_noise(labels, 0.9), scores, registered=None, calibration=None, thresholds={"roc_auc": 0.54})
    assert metric(near, "roc_auc").value < 0.54
    assert near.status == "stable"
    none = judged(with_noise(labels, 0.9), scores, registered=None, calibration=None, thresholds={})
    assert none.status == "stable"


def test_a_fall_that_the_scores_let_expect_is_no_news_of_the_model() -> None:
    """Rows that differ less from each other are harder to rank, however right their probabilities are."""
    alike = rows(5_000, 3, spread=0.5)
    found = judged(*alike, thresholds={})
    ranking = metric(found, "roc_auc")
    assert ranking.p_value < ERROR
    assert ranking.expected == pytest.approx(ranking.value, abs=0.02)
    assert found.status == "stable"
    below = judged(*alike)
    assert (below.status, metric(below, "roc_auc").rule) == ("warn", "threshold")
    assert below.reason.startswith("The rows are harder than those that the gate saw, and their scores let expect it")
    worse = judged(with_noise(alike[0], 0.5), alike[1])
    assert worse.status == "alert"


def test_probabilities_that_are_wrong_are_seen_although_the_ranking_is_as_it_was() -> None:
    found = judged(*rows(5_000, 2, intercept=0.8), thresholds={"brier": 0.15})
    assert metric(found, "roc_auc").status == "stable"
    for name, status, rule in (
        ("brier", "alert", "both"),
        ("calibration_intercept", "warn", "change"),
        ("calibration_slope", "stable", None),
    ):
        assert (metric(found, name).status, metric(found, name).rule) == (status, rule), name
    assert metric(found, "calibration_intercept").value == pytest.approx(0.8, abs=0.2)
    assert found.reason.startswith("The probabilities are no longer right: Brier score 0.")
    assert metric(found, "calibration_intercept").reason.startswith("At equal scores the odds of an event are 2.")
    near = judged(*rows(5_000, 2, intercept=0.8), thresholds={"brier": 0.195})
    assert metric(near, "brier").low < 0.195 < metric(near, "brier").value
    assert (metric(near, "brier").status, metric(near, "brier").rule) == ("warn", "both")
    flat = judged(*rows(5_000, 2, intercept=-0.75, slope=0.5), thresholds={})
    assert metric(flat, "calibration_slope").value == pytest.approx(0.5, abs=0.1)
    assert metric(flat, "calibration_slope").reason.startswith("The probabilities are more extreme")
    steep = judged(*rows(5_000, 2, intercept=0.8, slope=1.5), thresholds={})
    assert metric(steep, "calibration_slope").reason.startswith("The probabilities are more cautious")


def test_a_fall_too_small_to_matter_is_stable_however_many_labels_show_it() -> None:
    labels, scores = rows(200_000, 5)
    reference = rows(200_000, 6)
    changes: dict[str, Any] = {"calibration": fit_calibration(*reference), "registered": performance_of(*reference)}
    found = judged(with_noise(labels, 0.045), scores, thresholds={}, **changes)
    ranking = metric(found, "roc_auc")
    assert -0.01 < ranking.change < -0.006
    assert ranking.p_value < ERROR
    assert ranking.status == "stable"
    assert metric(judged(with_noise(labels, 0.08), scores, thresholds={}, **changes), "roc_auc").status == "warn"


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([0.0] * 300, "all 300 known outcomes are of one class (no event)"),
        ([1.0] * 300, "all 300 known outcomes are of one class (events only)"),
        ([0.0, 1.0] * 99 + [math.nan] * 300, "only 198 known outcomes, at least 200 are needed (drift.min_rows)"),
        (
            [1.0] * 9 + [0.0] * 300,
            "only 9 events and 300 others among the known outcomes, at least 10 of each are needed",
        ),
        ([1.0], "all 1 known outcomes are of one class (events only)"),
        ([1.0, 0.0], "only 2 known outcomes, at least 200 are needed (drift.min_rows)"),
    ],
)
def test_too_few_labels_of_a_class_are_named_and_not_judged(labels: list[float], reason: str) -> None:
    scores = np.linspace(0.9, 0.01, len(labels))[::-1]
    found = judged(np.array(labels), scores)
    assert (found.status, found.reason) == ("insufficient-data", reason)
    assert {(one.status, one.rule) for one in found.metrics} <= {("insufficient-data", "rows")}
    assert found.n == np.count_nonzero(~np.isnan(labels))
    assert read_value(value_to_bytes(found), PerformanceDrift, "drift.json", "") == found


def test_no_known_label_is_no_performance() -> None:
    assert measured_drift([math.nan], [0.2], CALIBRATION, REGISTERED, FLOORS, RULE) is None


def test_the_order_of_the_rows_and_rows_without_a_label_do_not_matter() -> None:
    labels, scores = rows(2_000, 7)
    found = judged(labels, scores)
    order = np.random.default_rng(0).permutation(2_500)
    longer = np.append(labels, [math.nan] * 500)[order], np.append(scores, [0.9] * 500)[order]
    assert judged(*longer) == found
    assert read_value(value_to_bytes(found), PerformanceDrift, "drift.json", "") == found


def test_the_change_has_the_interval_and_the_p_value_of_a_bootstrap_of_both_samples() -> None:
    labels, scores = rows(1_500, 8)
    labels = with_noise(labels, 0.15)
    found = metric(judged(labels, scores), "roc_auc")
    random = np.random.default_rng(9)

    def resampled(label: np.ndarray, score: np.ndarray) -> np.ndarray:
        draws = random.integers(len(label), size=(600, len(label)))
        return np.array([roc_auc(label[one], score[one]) for one in draws])

    changes = resampled(labels, scores) - resampled(*HELD_OUT)
    assert found.change_high - found.change == pytest.approx(1.96 * changes.std(), rel=0.1)
    assert found.change - found.change_low == pytest.approx(found.change_high - found.change)
    deviation = (found.change_high - found.change_low) / 2 / stats.norm.ppf(0.975)
    assert found.p_value == pytest.approx(stats.norm.cdf(found.change / deviation))


def test_intercept_and_slope_are_those_of_the_logistic_regression_on_the_held_out_calibration() -> None:
    from sklearn.linear_model import LogisticRegression

    labels, scores = rows(3_000, 10, intercept=0.3, slope=1.2)
    found = judged(labels, scores)
    promised = CALIBRATION.intercept + CALIBRATION.slope * np.log(scores / (1 - scores))
    line = LogisticRegression(C=np.inf, tol=1e-10).fit(promised[:, None], labels)
    assert metric(found, "calibration_slope").value == pytest.approx(line.coef_[0, 0], abs=1e-5)
    intercept = metric(found, "calibration_intercept").value
    assert expit(intercept + promised).sum() == pytest.approx(labels.sum())


@pytest.mark.parametrize("score", [1.0, 0.0])
def test_outcomes_that_nearly_certain_scores_contradict_are_measured_like_others(score: float) -> None:
    """The held-out scores were too cautious by far, so that tonight's promise an event, or none, beyond what floats tell apart."""
    labels, certain = rows(3_000, 10)
    held_out = fit_calibration(labels, expit(np.log(certain / (1 - certain)) / 60))
    found = judged(labels, np.full(len(labels), score), calibration=held_out)
    intercept = metric(found, "calibration_intercept")
    rate = np.log(labels.mean() / (1 - labels.mean()))
    assert intercept.value == pytest.approx(rate - 30 * (2 * score - 1))
    assert intercept.status == "warn"
    assert found.metric("calibration_slope") is None
    assert read_value(value_to_bytes(found), PerformanceDrift, "drift.json", "") == found


def test_their_intervals_hold_what_both_samples_leave_open() -> None:
    """Held-out rows and a batch drawn anew, the relation of score and outcome being the same, and no calibrated one."""
    hits = {"calibration_intercept": 0, "calibration_slope": 0}
    for seed in range(160):
        held_out = rows(1_000, 1_000 + seed, intercept=0.4, slope=1.3)
        batch = rows(1_500, 5_000 + seed, mean=-1.0, intercept=0.4, slope=1.3)
        found = judged(*batch, calibration=fit_calibration(*held_out), registered=performance_of(*held_out))
        for name in hits:
            one = metric(found, name)
            hits[name] += one.low <= one.reference <= one.high
    assert min(hits.values()) >= 145  # 95 % of 160 is 152, give or take two and a half standard deviations
    assert max(hits.values()) <= 159


def test_clean_batches_seldom_warn() -> None:
    """Three sixteenths of the family's error are 0.94 %: of 160 clean batches one or two, and hardly ever more than eight."""
    warned = 0
    for seed in range(160):
        held_out = rows(1_000, 10_000 + seed)
        found = judged(
            *rows(500, 20_000 + seed), calibration=fit_calibration(*held_out), registered=performance_of(*held_out)
        )
        warned += found.status != "stable"
    assert warned <= 8


def test_rows_that_are_merely_harder_seldom_alert() -> None:
    """At most 5 %: of 100 batches five, and more than twelve in one of 1,000 such series."""
    alerted = 0
    for seed in range(100):
        held_out = rows(2_000, 30_000 + seed)
        reference: dict[str, Any] = {"calibration": fit_calibration(*held_out), "registered": performance_of(*held_out)}
        found = judged(
            *rows(1_000, 40_000 + seed, spread=0.7), thresholds={"roc_auc": 0.70, "pr_auc": 0.45}, **reference
        )
        assert metric(found, "pr_auc").expected < 0.45
        alerted += found.status == "alert"
    assert alerted <= 12


def test_the_gates_thresholds_are_those_of_the_metrics_judged() -> None:
    evaluate = Evaluate.model_validate({"floors": {"roc_auc": 0.6, "ks": 0.3}, "ceilings": {"brier": 0.1, "ece": 0.1}})
    assert gate_thresholds(evaluate) == {"roc_auc": 0.6, "brier": 0.1}
    assert thresholds_met({"roc_auc": 0.6, "brier": 0.1, "pr_auc": 0.99}, REGISTERED) == {"roc_auc": 0.6}
    assert thresholds_met({"roc_auc": 0.6}, None) == {}


def estimate(scores: np.ndarray, **changes: Any) -> EstimatedPerformance:
    settings = {"calibration": CALIBRATION, "registered": REGISTERED, "thresholds": FLOORS, "rule": RULE, **changes}
    return judged_estimate(scores, **settings)


def test_an_estimate_below_the_floor_warns_with_what_it_assumes() -> None:
    alike = rows(5_000, 3, spread=0.6)[1]
    found = estimate(alike)
    assert found.status == "warn"
    assert found.reason.startswith("ROC-AUC is estimated at 0.6")
    assert found.reason.endswith(f"the gate asks for at least 0.70; it is right if {found.assumes}")
    assert estimate(alike, thresholds={}).status == "stable"
    assert estimate(alike, thresholds={"roc_auc": 0.5}).status == "stable"
    assert estimate(alike[:199]).status == "stable"  # drift.min_rows
    ceiling = estimate(rows(5_000, 3, mean=0.0)[1], thresholds={"brier": 0.18})
    assert (ceiling.status, ceiling.reason[:31]) == ("warn", "Brier score is estimated at 0.1")


def test_an_estimate_that_chance_explains_does_not_warn() -> None:
    scores = rows(5_000, 2)[1]
    value = expected_metrics(scores, CALIBRATION).roc_auc.value
    just_above = {"roc_auc": value + 0.002}
    registered = replace(REGISTERED, roc_auc=MetricEstimate(value + 0.004, 0.0001))
    assert estimate(scores, thresholds=just_above, registered=registered).status == "stable"
    better = replace(REGISTERED, roc_auc=MetricEstimate(value + 0.05, 0.0001))
    assert estimate(scores, thresholds=just_above, registered=better).status == "warn"
    assert estimate(scores, thresholds=just_above, registered=None).status == "stable"
    assert estimate(scores, thresholds={"roc_auc": value + 0.05}, registered=None).status == "warn"


def test_labels_refute_an_estimate_that_they_contradict() -> None:
    labels, scores = rows(5_000, 2)
    estimated = estimated_performance(scores, CALIBRATION)
    assert confronted_estimate(estimated, judged(labels, scores)) == estimated
    dead = judged(with_noise(labels, 0.9), scores)
    refuted = confronted_estimate(estimated, dead)
    assert refuted.refuted
    ranking = metric(dead, "roc_auc")
    assert refuted.reason == (
        f"refuted: 5,000 known outcomes give ROC-AUC {ranking.value:.3f}, and their scores let expect {ranking.expected:.3f}"
    )
    few = judged(with_noise(labels, 0.9)[:150], scores[:150])
    assert confronted_estimate(estimated, few) == estimated
