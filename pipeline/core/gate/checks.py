"""The gate's checks: a list of small pure functions, each from evidence and policy to checks with a status."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.core.gate.calibration_checks import calibration_checks
from pipeline.core.gate.champion_checks import champion_checks
from pipeline.core.gate.evidence import Check, Evidence, Policy
from pipeline.core.gate.fairness_checks import fairness_checks
from pipeline.core.gate.leakage_checks import leakage_checks
from pipeline.core.gate.slice_checks import slice_checks
from pipeline.core.gate.threshold_checks import ceiling_checks, floor_checks

Checks = Callable[[Evidence, Policy], list[Check]]

# What the predictions and the data alone decide, so that whoever has these can decide it again.
REPEATABLE: tuple[Checks, ...] = (
    leakage_checks,
    floor_checks,
    ceiling_checks,
    calibration_checks,
    slice_checks,
    fairness_checks,
)
CHECKS: tuple[Checks, ...] = (*REPEATABLE[:3], champion_checks, *REPEATABLE[3:])


def run_checks(evidence: Evidence, policy: Policy, checks: tuple[Checks, ...] = CHECKS) -> list[Check]:
    """All checks of the gate, or those in `checks`."""
    return [check for function in checks for check in function(evidence, policy)]
