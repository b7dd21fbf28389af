"""gate.json: the checks, the verdict that follows from them, and what exactly they were made on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

from lockgate.config.files import canonical_json, sha256_bytes
from lockgate.gate.checks.registry import run_checks
from lockgate.gate.checks.slice import slice_table
from lockgate.gate.error_rates import operating_characteristics
from lockgate.gate.evidence import Check, Evidence, Policy

GATE_VERSION = 1
DECIDING = (
    "floor",
    "ceiling",
    "champion",
)  # a verdict rests on one of these: the others warn about what it does not say
Verdict = Literal["pass", "block", "inconclusive"]


def policy_sha256(policy: Policy) -> str:
    """The identity of a policy, defaults filled in: sha256 of its canonical JSON."""
    return sha256_bytes(canonical_json({"evaluate": policy.evaluate.model_dump(), "gate": policy.gate.model_dump()}))


def decide(checks: Sequence[Check]) -> Verdict:
    """One block blocks; no threshold or champion that could decide is no verdict, and no verdict does not ship."""
    statuses = [check.status for check in checks]
    held = [check.status for check in checks if check.kind in DECIDING and check.status in ("pass", "inconclusive")]
    if "block" in statuses or not held:
        return "block"
    return "inconclusive" if "inconclusive" in statuses else "pass"


def gate_result(evidence: Evidence, policy: Policy, foreign: str | None = None) -> dict[str, Any]:
    """The content of gate.json; `foreign` names the table where it is not of a bundle of this project."""
    checks = run_checks(evidence, policy)
    return {
        "schema": GATE_VERSION,
        "verdict": decide(checks),
        "model": evidence.predictions.model,
        "data": evidence.predictions.data,
        "predictions": foreign,
        "policy": policy_sha256(policy),
        "n": int(evidence.metrics["n"]),
        "positives": int(evidence.metrics["positives"]),
        "confidence": policy.evaluate.confidence,
        "decide_on": policy.gate.decide_on,
        "inconclusive": policy.gate.inconclusive,
        "champion": evidence.champion.model if evidence.champion else None,
        "first_model": evidence.first_model,
        "decision": evidence.decision.model_dump(),
        "checks": [asdict(check) for check in checks],
        "slices": slice_table(evidence, policy),
        "operating": operating_characteristics(evidence, policy),
    }


def blocking_reasons(result: dict[str, Any]) -> list[str]:
    """What stands in the way, a line a check: name and reason."""
    return [
        f"{check['name']}: {check['reason']}"
        for check in result["checks"]
        if check["status"] in ("block", "inconclusive")
    ] or ([] if result["verdict"] == "pass" else ["no check passed that could decide"])
