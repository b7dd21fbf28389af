"""What tests of a release share: a bundle that is only bytes, and verdicts about it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import onnx_models
from verdicts import FAIRNESS, check, verdict

from lockgate.ci.release.gate_job import GateJob
from lockgate.config.files import canonical_json, sha256_bytes, sha256_file
from lockgate.model.bundle import Bundle, verify_bundle

COMMIT = "c0ffee" * 6 + "1234"


def small_bundle(folder: Path, words: str = "one") -> Bundle:
    """A bundle in form only: its model says `words`."""
    return verify_bundle(onnx_models.write_bundle_of(folder, onnx_models.content(doc_string=words)))


def passed_gate(digest: str) -> dict[str, Any]:
    """gate.json of a model that passed."""
    gate: dict[str, Any] = json.loads(
        verdict("pass", check(), FAIRNESS, model=digest, params=small_params()).to_bytes()
    )
    return gate


def small_params() -> str:
    """The identity of the settings of `small_bundle`, which has none."""
    return sha256_bytes(canonical_json({}))


def blocked_gate(digest: str) -> dict[str, Any]:
    """gate.json of a model trained on shuffled labels."""
    gate = passed_gate(digest)
    gate["checks"][0] |= {"value": 0.51, "low": 0.49, "high": 0.53, "status": "block", "reason": "0.51 is below 0.7"}
    return {**gate, "verdict": "block"}


def forged_gate(digest: str) -> dict[str, Any]:
    """The blocked verdict with nothing edited but the word, and the digest right."""
    return {**blocked_gate(digest), "verdict": "pass"}


def carefully_forged_gate(digest: str) -> dict[str, Any]:
    """The blocked verdict with every status edited too, the values left as they were."""
    gate = copy.deepcopy(forged_gate(digest))
    gate["checks"][0]["status"] = "pass"
    return gate


def write_gate(path: Path, gate: dict[str, Any]) -> str:
    """Write it, and its sha256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(gate))
    return sha256_file(path)


def said(digest: str, verdict_sha256: str, /, **changed: str) -> GateJob:
    """What the gate job says of a pass."""
    return GateJob(
        **{"result": "success", "verdict": "pass", "digest": digest, "verdict_sha256": verdict_sha256, **changed}
    )
