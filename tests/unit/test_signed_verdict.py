"""A signed verdict is believed by its signature alone: each thing that is wrong with one is a refusal of its own."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import require, sample
from verdicts import DIGEST, check, verdict

from lockgate.config.errors import GateBlockedError, InputError
from lockgate.documents.signature_json import GATE_VERDICT, PAYLOAD_TYPE
from lockgate.signature.ed25519 import SigningKey, VerifyKey, pre_authentication_encoding
from lockgate.signature.signed_verdict import require_signed, sign_verdict, signing_key, verify_keys

GATE = verdict("pass", check()).to_bytes()
WHERE = "gate.json.dsse"


def openssl(*arguments: str | Path) -> bytes:
    """What it prints."""
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with keys that openssl made: `a.pem` and `b.pem`, their public halves, and keys of other kinds."""
    require("openssl")
    folder = tmp_path_factory.mktemp("keys")
    for name in ("a", "b"):
        openssl("genpkey", "-algorithm", "ed25519", "-out", folder / f"{name}.pem")
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", folder / "other.pem")
    for name in ("a", "b", "other"):
        openssl("pkey", "-in", folder / f"{name}.pem", "-pubout", "-out", folder / f"{name}.pub")
    openssl("pkey", "-in", folder / "a.pem", "-aes256", "-passout", "pass:x", "-out", folder / "locked.pem")
    return folder


@pytest.fixture
def key(pems: Path) -> SigningKey:
    return signing_key(str(pems / "a.pem"))


@pytest.fixture
def trusted(pems: Path) -> tuple[VerifyKey, ...]:
    return verify_keys(str(pems / "a.pub"))


def test_what_was_signed_is_believed_and_its_signer_named(key: SigningKey, trusted: tuple[VerifyKey, ...]) -> None:
    signer = require_signed(sign_verdict(GATE, key), WHERE, GATE, DIGEST, trusted)
    assert signer.keyid == key.verify_key.keyid


def test_signing_twice_gives_the_same_bytes(key: SigningKey) -> None:
    assert sign_verdict(GATE, key, "c" * 40) == sign_verdict(GATE, key, "c" * 40)


def test_only_a_pass_is_signed(key: SigningKey) -> None:
    with pytest.raises(GateBlockedError):
        sign_verdict(verdict("block", check("block")).to_bytes(), key)


def test_openssl_verifies_our_envelope_and_makes_the_same_one(pems: Path, key: SigningKey, tmp_path: Path) -> None:
    """An implementation that shares nothing with ours but the two specifications."""
    envelope = json.loads(sign_verdict(GATE, key))
    payload, signature = base64.b64decode(envelope["payload"]), base64.b64decode(envelope["signatures"][0]["sig"])
    kind = envelope["payloadType"]
    signed = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
    (tmp_path / "signed").write_bytes(signed)
    (tmp_path / "signature").write_bytes(signature)
    verify = ("pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", pems / "a.pub", "-in", tmp_path / "signed")
    assert b"Signature Verified Successfully" in openssl(*verify, "-sigfile", tmp_path / "signature")
    assert openssl("pkeyutl", "-sign", "-rawin", "-inkey", pems / "a.pem", "-in", tmp_path / "signed") == signature
    der = openssl("pkey", "-pubin", "-in", pems / "a.pub", "-outform", "DER")
    (tmp_path / "der").write_bytes(der)
    assert envelope["signatures"][0]["keyid"] in openssl("dgst", "-sha256", tmp_path / "der").decode()


def test_the_encoding_is_the_specifications() -> None:
    """The example of the protocol's own text."""
    encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_the_statement_is_about_the_manifest_as_the_tools_of_in_toto_have_it(key: SigningKey) -> None:
    statement = json.loads(base64.b64decode(json.loads(sign_verdict(GATE, key, "c" * 40))["payload"]))
    assert (statement["_type"], statement["predicateType"]) == ("https://in-toto.io/Statement/v1", GATE_VERDICT)
    assert statement["subject"] == [{"name": "manifest.json", "digest": {"sha256": DIGEST}}]
    assert statement["predicate"]["gate"] == json.loads(GATE)
    assert statement["predicate"]["commit"] == "c" * 40


Edit = Callable[[dict[str, Any]], object]


def edited_statement(key: SigningKey, **changes: Any) -> bytes:
    """An envelope that the right key signed, around another statement."""
    envelope = json.loads(sign_verdict(GATE, key))
    payload = json.dumps(json.loads(base64.b64decode(envelope["payload"])) | changes).encode()
    return sealed(key, payload)


def sealed(key: SigningKey, payload: bytes, kind: str = PAYLOAD_TYPE) -> bytes:
    signature = {"keyid": key.verify_key.keyid, "sig": base64.b64encode(key.sign(kind, payload)).decode()}
    envelope = {"payload": base64.b64encode(payload).decode(), "payloadType": kind, "signatures": [signature]}
    return json.dumps(envelope).encode()


