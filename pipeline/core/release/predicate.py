"""The gate's verdict as a statement about an image, to be signed with its digest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.core.common.files import readable_json

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
