"""Slices: the model measured on every value of the columns that the policy lists.

The intervals hold together: with k slices each has the confidence 1 - (1 - confidence) / k (Bonferroni), so that in
all of them at once no truth lies outside with at least the configured confidence. A slice warns where its whole
interval lies below the model's own ROC-AUC; where `evaluate.slice_floors` has a floor, a slice blocks when its whole
interval lies below it (with `decide_on: bound` it must lie above). Slices with fewer than `evaluate.slice_minimum`
positives or negatives are named and not judged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lockgate.documents.gate_check import Check, Status, decided
from lockgate.documents.gate_json import Estimate, SliceRow, Slices
from lockgate.gate.checks.groups import Group, groups_of
from lockgate.gate.evidence import Evidence, Policy
from lockgate.metrics.delong import auc_interval
from lockgate.metrics.interval import Interval
from lockgate.metrics.linearised import linearised_intervals

MEASURED = ("roc_auc", "pr_auc", "brier")


@dataclass(frozen=True)
class Slice:
    """One group with its measurements; `why_not` says why there are none."""

    group: Group
    n: int
    positives: int
    confidence: float
    observed: float
    mean_score: float
    intervals: dict[str, Interval]
    why_not: str


def measured_slices(evidence: Evidence, policy: Policy) -> list[Slice]:
    """Every slice of the policy's columns, in their order."""
    groups = [
        group
        for column in dict.fromkeys(policy.evaluate.slices)
        for group in groups_of(evidence.predictions, column, "evaluate.slices")
    ]
    label = evidence.predictions.y_true
    minimum = policy.evaluate.slice_minimum
    large = [_why_not(group, label, minimum) == "" for group in groups]
    confidence = 1 - (1 - policy.evaluate.confidence) / max(1, sum(large))
    return [_measured(group, evidence, minimum, confidence) for group in groups]


def slice_checks(evidence: Evidence, policy: Policy) -> list[Check]:
    """One check a slice and metric: ROC-AUC against the whole model's, or each metric that has a slice floor."""
    if evidence.stale:
        return []
    floors = policy.evaluate.slice_floors
    checks = []
    for part in measured_slices(evidence, policy):
        for metric in dict.fromkeys(["roc_auc", *floors]):
            if part.why_not:
                checks.append(
                    Check(
                        f"{metric} slice",
                        "slice",
                        metric,
                        part.group.name,
                        op=">=",
                        threshold=floors.get(metric),
                        reason=part.why_not,
                    )
                )
            elif metric in floors:
                checks.append(_floor_check(part, metric, floors[metric], policy.gate.decide_on == "bound"))
            else:
                checks.append(_comparison(part, metric, evidence.metrics[metric]))
    return checks


def slice_table(evidence: Evidence, policy: Policy) -> Slices | None:
    """All slices with all their metrics for gate.json, the worst by ROC-AUC named; None where none is asked for."""
    if evidence.stale or not policy.evaluate.slices:
        return None
    parts = measured_slices(evidence, policy)
    judged = [part for part in parts if not part.why_not]
    worst = min(judged, key=lambda part: part.intervals["roc_auc"].value or 0.0, default=None)
    return Slices(
        minimum=policy.evaluate.slice_minimum,
        compared=len(judged),
        confidence_each=1 - (1 - policy.evaluate.confidence) / max(1, len(judged)),
        worst=worst.group.name if worst else None,
        rows=tuple(_row(part) for part in parts),
    )


def _row(part: Slice) -> SliceRow:
    return SliceRow(
        slice=part.group.name,
        n=part.n,
        positives=part.positives,
        observed=part.observed,
        mean_score=part.mean_score,
        note=part.why_not or None,
        metrics={
            name: Estimate(found.value, found.low, found.high, found.status) for name, found in part.intervals.items()
        },
    )


def _measured(group: Group, evidence: Evidence, minimum: int, confidence: float) -> Slice:
    predictions, rows = evidence.predictions, group.rows
    label, score = predictions.y_true[rows], predictions.y_score[rows]
    weight = None if predictions.weight is None else predictions.weight[rows]
    why_not = _why_not(group, predictions.y_true, minimum)
    intervals: dict[str, Interval] = {}
    if not why_not:
        others = linearised_intervals(label, score, weight, confidence=confidence)
        intervals = {"roc_auc": auc_interval(label, score, confidence, weight)}
        intervals |= {name: others[name] for name in MEASURED[1:]}
    observed, mean = (float(np.average(values, weights=weight)) for values in (label, score))
    return Slice(group, len(rows), int(label.sum()), confidence, observed, mean, intervals, why_not)


def _why_not(group: Group, label: np.ndarray, minimum: int) -> str:
    positives = int(label[group.rows].sum())
    negatives = len(group.rows) - positives
    if min(positives, negatives) >= minimum:
        return ""
    named = "one class only" if min(positives, negatives) == 0 else "too few rows"
    return f"{named}: {positives} positives and {negatives} negatives, {minimum} of each are needed to judge it"


def _comparison(part: Slice, metric: str, whole: float) -> Check:
    found = part.intervals[metric]
    status: Status = "pass"
    reason = "its interval reaches the whole model's value" if found.high is not None and found.high >= whole else ""
    if found.value is None or found.high is None:
        status, reason = "not-applicable", f"not defined ({found.status})"
    elif found.high < whole:
        status, reason = "warn", f"worse than the model as a whole ({whole:.4f}) beyond chance"
    elif (found.value or 0) >= whole:
        reason = "at least the whole model's value"
    return _check(part, metric, "slice", whole, status, reason)


def _floor_check(part: Slice, metric: str, floor: float, by_bound: bool) -> Check:
    found = part.intervals[metric]
    value = found.value if found.value is not None else float("nan")
    status = decided(value, found.low, found.high, ">=", floor, True)
    if status == "inconclusive" and not by_bound:
        status = "pass" if value >= floor else "warn"
    side = "above" if value >= floor else "below"
    words = {"inconclusive": "its interval reaches both sides", "warn": "but chance could explain it"}
    reason = f"{value:.4f} is {abs(value - floor):.4f} {side} the slice floor"
    if found.value is None:
        status, reason = "block", f"not defined ({found.status}), and what is not known to hold does not pass"
    elif status in words:
        reason += f", {words[status]}"
    return _check(part, metric, "slice floor", floor, status, reason)


def _check(part: Slice, metric: str, rule: str, threshold: float, status: Status, reason: str) -> Check:
    found = part.intervals[metric]
    return Check(
        f"{metric} {rule}",
        "slice",
        metric,
        part.group.name,
        found.value,
        found.low,
        found.high,
        ">=",
        threshold,
        status,
        reason,
        found.status,
        part.confidence,
    )
