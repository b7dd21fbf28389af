"""Whether the model is still as good: measured where labels are known, otherwise by what the scores let expect.

ROC-AUC is held against its value at registration, on other rows, so that the variances add up (DeLong's, on both sides).
PR-AUC and Brier depend on how frequent the event is, and on which rows a batch has, whatever the model does: they are held
against what the calibrated scores of the same rows let expect. ROC-AUC depends on the rows too, less: a fall that the scores let
expect as well is owed to the rows, and is no news of the model. So rows that are others, with P(y | score) as it was, alert at
most as often as `drift.family_error` allows, a third of it for each of the three metrics, however large the shift is.

The calibration is Cox's, of the held-out calibration's chances: in the large (intercept, the slope being 1) and its slope. Both
are 0 and 1 where the relation of score and outcome is as it was, up to the error of both calibrations.

A change for the worse that is significant within the night's error, and large enough to matter, warns. A value that is beyond the
gate's threshold for certain alerts, and so does a ROC-AUC that has fallen and is beyond it at all: of PR-AUC and Brier, whose
threshold a change of the event rate alone can cross, the whole interval must be. Where the scores let expect it, a value beyond the
threshold for certain only warns: then the rows are others than the gate saw, as where outcomes are known of approved applicants
alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, sqrt
from statistics import NormalDist
from typing import Literal

import numpy as np
from msgspec.structs import replace
from numpy.typing import ArrayLike

from lockgate.config.metric_names import METRICS, metric_title
from lockgate.config.params import Evaluate
from lockgate.documents.drift_json import (
    DRIFT_STATUSES,
    MOVED,
    DriftStatus,
    EstimatedPerformance,
    JudgedMetric,
    MetricDrift,
    MetricInterval,
    PerformanceDrift,
)
from lockgate.documents.profile_json import Calibration, DriftRule, HeldOutPerformance, MetricEstimate
from lockgate.drift.calibration import Floats, expit, logits_of, spread
from lockgate.drift.estimated_performance import estimate_of, expected_metrics
from lockgate.drift.family_error import performance_error
from lockgate.drift.label_drift import LEAST_LOG_ODDS
from lockgate.drift.measured_performance import CONFIDENCE, metric_interval, performance_of_rows
from lockgate.metrics.interval import SMALL_CLASS_ROWS, normal_quantile
from lockgate.metrics.recalibration import fit_line, logit
from lockgate.metrics.scored import Booleans
from lockgate.metrics.sorted_rows import SortedRows, row_sums, sorted_rows

Metric = Literal["roc_auc", "pr_auc", "brier"]
METRIC_NAMES: tuple[Metric, ...] = ("roc_auc", "pr_auc", "brier")
# A fall by less is smaller than what a retraining with another seed brings.
LEAST_FALL = 0.01
# Brier is of the size of the event rate, so its floor is a share of what was expected.
LEAST_BRIER_SHARE = 0.02
LEAST_SLOPE = (
    0.1  # of the slope, as LEAST_LOG_ODDS is of the intercept: a tenth of the odds, a standard deviation from the mean
)
# Of a probability that is promised: beyond it a float64 hardly tells it from 0 or 1, and a wrong outcome has no likelihood.
MOST_LOGIT = 30.0

NORMAL = NormalDist()

Fired = Literal["threshold", "change", "both"]
ALERTS: Mapping[Metric, str] = {
    "roc_auc": "The model no longer ranks",
    "pr_auc": "The model no longer finds the events",
    "brier": "The probabilities are no longer right",
}
WARNINGS: Mapping[Metric, str] = {
    "roc_auc": "The model ranks worse than it did",
    "pr_auc": "The model finds the events worse than its scores promise",
    "brier": "The probabilities are less accurate than the scores promise",
}


def gate_thresholds(evaluate: Evaluate) -> dict[Metric, float]:
    """The floors and ceilings of the metrics that are judged at night."""
    limits = {**evaluate.floors, **evaluate.ceilings}
    return {name: limits[name] for name in METRIC_NAMES if name in limits}


def thresholds_met(thresholds: Mapping[Metric, float], registered: HeldOutPerformance | None) -> dict[Metric, float]:
    """Those of the thresholds that the reference meets: nobody chose the others, so that they say nothing of a batch."""
    if registered is None:
        return {}
    return {
        name: limit for name, limit in thresholds.items() if not _is_worse(name, getattr(registered, name).value, limit)
    }


def measured_drift(
    labels: ArrayLike,
    scores: ArrayLike,
    calibration: Calibration | None,
    registered: HeldOutPerformance | None,
    thresholds: Mapping[Metric, float],
    rule: DriftRule,
    before: str = "at registration",
) -> PerformanceDrift | None:
    """The entry `performance` of `drift.json`, from labels 0, 1 or NaN for unknown and a probability each; None for no label.

    `calibration` and `registered` are those of the held-out rows, None where they are not known; `before` says in the
    reasons where they are from. The same for shuffled rows.
    """
    rows = sorted_rows(labels, scores)
    n, positives = rows.rows, rows.positives
    if n == 0:
        return None
    few = _too_few(n, positives, rule)
    metrics: list[MetricDrift] = []
    measured = performance_of_rows(rows)
    if measured is not None:
        expected = None if calibration is None else expected_metrics(rows.score, calibration)
        judge = _Judge(measured, registered, rule, few, before)
        metrics = [
            judge.metric(name, None if expected is None else getattr(expected, name), thresholds.get(name))
            for name in METRIC_NAMES
        ]
        if calibration is not None:
            metrics += judge.calibration(rows, calibration)
    worst = max(metrics, key=lambda one: DRIFT_STATUSES.index(one.status), default=None)  # the first of equal ones
    return PerformanceDrift(
        n=n,
        positives=positives,
        confidence=CONFIDENCE,
        status="insufficient-data" if worst is None else worst.status,
        reason=few if few or worst is None else worst.reason,
        metrics=tuple(metrics),
    )


def judged_estimate(
    scores: ArrayLike,
    calibration: Calibration | None,
    registered: HeldOutPerformance | None,
    thresholds: Mapping[Metric, float],
    rule: DriftRule,
) -> EstimatedPerformance:
    """The entry `estimated` of `drift.json` with its status, for a batch whose labels are not known.

    It warns beyond a threshold, where its interval at the night's error does not reach what the model had at registration, or,
    if that is not known or was beyond the threshold too, not the threshold.
    """
    expected = expected_metrics(scores, calibration)
    estimated = estimate_of(expected, calibration)
    if estimated.n < rule.min_rows or estimated.evidence != "ok":
        return estimated
    confidence = 1.0 - 2.0 * performance_error(rule.family_error)
    judged: tuple[tuple[Metric, MetricEstimate | None], ...] = (
        ("roc_auc", expected.roc_auc),
        ("brier", expected.brier),
    )
    for name, found in judged:
        limit = thresholds.get(name)
        if limit is None or found is None or not _is_worse(name, found.value, limit):
            continue
        had = limit if registered is None else getattr(registered, name).value
        bound = limit if _is_worse(name, had, limit) else had
        if _is_beyond(name, metric_interval(name, found, confidence), bound):
            shown = metric_interval(name, found).with_interval
            reason = f"{metric_title(name)} is estimated at {shown}, and the gate asks for {_asked(name, limit)}"
            return replace(estimated, status="warn", reason=f"{reason}; it is right if {estimated.assumes}")
    return estimated


def confronted_estimate(estimated: EstimatedPerformance, measured: PerformanceDrift) -> EstimatedPerformance:
    """The estimate of a batch whose labels are known: refuted where they contradict it, within the night's error."""
    estimated_metrics: tuple[Metric, ...] = ("roc_auc", "brier")
    for name in estimated_metrics:
        found = measured.metric(name)
        if found is None or found.status == "insufficient-data":
            continue
        if found.value is None or found.expected is None or found.p_expected is None:
            continue
        is_certain = min(found.p_expected, 1.0 - found.p_expected) <= found.error
        if is_certain and abs(found.value - found.expected) >= _least(name, found.expected):
            reason = (
                f"refuted: {measured.n:,} known outcomes give {metric_title(name)} {found.value:.3f}, and their scores let expect "
                f"{found.expected:.3f}"
            )
            return replace(estimated, refuted=True, reason=reason)
    return estimated


