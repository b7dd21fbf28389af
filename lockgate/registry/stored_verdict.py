"""What a version was accepted on, stored beside its bundle: gate.json always; its signature, drift.json and the report if any.

The sha256 of gate.json is a tag of the version, so that a verdict cannot be exchanged in the store unseen.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lockgate.config.credentials import safe_url
from lockgate.config.errors import GateBlockedError, InputError
from lockgate.config.files import sha256_bytes, write_files
from lockgate.documents.gate_json import GateResult
from lockgate.model.bundle import VERDICT, VERDICT_ENVELOPE
from lockgate.registry.artifacts import download_files
from lockgate.registry.mlflow_client import mlflow_errors
from lockgate.signature.signed_verdict import require_signed, verify_keys_of_environment

if TYPE_CHECKING:
    from lockgate.signature.ed25519 import VerifyKey

FOLDER = "evidence"
GATE_TAG = "lockgate.gate"
HOW_TO_FIX = "run `lockgate register` again where the bundle and its passed gate.json are"


def store_files(client: Any, model_id: str, evidence: Mapping[str, bytes]) -> str:
    """Put the files beside the logged model's bundle; the sha256 of gate.json, for the version's tag."""
    with tempfile.TemporaryDirectory(prefix="lockgate-") as folder:
        write_files(Path(folder) / FOLDER, evidence)
        with mlflow_errors():
            client.log_model_artifacts(model_id, folder)
    return sha256_bytes(evidence[VERDICT])


@dataclass(frozen=True)
class StoredVerdict:
    """The gate.json that a version was registered with, the gate.json.dsse beside it, and who signed, where that was asked."""

    gate_json: bytes
    envelope: bytes | None
    signer: VerifyKey | None


def fetch_verdict(uri: str, digest: str, sha256: str) -> StoredVerdict:
    """The gate.json stored among the artifacts at `uri`, with this sha256: a pass for the bundle `digest`.

    Where LOCKGATE_VERIFY_KEY names keys, one of them has to have signed it. Raises InputError where it is absent, another
    one, no pass that its own checks bear out, or not signed as asked.
    """
    shown = safe_url(uri)
    if not sha256:
        raise InputError(f"the version at {shown} was registered without its gate.json; {HOW_TO_FIX}")
    files = download_files(uri, FOLDER)
    content, envelope = files.get(VERDICT), files.get(VERDICT_ENVELOPE)
    if content is None:
        raise InputError(f"the gate.json of the version at {shown} is gone from the store; {HOW_TO_FIX}")
    if sha256_bytes(content) != sha256:
        raise InputError(f"the gate.json stored at {shown} is not the one that was registered; {HOW_TO_FIX}")
    where = f"the gate.json stored at {shown}"
    try:
        GateResult.read(content, where, HOW_TO_FIX).require_pass(digest, where, HOW_TO_FIX)
    except GateBlockedError as blocked:
        raise InputError(str(blocked)) from None
    keys = verify_keys_of_environment()
    signer = (
        require_signed(envelope or b"", f"the {VERDICT_ENVELOPE} at {shown}", content, digest, keys) if keys else None
    )
    return StoredVerdict(content, envelope, signer)


def is_signed(uri: str) -> bool:
    """Whether a signature, whosesoever, is stored among the artifacts at `uri`."""
    return VERDICT_ENVELOPE in download_files(uri, FOLDER)
