"""Signing a verdict, and believing one only with its signature: `gate.json` and, beside it, `gate.json.dsse`."""

from __future__ import annotations

import os
import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from lockgate.config.errors import InputError
from lockgate.config.files import read_bytes, readable_json, sha256_bytes
from lockgate.documents.document import read_value, value_to_bytes
from lockgate.documents.gate_json import GateResult
from lockgate.documents.release_json import VerdictStatement
from lockgate.documents.signature_json import (
    GATE_VERDICT,
    PAYLOAD_TYPE,
    STATEMENT_TYPE,
    Digests,
    Envelope,
    Signature,
    Statement,
    Subject,
)

if TYPE_CHECKING:
    from lockgate.signature.ed25519 import SigningKey, VerifyKey

SIGNING_KEY = "LOCKGATE_SIGNING_KEY"
VERIFY_KEY = "LOCKGATE_VERIFY_KEY"
SUBJECT = "manifest.json"
HOW_TO_FIX = "run `lockgate sign` where the key is, or `lockgate pull` what was signed"

_PEM = b"-----BEGIN "
_PUBLIC_KEY = re.compile(rb"-----BEGIN PUBLIC KEY-----[^-]*-----END PUBLIC KEY-----")


def signing_key(stated: str) -> SigningKey:
    """The private key that `stated` is, where it begins as PEM does, or else names the file of.

    Raises InputError where there is none of ed25519.
    """
    pem, where = _pem(stated, SIGNING_KEY)
    key: SigningKey = _ed25519().SigningKey.from_pem(pem, where)
    return key


def signing_key_of_environment() -> SigningKey | None:
    """The private key that LOCKGATE_SIGNING_KEY holds or names; None where it is not set."""
    stated = os.environ.get(SIGNING_KEY)
    return signing_key(stated) if stated else None


def verify_keys(stated: str) -> tuple[VerifyKey, ...]:
    """The public keys that `stated` holds, where it begins as PEM does, or else names the file of: one or more.

    Each of them is trusted, so that a new key can come before the old one goes. Raises InputError where there is none,
    where one is not of ed25519, and where anything else stands between them.
    """
    pem, where = _pem(stated, VERIFY_KEY)
    if b"PRIVATE KEY" in pem:
        raise InputError(f"{where} holds a private key; give the public one, which `openssl pkey -pubout` makes of it")
    blocks = _PUBLIC_KEY.findall(pem)
    if not blocks or _PUBLIC_KEY.sub(b"", pem).strip():
        raise InputError(f"{where} has to hold public keys in PEM, one after the other, and nothing else")
    kind = _ed25519().VerifyKey
    return tuple(kind.from_pem(block, where) for block in blocks)


def verify_keys_of_environment() -> tuple[VerifyKey, ...]:
    """The public keys that LOCKGATE_VERIFY_KEY holds or names; none where it is not set."""
    stated = os.environ.get(VERIFY_KEY)
    return verify_keys(stated) if stated else ()


def _ed25519() -> ModuleType:
    """What needs the package of the extra `signed`, which a service without signatures does not have."""
    from lockgate.signature import ed25519

    return ed25519


def _pem(stated: str, name: str) -> tuple[bytes, str]:
    """The PEM, and what to call it in errors: its path, and never what it holds."""
    if stated.lstrip().encode().startswith(_PEM):
        return stated.strip().encode(), name
    try:
        is_file = Path(stated).is_file()
    except (OSError, ValueError):
        is_file = False
    if not is_file:  # and may be a key without its first line, which no log should have
        raise InputError(f"{name} is neither a key in PEM nor the path of a file that is there")
    return read_bytes(Path(stated), f"{name} is a key in PEM, or the path of one"), stated


