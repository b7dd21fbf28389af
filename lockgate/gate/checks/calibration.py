"""Calibration: the slope and the intercept of the outcome on the logit of the score, 1 and 0 if the scores are right."""

from __future__ import annotations

import math

from lockgate.documents.gate_check import RIGHT_CALIBRATION, Check, Status
from lockgate.gate.evidence import Evidence, Policy


def calibration_checks(evidence: Evidence, policy: Policy) -> list[Check]:
    """Warn where the right value lies outside the interval; calibration never blocks (a ceiling on Brier or ECE can)."""
    if evidence.stale:
        return []
    return [
        _check(evidence, metric, right) for metric, right in RIGHT_CALIBRATION.items() if metric in evidence.intervals
    ]


def _check(evidence: Evidence, metric: str, right: float) -> Check:
    found = evidence.intervals[metric]
    name = metric.replace("_", " ")
    status: Status = "not-applicable"
    if found.value is None:
        reason = "no line can be fitted: the classes do not overlap in score, or all scores are equal"
    elif found.low is None or found.high is None:
        reason = f"the interval is not defined ({found.status})"
    elif found.low <= right <= found.high:
        status, reason = "pass", f"{right:g} lies inside the interval"
    else:
        status, reason = "warn", _meaning(metric, found.value)
    return Check(
        name, "calibration", metric, None, found.value, found.low, found.high, "=", right, status, reason, found.status
    )


def _meaning(metric: str, value: float) -> str:
    if metric == "calibration_slope":
        return "below 1: scores are too extreme" if value < 1 else "above 1: scores are too timid"
    return f"where the score says 0.50 the outcome's rate is {1 / (1 + math.exp(-value)):.2f}"
