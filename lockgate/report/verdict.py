"""The verdict as a report shows it: labels, order, and which checks have to be seen."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from lockgate.config.metric_names import metric_title
from lockgate.documents.gate_check import DECIDING, Check
from lockgate.documents.gate_json import GateResult
from lockgate.documents.text import REASON_LIMIT, clean_reason, clean_text

Outcome = Literal["pass", "block", "inconclusive", "absent", "invalid"]
_SEVERITY = {"block": 0, "inconclusive": 1, "warn": 2, "pass": 3, "not-applicable": 4}
_SIGNS = {">=": "≥", "<=": "≤"}
_QUIET = ("pass", "not-applicable")


@dataclass(frozen=True)
class ShownCheck:
    """One check with its texts made harmless. `margin` is positive where the value is on the right side."""

    label: str
    metric: str
    kind: str
    slice: str
    value: float | None
    low: float | None
    high: float | None
    op: str
    threshold: float | None
    margin: float | None
    straddles: bool
    status: str
    reason: str
    confidence: float | None

    @property
    def subject(self) -> str:
        """What the value is of: the metric where the threshold is its own, else the check."""
        return self.metric if self.kind in {"floor", "ceiling"} and self.metric else self.label


@dataclass(frozen=True)
class ShownVerdict:
    """The outcome and the checks behind it, worst first.

    `invalid` is a gate.json that nobody believes, and `problem` the reason; `absent` is none at all.
    """

    outcome: Outcome
    problem: str = ""
    checks: tuple[ShownCheck, ...] = ()
    n: int | None = None
    positives: int | None = None
    confidence: float | None = None

    @property
    def deciding(self) -> tuple[ShownCheck, ...]:
        """The checks that made it a block or inconclusive."""
        stops = self.outcome in {"block", "inconclusive"}
        return tuple(check for check in self.checks if stops and check.status == self.outcome)

    @property
    def interval(self) -> float | None:
        """The confidence, 0 to 1, of the checks' intervals; None where no check has one."""
        return self.confidence if any(check.low is not None for check in self.checks) else None

    @property
    def applied(self) -> int:
        """How many checks applied to this model."""
        return sum(check.status != "not-applicable" for check in self.checks)

    @property
    def in_view(self) -> int:
        """How many checks, from the first on, have to be seen: what the verdict rests on, and what did not pass."""
        return sum(
            check.status not in _QUIET or (check.status == "pass" and check.kind in DECIDING) for check in self.checks
        )

    @property
    def held(self) -> int:
        """How many checks passed."""
        return sum(check.status == "pass" for check in self.checks)


def show_verdict(gate: GateResult | None, problem: str = "") -> ShownVerdict:
    """What is shown of gate.json; `problem` says why it could not be read, where that is so.

    Never better than the file: one that cannot be read, or whose own checks contradict it, is `invalid`.
    """
    if gate is None:
        problem = clean_reason(problem, REASON_LIMIT)
        return ShownVerdict("invalid", problem) if problem else ShownVerdict("absent")
    contradiction = clean_reason(gate.contradiction or "", REASON_LIMIT)
    return ShownVerdict(
        outcome="invalid" if contradiction else gate.verdict,
        problem=contradiction,
        checks=tuple(map(_shown, sorted(gate.checks, key=_severity))),
        n=gate.n,
        positives=gate.positives,
        confidence=gate.confidence,
    )


def _shown(check: Check) -> ShownCheck:
    metric = clean_text(check.metric)
    return ShownCheck(
        label=_label(clean_text(check.name), metric),
        metric=metric_title(metric),
        kind=check.kind,
        slice=clean_text(check.slice),
        value=check.value,
        low=check.low,
        high=check.high,
        op=_SIGNS.get(check.op, check.op),
        threshold=check.threshold,
        margin=check.margin,
        straddles=check.straddles,
        status=check.status,
        reason=clean_reason(check.reason, REASON_LIMIT),
        confidence=check.confidence,
    )


def _label(name: str, metric: str) -> str:
    """The check's name with the metric spelled as the field spells it: 'roc_auc floor' becomes 'ROC-AUC floor'."""
    if metric and re.match(rf"{re.escape(metric)}\b", name):
        return metric_title(metric) + name[len(metric) :]
    return name or metric_title(metric)


def _severity(check: Check) -> tuple[int, bool]:
    """The worst first, and what the verdict rests on before what only describes."""
    return _SEVERITY[check.status], check.kind not in DECIDING
