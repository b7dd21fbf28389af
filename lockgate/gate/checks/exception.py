"""An exception to the policy ends: it is approved until a day, and blocks from the day after."""

from __future__ import annotations

from lockgate.documents.gate_check import EXCEPTION, Check, Kind
from lockgate.documents.gate_json import AcceptedException
from lockgate.gate.evidence import Evidence, Policy

KIND: Kind = "exception"


def exception_checks(evidence: Evidence, policy: Policy) -> list[Check]:
    """Block after the day that `gate.exception.until` names; no check where the policy has no exception.

    An exception that nobody can hold against a day blocks too.
    """
    accepted, today = accepted_exception(policy), evidence.today
    if accepted is None:
        return []
    approved = accepted.sentence
    if today is None:
        return [
            Check(
                EXCEPTION, KIND, status="block", reason=f"{approved}; pass `today` to judge() to tell whether it holds"
            )
        ]
    if accepted.has_ended(today):
        reason = (
            f"{approved}; it has ended: restore the thresholds and remove gate.exception, or have a later day approved"
        )
        return [Check(EXCEPTION, KIND, status="block", reason=reason)]
    return [Check(EXCEPTION, KIND, status="pass", reason=approved)]


def accepted_exception(policy: Policy) -> AcceptedException | None:
    """The policy's exception as gate.json states it."""
    stated = policy.gate.exception
    return None if stated is None else AcceptedException(stated.reason, stated.approved_by, stated.until.isoformat())
