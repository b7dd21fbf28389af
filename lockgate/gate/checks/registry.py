"""The gate's checks: a list of small pure functions, each from evidence and policy to checks with a status."""

from __future__ import annotations

from collections.abc import Callable

from lockgate.documents.gate_check import Check
from lockgate.gate.checks.calibration import calibration_checks
from lockgate.gate.checks.champion import champion_checks
from lockgate.gate.checks.dates import date_checks
from lockgate.gate.checks.direction import direction_checks
from lockgate.gate.checks.event_rate import event_rate_checks
from lockgate.gate.checks.exception import exception_checks
from lockgate.gate.checks.fairness import fairness_checks
from lockgate.gate.checks.leakage import leakage_checks
from lockgate.gate.checks.sample import sample_checks
from lockgate.gate.checks.slice import slice_checks
from lockgate.gate.checks.threshold import ceiling_checks, floor_checks
from lockgate.gate.evidence import Evidence, Policy

Checks = Callable[[Evidence, Policy], list[Check]]

CHECKS: tuple[Checks, ...] = (
    exception_checks,
    sample_checks,
    leakage_checks,
    event_rate_checks,
    date_checks,
    direction_checks,
    floor_checks,
    ceiling_checks,
    champion_checks,
    calibration_checks,
    slice_checks,
    fairness_checks,
)


def run_checks(evidence: Evidence, policy: Policy, checks: tuple[Checks, ...] = CHECKS) -> list[Check]:
    """All checks of the gate, or those in `checks`."""
    return [check for function in checks for check in function(evidence, policy)]
