"""The gate's verdict as the report states it: never better than the checks it rests on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lockgate.config.metric_names import metric_title
from lockgate.documents.text import (
    REASON_LIMIT,
    clean_reason,
    clean_text,
    fraction,
    number,
    records,
    whole,
)

Outcome = Literal["pass", "block", "inconclusive", "absent", "invalid"]
Problem = Literal["", "unknown-verdict", "no-checks", "contradiction"]
_SEVERITY = {"block": 0, "inconclusive": 1, "warn": 2, "pass": 4, "not-applicable": 5}
DECIDING = ("floor", "ceiling", "champion")
_OPERATORS = {">=": "≥", "<=": "≤", ">": ">", "<": "<"}


@dataclass(frozen=True)
class Check:
    """One check of `gate.json`. `margin` is positive where the value is on the right side of its threshold."""

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
    status: str
    reason: str
    confidence: float | None

    @property
    def subject(self) -> str:
        """What the value is of: the metric where the threshold is its own, else the check."""
        return self.metric if self.kind in {"floor", "ceiling"} and self.metric else self.label

    @property
    def straddles(self) -> bool:
        """Whether the threshold lies inside the interval, so that chance could have turned the check."""
        if self.kind not in DECIDING or self.low is None or self.high is None or self.threshold is None:
            return False
        return self.low < self.threshold < self.high


@dataclass(frozen=True)
class Verdict:
    """The outcome and the checks behind it, worst first. `problem` says why a verdict is not believed."""

    outcome: Outcome
    problem: Problem
    deciding: tuple[Check, ...]
    checks: tuple[Check, ...]
    n: int | None
    positives: int | None
    confidence: float | None

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
        quiet = {"pass", "not-applicable"}
        return sum(
            check.status not in quiet or (check.status == "pass" and check.kind in DECIDING) for check in self.checks
        )

    @property
    def held(self) -> int:
        """How many checks passed."""
        return sum(check.status == "pass" for check in self.checks)


def read_verdict(gate: Mapping[str, Any] | None) -> Verdict:
    """The verdict of a parsed `gate.json`.

    Fails closed: one that is not pass, block or inconclusive, a pass that rests on no floor, ceiling or champion, and
    a pass beside a blocking check are `invalid`.
    """
    if gate is None:
        return Verdict("absent", "", (), (), None, None, None)
    checks = tuple(sorted((_check(item) for item in records(gate.get("checks"))), key=_severity))
    applied = [check for check in checks if check.status != "not-applicable"]
    outcome, problem = _outcome(gate.get("verdict"), applied)
    return Verdict(
        outcome=outcome,
        problem=problem,
        deciding=tuple(check for check in checks if check.status == outcome and outcome in {"block", "inconclusive"}),
        checks=checks,
        n=whole(gate.get("n")),
        positives=whole(gate.get("positives")),
        confidence=fraction(gate.get("confidence")),
    )


def _outcome(stated: object, applied: list[Check]) -> tuple[Outcome, Problem]:
    if stated == "block":
        return "block", ""
    if stated == "inconclusive":
        return ("invalid", "contradiction") if _any_blocks(applied) else ("inconclusive", "")
    if stated != "pass":
        return "invalid", "unknown-verdict"
    if not any(check.kind in DECIDING for check in applied):
        return "invalid", "no-checks"
    return ("invalid", "contradiction") if _any_blocks(applied) or any(map(_belies, applied)) else ("pass", "")


def _belies(check: Check) -> bool:
    """Whether a floor or ceiling says pass with a value that does not reach its threshold, or without one."""
    bar = check.kind in {"floor", "ceiling"} and check.status == "pass"
    return bar and (check.margin is None or check.margin < 0)


def _any_blocks(applied: list[Check]) -> bool:
    return any(check.status not in {"pass", "warn", "inconclusive"} for check in applied)


def _check(item: Mapping[str, Any]) -> Check:
    metric = clean_text(item.get("metric"))
    value, threshold = number(item.get("value")), number(item.get("threshold"))
    op = clean_text(item.get("op"), 4)
    margin = None
    if value is not None and threshold is not None and op in _OPERATORS:
        margin = value - threshold if op.startswith(">") else threshold - value
    return Check(
        label=_label(clean_text(item.get("name")), metric),
        metric=metric_title(metric),
        kind=clean_text(item.get("kind"), 20),
        slice=clean_text(item.get("slice")),
        value=value,
        low=number(item.get("low")),
        high=number(item.get("high")),
        op=_OPERATORS.get(op, op),
        threshold=threshold,
        margin=margin,
        status=clean_text(item.get("status"), 20) or "unknown",
        reason=clean_reason(item.get("reason"), REASON_LIMIT),
        confidence=fraction(item.get("confidence")),
    )


def _label(name: str, metric: str) -> str:
    """The check's name with the metric spelled as the field spells it: 'roc_auc floor' becomes 'ROC-AUC floor'."""
    if metric and re.match(rf"{re.escape(metric)}\b", name):
        return metric_title(metric) + name[len(metric) :]
    return name or metric_title(metric)


def _severity(check: Check) -> tuple[int, bool]:
    """The worst first, and what the verdict rests on before what only describes."""
    return _SEVERITY.get(check.status, 3), check.kind not in DECIDING
