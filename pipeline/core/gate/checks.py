"""The gate's checks: a list of small pure functions, each from evidence and policy to checks with a status."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from pipeline.core.common.params import Evaluate, Gate
from pipeline.core.gate.predictions import Predictions

Status = Literal["pass", "block", "inconclusive", "warn", "not-applicable"]


@dataclass(frozen=True)
class Check:
    """One line of the verdict, as in gate.json; `low` and `high` are the interval of `value`, None where not known."""

    name: str
    kind: str
    metric: str | None
    slice: str | None
    value: float | None
    low: float | None
    high: float | None
    op: str
    threshold: float | None
    status: Status
    reason: str


@dataclass(frozen=True)
class Policy:
    """What the gate demands: the sections `evaluate` and `gate` of params.yaml."""

    evaluate: Evaluate
    gate: Gate


@dataclass(frozen=True)
class Evidence:
    """What the gate looks at. `stale` says why the predictions are not of the model and data in hand, if so."""

    predictions: Predictions
    metrics: Mapping[str, float]
    champion: Predictions | None = None
    stale: str | None = None


def floor_checks(evidence: Evidence, policy: Policy) -> list[Check]:
    """A metric must be at least its floor."""
    return [
        _threshold_check(evidence, metric, "floor", ">=", floor) for metric, floor in policy.evaluate.floors.items()
    ]


def ceiling_checks(evidence: Evidence, policy: Policy) -> list[Check]:
    """A metric must be at most its ceiling."""
    return [
        _threshold_check(evidence, metric, "ceiling", "<=", ceiling)
        for metric, ceiling in policy.evaluate.ceilings.items()
    ]


# In the order in which the report shows them.
CHECKS: tuple[Callable[[Evidence, Policy], list[Check]], ...] = (floor_checks, ceiling_checks)


def run_checks(evidence: Evidence, policy: Policy) -> list[Check]:
    """All checks of the gate."""
    return [check for checks in CHECKS for check in checks(evidence, policy)]


def _threshold_check(evidence: Evidence, metric: str, kind: str, op: str, threshold: float) -> Check:
    value = evidence.metrics.get(metric)
    status: Status = "block"
    if evidence.stale:
        value, reason = None, evidence.stale
    elif value is None or math.isnan(value):
        value, reason = None, f"{metric} is missing"
    elif math.isnan(threshold):
        reason = f"the threshold for {metric} is not a number"
    elif (value >= threshold) if op == ">=" else (value <= threshold):
        status = "pass"
        reason = (
            f"{value:.4f} is {abs(value - threshold):.4f} {'above the floor' if op == '>=' else 'below the ceiling'}"
        )
    else:
        reason = (
            f"{value:.4f} is {abs(value - threshold):.4f} {'below the floor' if op == '>=' else 'above the ceiling'}"
        )
    return Check(f"{metric} {kind}", kind, metric, None, value, None, None, op, threshold, status, reason)
