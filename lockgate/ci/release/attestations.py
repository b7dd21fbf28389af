"""Whether an image has the statements that a release needs, signed by the workflow that made it: asked of `gh`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lockgate.ci.release.image import ImageRecord
from lockgate.ci.release.tools import run_tool
from lockgate.config.errors import InputError
from lockgate.config.files import readable_json


@dataclass(frozen=True)
class Signer:
    """Whose signatures count: the repository the release is of, and the workflow that built, OWNER/NAME/PATH."""

    repository: str
    workflow: str


def verify_attestations(record: ImageRecord, signer: Signer) -> None:
    """Raises InputError unless provenance, SBOM and the gate's pass are attested to `record` and say what they must."""
    for predicate_type in (PROVENANCE, SBOM, VERDICT):
        found = _attested(record, signer, predicate_type)
        problem = _problem(record, predicate_type, found)
        if problem:
            raise InputError(f"{record.reference}: its attestation {predicate_type} {problem}; nothing is tagged")


def _attested(record: ImageRecord, signer: Signer, predicate_type: str) -> list[Mapping[str, Any]]:
    """The statements whose signatures `gh` has verified."""
    answer = run_tool(
        "gh", "attestation", "verify", f"oci://{record.reference}", "--repo", signer.repository,
        "--signer-workflow", signer.workflow, "--predicate-type", predicate_type, "--format", "json",
        what=f"verify the attestation {predicate_type} of {record.reference}",
    )  # fmt: skip
    try:
        return [item["verificationResult"]["statement"] for item in json.loads(answer)]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("`gh attestation verify` answered nothing that we understand; update gh") from error


def _problem(record: ImageRecord, predicate_type: str, statements: list[Mapping[str, Any]]) -> str | None:
    """What is wrong with the best of the statements, or None where one is as it must be."""
    problems = [_problem_of(record, predicate_type, statement) for statement in statements] or ["is missing"]
    return None if None in problems else problems[0]


def _problem_of(record: ImageRecord, predicate_type: str, statement: Mapping[str, Any]) -> str | None:
    subjects = [(subject.get("digest") or {}).get("sha256") for subject in statement.get("subject", [])]
    if statement.get("predicateType") != predicate_type:
        return "is of another type"
    if record.digest.removeprefix("sha256:") not in subjects:
        return "is about another image"
    predicate = statement.get("predicate") or {}
    if predicate_type == VERDICT and (predicate.get("verdict"), predicate.get("model")) != ("pass", record.model):
        return f"is no pass for the model {record.model[:12]}"
    if predicate_type == PROVENANCE and record.commit not in json.dumps(predicate):
        return f"does not name the commit {record.commit[:12]}"
    return None


# What the statements are; the first two are others' and well known.
PROVENANCE = "https://slsa.dev/provenance/v1"
SBOM = "https://cyclonedx.org/bom"
VERDICT = "urn:lockgate:gate-verdict:1"
SHOWN = ("name", "slice", "value", "low", "high", "op", "threshold", "status")


def verdict_predicate(gate: Mapping[str, Any], gate_sha256: str, commit: str) -> bytes:
    """The predicate: whose verdict it is, under which policy, on which data, and every check that applied.

    Nothing in it differs when the same release runs again.
    """
    checks = [check for check in gate["checks"] if check["status"] != "not-applicable"]
    return readable_json(
        {
            "schema": 1,
            "verdict": gate["verdict"],
            "model": gate["model"],
            "data": gate["data"],
            "policy": gate["policy"],
            "champion": gate["champion"],
            "rows": gate["n"],
            "gate_json": gate_sha256,
            "commit": commit,
            "checks": [{name: check.get(name) for name in SHOWN} for check in checks],
        }
    )