@dataclass(frozen=True)
class _Judge:
    """What every metric of a batch is judged by; `few` says why none is, and is empty where they are."""

    measured: HeldOutPerformance
    registered: HeldOutPerformance | None
    rule: DriftRule
    few: str
    before: str

    @property
    def error(self) -> float:
        return performance_error(self.rule.family_error)

    @property
    def smaller_class(self) -> int:
        return min(self.measured.positives, self.measured.n - self.measured.positives)

    def metric(self, name: Metric, expected: MetricEstimate | None, limit: float | None) -> MetricDrift:
        now: MetricEstimate = getattr(self.measured, name)
        then: MetricEstimate | None = None if self.registered is None else getattr(self.registered, name)
        p_registered = None if then is None else _p_worse(name, now.value - then.value, now.variance + then.variance)
        p_expected = None if expected is None else _p_worse(name, now.value - expected.value, expected.variance)
        p_value = p_registered if name == "roc_auc" else p_expected
        compared = then if name == "roc_auc" else expected
        is_explained = p_expected is not None and p_expected > self.rule.family_error / len(METRIC_NAMES)
        has_fallen = (
            p_value is not None
            and compared is not None
            and p_value <= self.error
            and _is_worse(name, now.value, compared.value)
            and abs(now.value - compared.value) >= _least(name, compared.value)
            and not is_explained
        )
        is_beyond = limit is not None and _is_worse(name, now.value, limit)
        at_the_error = metric_interval(name, now, 1.0 - 2.0 * self.error, self.smaller_class)
        is_certain = limit is not None and _is_beyond(name, at_the_error, limit)
        # A model that was beyond the threshold at registration has no rows to blame for it.
        has_met = then is None or limit is None or not _is_worse(name, then.value, limit)
        is_owed_to_rows = is_explained and has_met
        status: DriftStatus = "stable"
        if self.few:
            status = "insufficient-data"
        elif (has_fallen and is_beyond and name == "roc_auc") or (is_certain and not is_owed_to_rows):
            status = "alert"
        elif has_fallen or is_certain:
            status = "warn"
        fired: Fired = "both" if has_fallen and is_beyond else "change" if has_fallen else "threshold"
        shown = metric_interval(name, now, CONFIDENCE, self.smaller_class)
        change = None if then is None else now.value - then.value
        reach = 0.0 if then is None else normal_quantile(CONFIDENCE) * sqrt(now.variance + then.variance)
        return MetricDrift(
            metric=name,
            value=shown.value,
            low=shown.low,
            high=shown.high,
            threshold=limit,
            reference=None if then is None else then.value,
            change=change,
            change_low=None if change is None else change - reach,
            change_high=None if change is None else change + reach,
            p_value=p_value,
            expected=None if expected is None else expected.value,
            p_expected=p_expected,
            error=self.error,
            status=status,
            rule="rows" if self.few else fired if status in MOVED else None,
            reason=self.few or self._reason(name, shown, expected, limit, status, is_owed_to_rows),
        )

    def _reason(
        self,
        name: Metric,
        shown: MetricInterval,
        expected: MetricEstimate | None,
        limit: float | None,
        status: DriftStatus,
        is_owed_to_rows: bool,
    ) -> str:
        found = f"{metric_title(name)} {shown.with_interval} on {self.measured.n:,} known outcomes"
        then = "" if self.registered is None else f"it was {getattr(self.registered, name).value:.3f} {self.before}"
        asked = "" if limit is None else f"the gate asks for {_asked(name, limit)}"
        if status == "stable":
            return "; ".join(filter(None, (found, then))) + ": no change for the worse that counts"
        lead = ALERTS[name] if status == "alert" else WARNINGS[name]
        if is_owed_to_rows:
            lead = "The rows are harder than those that the gate saw, and their scores let expect it"
        compared = ""
        if expected is not None and (is_owed_to_rows or name != "roc_auc"):
            compared = f"the scores of these rows let expect {expected.value:.3f}"
        return f"{lead}: {', '.join(filter(None, (found, asked, compared, then and f'and {then}')))}"

    def calibration(self, rows: SortedRows, calibration: Calibration) -> list[MetricDrift]:
        """Intercept and slope of today's outcomes on the held-out calibration's logits; no slope where no line fits."""
        first, both, second = calibration.covariance
        promised = logits_of(rows.score)
        promised *= calibration.slope
        promised += calibration.intercept
        np.clip(promised, -MOST_LOGIT, MOST_LOGIT, out=promised)
        intercept = _offset(promised, rows.label)

        def shifted(promised: Floats, score: Floats) -> tuple[Floats, Floats]:
            # What is promised at the limit does not change with the held-out slope.
            weight = spread(intercept + promised)
            return weight, weight * np.where(np.abs(promised) < MOST_LOGIT, logit(score), 0.0)

        total, weighted = row_sums(shifted, promised, rows.score)
        mean = weighted / total
        variance = 1.0 / total + first + 2.0 * mean * both + mean * mean * second
        words = f"At equal scores the odds of an event are {exp(intercept):.2f} times those {self.before}"
        found = [self._line("calibration_intercept", intercept, 0.0, variance, LEAST_LOG_ODDS, words)]
        line = fit_line(promised, rows.label)
        if line is not None:

            def fitted(promised: Floats) -> tuple[Floats, Floats]:
                weight = spread(line.intercept + line.slope * promised)
                return weight, weight * promised

            total, weighted = row_sums(fitted, promised)
            mean = weighted / total
            (squares,) = row_sums(lambda promised: (fitted(promised)[0] * (promised - mean) ** 2,), promised)
            own = 1.0 / squares
            variance = own + second * (line.slope / calibration.slope) ** 2
            kind = "extreme" if line.slope < 1.0 else "cautious"
            words = f"The probabilities are more {kind} than they were {self.before}"
            found.append(self._line("calibration_slope", float(line.slope), 1.0, variance, LEAST_SLOPE, words))
        return found

    def _line(
        self, name: JudgedMetric, value: float, reference: float, variance: float, least: float, words: str
    ) -> MetricDrift:
        change, error = value - reference, sqrt(variance)
        p_value = 2.0 * NORMAL.cdf(-abs(change) / error)
        reach = normal_quantile(CONFIDENCE) * error
        shown = MetricInterval(value, value - reach, value + reach)
        found = f"{metric_title(name).lower()} {shown.with_interval} on {self.measured.n:,} known outcomes"
        has_moved = p_value <= self.error and abs(change) >= least
        status: DriftStatus = "insufficient-data" if self.few else "warn" if has_moved else "stable"
        reason = f"{words}: {found}" if has_moved else f"{found}: no change that counts"
        return MetricDrift(
            metric=name,
            value=value,
            low=shown.low,
            high=shown.high,
            threshold=None,
            reference=reference,
            change=change,
            change_low=change - reach,
            change_high=change + reach,
            p_value=p_value,
            expected=None,
            p_expected=None,
            error=self.error,
            status=status,
            rule="rows" if self.few else "change" if has_moved else None,
            reason=self.few or reason,
        )