def other_payload(envelope: dict[str, Any]) -> None:
    """The statement with one letter changed."""
    payload = base64.b64decode(envelope["payload"]).replace(b'"schema": 1', b'"schema":  1', 1)
    envelope["payload"] = base64.b64encode(payload).decode()


def flipped_signature(envelope: dict[str, Any]) -> None:
    content = bytearray(base64.b64decode(envelope["signatures"][0]["sig"]))
    content[5] ^= 1
    envelope["signatures"][0]["sig"] = base64.b64encode(content).decode()


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (other_payload, "not signed by a key that is trusted here"),
        (flipped_signature, "not signed by a key that is trusted here"),
        (lambda one: one.update(payloadType="application/json"), "signed as something else than a statement"),
        (lambda one: one.update(signatures=[]), "has 0 signatures instead of one"),
        (lambda one: one["signatures"].append(one["signatures"][0]), "has 2 signatures instead of one"),
        (lambda one: one["signatures"][0].update(sig=""), "not signed by a key that is trusted here"),
        (lambda one: one.update(payload=one["payload"] + "===="), "`$.payload`"),
        (lambda one: one.update(payload=one["payload"].rstrip("=")[:-1]), "is damaged"),
        (lambda one: one.update(more=1), "unknown key `more`"),
        (lambda one: one.pop("signatures"), "lacks the key `$.signatures`"),
    ],
)
def test_an_edited_envelope_is_refused(
    key: SigningKey, trusted: tuple[VerifyKey, ...], edit: Edit, problem: str
) -> None:
    envelope = json.loads(sign_verdict(GATE, key))
    edit(envelope)
    with pytest.raises(InputError) as refusal:
        require_signed(json.dumps(envelope).encode(), WHERE, GATE, DIGEST, trusted)
    assert str(refusal.value).startswith(f"{WHERE} ")
    assert problem in str(refusal.value)
    assert str(refusal.value).endswith("or `lockgate pull` what was signed")


def test_no_changed_byte_is_believed_unless_it_changes_nothing_that_is_signed(
    key: SigningKey, trusted: tuple[VerifyKey, ...]
) -> None:
    good = sign_verdict(GATE, key)
    changes = sample(((at, 1 << bit) for at in range(len(good)) for bit in range(8)), 400)
    refused = 0
    for at, flipped in changes:
        changed = good[:at] + bytes([good[at] ^ flipped]) + good[at + 1 :]
        try:
            require_signed(changed, WHERE, GATE, DIGEST, trusted)
        except InputError:
            refused += 1
            continue
        unsigned = json.loads(good)
        unsigned["signatures"][0]["keyid"] = json.loads(changed)["signatures"][0]["keyid"]
        assert json.loads(changed) == unsigned, (at, flipped)  # the hint, or white space
    assert refused > 0.9 * len(changes)


def test_a_missing_envelope_is_refused(trusted: tuple[VerifyKey, ...]) -> None:
    with pytest.raises(InputError, match=r"gate\.json\.dsse is missing, so nobody signed"):
        require_signed(b"", WHERE, GATE, DIGEST, trusted)


def test_a_key_that_is_not_trusted_is_refused(pems: Path, key: SigningKey) -> None:
    with pytest.raises(InputError, match="not signed by a key that is trusted here"):
        require_signed(sign_verdict(GATE, key), WHERE, GATE, DIGEST, verify_keys(str(pems / "b.pub")))


def test_the_hint_whose_key_it_was_convinces_nobody(pems: Path, key: SigningKey) -> None:
    """An attacker's signature under the trusted key's name; and the trusted key's under another name, which counts."""
    trusted = verify_keys(str(pems / "b.pub"))
    envelope = json.loads(sign_verdict(GATE, key))
    envelope["signatures"][0]["keyid"] = trusted[0].keyid
    with pytest.raises(InputError, match="not signed by a key that is trusted here"):
        require_signed(json.dumps(envelope).encode(), WHERE, GATE, DIGEST, trusted)
    assert require_signed(json.dumps(envelope).encode(), WHERE, GATE, DIGEST, verify_keys(str(pems / "a.pub")))


