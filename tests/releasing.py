"""What tests of a release share: a bundle that is only bytes, and verdicts about it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import onnx_models

from lockgate.ci.release.gate_job import GateJob
from lockgate.config.files import readable_json, sha256_bytes, sha256_file
from lockgate.model.bundle import ONNX_MODEL, REQUIRED_FILES, Bundle, verify_bundle

COMMIT = "c0ffee" * 6 + "1234"


def small_bundle(folder: Path, words: str = "one") -> Bundle:
    """A bundle in form only: its files say `words`, and its model is one."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in REQUIRED_FILES:
        (folder / name).write_text(f"{name} {words}")
    (folder / ONNX_MODEL).write_bytes(onnx_models.content(doc_string=words))
    files = {name: sha256_file(folder / name) for name in sorted(REQUIRED_FILES)}
    manifest = {"schema": 2, "files": files, "training_data": sha256_bytes(b"rows"), "origin": None, "params": {}}
    (folder / "manifest.json").write_bytes(readable_json(manifest))
    return verify_bundle(folder)


def passed_gate(digest: str) -> dict[str, Any]:
    """gate.json of a model that passed."""
    check: dict[str, Any] = {
        "name": "roc_auc floor", "kind": "floor", "metric": "roc_auc", "slice": None, "value": 0.78, "low": 0.77, "high": 0.79,
        "op": ">=", "threshold": 0.7, "status": "pass", "reason": "", "interval": "ok", "confidence": None,
    }  # fmt: skip
    fairness = {
        **check, "name": "adverse_impact_ratio of sex", "kind": "fairness", "metric": "adverse_impact_ratio", "value": 0.7,
        "low": None, "high": None, "threshold": 0.8, "status": "warn", "reason": "below 0.8",
    }  # fmt: skip
    return {
        "schema": 1, "verdict": "pass", "model": digest, "data": sha256_bytes(b"test"), "policy": sha256_bytes(b"policy"),
        "n": 5000, "positives": 1100, "confidence": 0.95, "champion": None, "first_model": False, "predictions": None,
        "decision": {"threshold": 0.25, "favourable": "below"}, "checks": [check, fairness], "decide_on": "point",
        "inconclusive": "block", "slices": None, "operating": [], "stale": [], "source": "compared", "test_set": None,
    }  # fmt: skip


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