def _too_few(n: int, positives: int, rule: DriftRule) -> str:
    """Why nothing is judged; empty where it is."""
    events = f"{positives:,} events and {n - positives:,} others"
    if positives in (0, n):
        return f"all {n:,} known outcomes are of one class ({'no event' if positives == 0 else 'events only'})"
    if n < rule.min_rows:
        return f"only {n:,} known outcomes, at least {rule.min_rows:,} are needed (drift.min_rows)"
    if min(positives, n - positives) < SMALL_CLASS_ROWS:
        return f"only {events} among the known outcomes, at least {SMALL_CLASS_ROWS} of each are needed"
    return ""


def _is_worse(name: Metric, value: float, limit: float) -> bool:
    return value < limit if METRICS[name].direction == "higher" else value > limit


def _is_beyond(name: Metric, found: MetricInterval, limit: float) -> bool:
    """Whether the whole interval is worse than the limit."""
    best = found.high if METRICS[name].direction == "higher" else found.low
    return best is not None and _is_worse(name, best, limit)


def _p_worse(name: Metric, change: float, variance: float) -> float:
    """One-sided p-value of a change for the worse, the smaller the worse."""
    worse = change if METRICS[name].direction == "higher" else -change
    if variance <= 0.0:
        return 0.5 if worse == 0.0 else float(worse > 0.0)
    return NORMAL.cdf(worse / sqrt(variance))


def _least(name: Metric, compared: float) -> float:
    """The smallest change that matters."""
    return LEAST_BRIER_SHARE * compared if name == "brier" else LEAST_FALL


def _offset(logits: Floats, label: Booleans) -> float:
    """Maximum likelihood of a in P(label = 1) = expit(a + logits), by Newton steps of at most 2; `label` has both classes."""
    found = 0.0

    def derivatives(logits: Floats, label: Floats) -> tuple[Floats, Floats]:
        chance = expit(found + logits)
        return label - chance, chance * (1.0 - chance)

    for _ in range(100):
        excess, curvature = row_sums(derivatives, logits, label)
        step = excess / curvature
        found += min(max(step, -2.0), 2.0)
        if abs(step) < 1e-12:
            break
    return found


def _asked(name: Metric, limit: float) -> str:
    """The threshold as somebody writes it: 0.70, 0.125."""
    shown = f"{limit:.2f}" if limit == round(limit, 2) else f"{limit:g}"
    return f"at {'least' if METRICS[name].direction == 'higher' else 'most'} {shown}"