@pytest.mark.parametrize(
    ("gate", "digest", "problem"),
    [
        (GATE + b"\n", DIGEST, "another gate.json than the one beside it"),
        (verdict("pass", check(), data="e5" * 32).to_bytes(), DIGEST, "another gate.json than the one beside it"),
        (GATE, "f" * 64, "about another model than ffffffffffff"),
    ],
)
def test_a_signature_of_something_else_is_refused(
    key: SigningKey, trusted: tuple[VerifyKey, ...], gate: bytes, digest: str, problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        require_signed(sign_verdict(GATE, key), WHERE, gate, digest, trusted)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"predicateType": "https://slsa.dev/provenance/v1"}, "states something else than a verdict"),
        ({"_type": "https://in-toto.io/Statement/v0.1"}, "`$._type`"),
        ({"subject": []}, "`$.subject`"),
        ({"subject": [{"name": "x", "digest": {"sha256": "f" * 64}}]}, "about another model"),
        (
            {"subject": [{"name": name, "digest": {"sha256": DIGEST}} for name in ("x", "y")]},
            "about another model",
        ),
        ({"predicate": {}}, "lacks the key"),
        ({"predicate": None}, "`$`"),
    ],
)
def test_the_right_key_under_another_statement_is_refused(
    key: SigningKey, trusted: tuple[VerifyKey, ...], changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InputError) as refusal:
        require_signed(edited_statement(key, **changes), WHERE, GATE, DIGEST, trusted)
    assert problem in str(refusal.value)


def test_a_statement_that_names_gate_json_and_holds_another_verdict_is_refused(
    key: SigningKey, trusted: tuple[VerifyKey, ...]
) -> None:
    said = json.loads(base64.b64decode(json.loads(sign_verdict(GATE, key))["payload"]))["predicate"]
    other = {**said, "gate": {**said["gate"], "n": said["gate"]["n"] + 1}}
    with pytest.raises(InputError, match=r"another gate\.json"):
        require_signed(edited_statement(key, predicate=other), WHERE, GATE, DIGEST, trusted)


def test_a_signature_over_the_payload_without_its_type_is_none(key: SigningKey, trusted: tuple[VerifyKey, ...]) -> None:
    envelope = json.loads(sign_verdict(GATE, key))
    payload = base64.b64decode(envelope["payload"])
    for signed in (payload, pre_authentication_encoding("application/json", payload)):
        envelope["signatures"][0]["sig"] = base64.b64encode(key.key.sign(signed)).decode()
        with pytest.raises(InputError, match="not signed by a key that is trusted here"):
            require_signed(json.dumps(envelope).encode(), WHERE, GATE, DIGEST, trusted)


def test_several_keys_are_trusted_while_one_replaces_the_other(pems: Path) -> None:
    both = (pems / "a.pub").read_text() + (pems / "b.pub").read_text()
    for name in ("a", "b"):
        envelope = sign_verdict(GATE, signing_key((pems / f"{name}.pem").read_text()))
        assert require_signed(envelope, WHERE, GATE, DIGEST, verify_keys(both))


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("a.pub", "holds no private key in PEM"),
        ("other.pem", "another kind than ed25519"),
        ("locked.pem", "has a passphrase|with a passphrase"),
    ],
)
def test_a_key_that_cannot_sign_is_refused_by_its_name(pems: Path, name: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as refusal:
        signing_key(str(pems / name))
    assert str(pems / name) in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("a.pem", "holds a private key; give the public one"),
        ("other.pub", "another kind than ed25519"),
    ],
)
def test_a_key_that_cannot_be_trusted_is_refused_by_its_name(pems: Path, name: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as refusal:
        verify_keys(str(pems / name))
    assert str(pems / name) in str(refusal.value)


def test_one_wrong_word_among_the_public_keys_is_refused(pems: Path) -> None:
    good = (pems / "a.pub").read_text()
    for bad, problem in (
        (f"{good}and more", "has to hold public keys in PEM, one after the other, and nothing else"),
        (f"{good}-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "holds no public key in PEM"),
    ):
        with pytest.raises(InputError, match=f"LOCKGATE_VERIFY_KEY {problem}"):
            verify_keys(bad)


def test_a_path_that_leads_nowhere_is_refused_and_not_repeated(pems: Path) -> None:
    """It may be a key that somebody pasted without its first line."""
    body = (pems / "a.pem").read_text().splitlines()[1]
    for stated in (str(pems / "absent.pem"), body, body * 100, "a\0b"):
        for read, name in ((signing_key, "LOCKGATE_SIGNING_KEY"), (verify_keys, "LOCKGATE_VERIFY_KEY")):
            with pytest.raises(InputError) as refusal:
                read(stated)
            assert str(refusal.value) == f"{name} is neither a key in PEM nor the path of a file that is there"


def test_a_private_key_in_the_variable_is_never_repeated(pems: Path) -> None:
    broken = (pems / "a.pem").read_text().replace("M", "N")
    with pytest.raises(InputError) as refusal:
        signing_key(broken)
    assert str(refusal.value).startswith("LOCKGATE_SIGNING_KEY holds no private key")
    assert broken.splitlines()[1] not in str(refusal.value)
    assert broken.splitlines()[1] not in repr(signing_key(str(pems / "a.pem")))
