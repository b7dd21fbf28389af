"""Floors and ceilings: one number against one threshold, by the estimate or by its whole interval.

`decide_on: point`: the estimate decides; where the threshold lies inside the interval the reason says so, since
another test set of this size could have turned the check. `decide_on: bound`: the whole interval must clear the
threshold; where it does on neither side, the check is inconclusive.
"""

from __future__ import annotations

import math

from lockgate.documents.gate_check import Check, Kind, Operator, Status, decided
from lockgate.gate.evidence import Evidence, Policy

DESCRIBED = "biased"


def floor_checks(evidence: Evidence, policy: Policy) -> list[Check]:
    """A metric must be at least its floor."""
    return [_check(evidence, policy, name, "floor", ">=", floor) for name, floor in policy.evaluate.floors.items()]


def ceiling_checks(evidence: Evidence, policy: Policy) -> list[Check]:
    """A metric must be at most its ceiling."""
    return [
        _check(evidence, policy, name, "ceiling", "<=", ceiling) for name, ceiling in policy.evaluate.ceilings.items()
    ]


def _check(evidence: Evidence, policy: Policy, metric: str, kind: Kind, op: Operator, threshold: float) -> Check:
    name = f"{metric} {kind}"
    value = evidence.metrics.get(metric)
    if evidence.stale:
        return Check(name, kind, metric, op=op, threshold=threshold, status="block", reason=evidence.stale_reason)
    if value is None or math.isnan(value):
        return Check(
            name, kind, metric, op=op, threshold=threshold, status="block", reason=f"{metric} is missing: not a number"
        )
    if math.isnan(threshold):
        return Check(name, kind, metric, value=value, op=op, status="block", reason=f"the {kind} is not a number")
    interval = evidence.intervals.get(metric)
    low, high = (interval.low, interval.high) if interval else (None, None)
    by_bound = policy.gate.decide_on == "bound"
    status = decided(value, low, high, op, threshold, by_bound)
    reason = _reason(value, low, high, op, threshold, status, by_bound)
    if interval and interval.status == DESCRIBED:
        reason += "; a biased metric: its interval is a description, not a promise"
    elif interval and interval.status != "ok":
        reason += f"; the interval's coverage is not promised ({interval.status})"
    return Check(
        name, kind, metric, None, value, low, high, op, threshold, status, reason, interval.status if interval else None
    )


def _reason(
    value: float, low: float | None, high: float | None, op: str, threshold: float, status: Status, by_bound: bool
) -> str:
    kind = "floor" if op == ">=" else "ceiling"
    side = "above" if value >= threshold else "below"
    text = f"{value:.4f} is {abs(value - threshold):.4f} {side} the {kind}"
    if low is None or high is None:
        return f"{text}, without an interval that could clear it" if status == "inconclusive" else text
    straddles = low < threshold < high
    if not straddles:
        return text
    if by_bound:
        return f"{text}, but its interval {low:.4f} to {high:.4f} reaches both sides"
    return f"{text}, within its interval {low:.4f} to {high:.4f}: another test set of this size could turn this"