def sign_verdict(gate_json: bytes, key: SigningKey, commit: str | None = None) -> bytes:
    """The envelope `gate.json.dsse` of a verdict.

    A signature says that its owner decided this: sign only what was scored and decided here and now. Raises
    GateBlockedError where the verdict is no pass.
    """
    gate = GateResult.read(gate_json, "gate.json")
    gate.require_pass(gate.model, "gate.json")
    said = VerdictStatement(commit=commit, gate_json=sha256_bytes(gate_json), gate=gate)
    statement = Statement(STATEMENT_TYPE, (Subject(SUBJECT, Digests(gate.model)),), GATE_VERDICT, said)
    payload = value_to_bytes(statement)
    signature = Signature(key.verify_key.keyid, b64encode(key.sign(PAYLOAD_TYPE, payload)).decode())
    return value_to_bytes(Envelope(b64encode(payload).decode(), PAYLOAD_TYPE, (signature,)))


def require_signed(
    envelope: bytes, where: str | Path, gate_json: bytes, digest: str, keys: Sequence[VerifyKey]
) -> VerifyKey:
    """The key that signed: one of `keys`, this very gate.json, as a pass for the model `digest`.

    `where` names the envelope in errors; an empty one is none. Raises InputError for anything else: another key, another
    file, another model, an envelope that was edited, that has no signature or several, or that states no verdict.
    """
    if not envelope:
        raise InputError(f"{where} is missing, so nobody signed this verdict; {HOW_TO_FIX}")
    found: Envelope = read_value(envelope, Envelope, where, HOW_TO_FIX)
    if found.payload_type != PAYLOAD_TYPE:
        raise InputError(f"{where} is signed as something else than a statement ({PAYLOAD_TYPE}); {HOW_TO_FIX}")
    if len(found.signatures) != 1:
        raise InputError(f"{where} has {len(found.signatures)} signatures instead of one; {HOW_TO_FIX}")
    payload = _decoded(found.payload, where)
    signature = _decoded(found.signatures[0].sig, where)
    signer = next((key for key in keys if key.verifies(signature, found.payload_type, payload)), None)
    if signer is None:
        trusted = ", ".join(key.keyid[:12] for key in keys)
        raise InputError(
            f"{where} was not signed by a key that is trusted here ({trusted}), or somebody edited it; {HOW_TO_FIX}"
        )
    require_statement(read_value(payload, Statement, where, HOW_TO_FIX), where, gate_json, digest)
    return signer


def require_signed_file(gate: Path, gate_json: bytes, digest: str, keys: Sequence[VerifyKey]) -> VerifyKey:
    """`require_signed` with the envelope beside the file `gate`, whose content is `gate_json`: of its name and `.dsse`."""
    path = gate.with_name(f"{gate.name}.dsse")
    return require_signed(read_bytes(path, f"it has to be signed: {HOW_TO_FIX}"), path, gate_json, digest, keys)


def require_statement(statement: Statement, where: str | Path, gate_json: bytes, digest: str) -> None:
    """Raises InputError unless a statement whose signature was verified says that this gate.json is of the model `digest`."""
    if statement.predicate_type != GATE_VERDICT:
        raise InputError(f"{where} states something else than a verdict ({GATE_VERDICT}); {HOW_TO_FIX}")
    if [subject.digest.sha256 for subject in statement.subject] != [digest]:
        raise InputError(f"{where} is about another model than {digest[:12]}; {HOW_TO_FIX}")
    said = VerdictStatement.read(readable_json(statement.predicate), where, HOW_TO_FIX)
    if said.gate_json != sha256_bytes(gate_json) or said.gate != GateResult.read(gate_json, "gate.json"):
        raise InputError(f"{where} is about another gate.json than the one beside it; {HOW_TO_FIX}")


def _decoded(text: str, where: str | Path) -> bytes:
    """base64 without a second way to write the same bytes."""
    try:
        content = b64decode(text, validate=True)
    except ValueError:
        content = b""
    if b64encode(content).decode() != text:
        raise InputError(f"{where} is damaged (no base64); {HOW_TO_FIX}")
    return content
