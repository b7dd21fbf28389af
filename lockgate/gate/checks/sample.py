"""Evidence has a minimum: too few rows, or too few of a class, are no basis for a verdict."""

from __future__ import annotations

from lockgate.documents.gate_check import RARER_CLASS, ROWS, Check, Kind
from lockgate.gate.evidence import Evidence, Policy

KIND: Kind = "sample"


def sample_checks(evidence: Evidence, policy: Policy) -> list[Check]:
    """Block below `gate.sample`, saying how many rows are missing."""
    if evidence.stale:
        return []
    rows, positives = int(evidence.metrics["n"]), int(evidence.metrics["positives"])
    sample = policy.gate.sample
    return [
        _check(ROWS, rows, sample.rows),
        _check(RARER_CLASS, min(positives, rows - positives), sample.per_class),
    ]


def _check(name: str, found: int, least: int) -> Check:
    if found >= least:
        return Check(name, KIND, value=found, op=">=", threshold=least, status="pass", reason="enough to judge by")
    reason = f"{least - found:,} more are needed to judge a model; bring a larger test set, or lower gate.sample"
    return Check(name, KIND, value=found, op=">=", threshold=least, status="block", reason=reason)
