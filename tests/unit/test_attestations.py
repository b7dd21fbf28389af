"""What has to be attested to an image before it gets a tag, from what `gh` prints once it has verified signatures."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from releasing import small_bundle
from verdicts import DIGEST, check, verdict

from lockgate.ci.release import attestations
from lockgate.ci.release.attestations import (
    PROVENANCE,
    SBOM,
    Signer,
    verify_attestations,
    verify_bundle_attestation,
)
from lockgate.config.errors import InputError
from lockgate.config.files import sha256_bytes
from lockgate.documents.gate_json import GateResult
from lockgate.documents.release_json import ImageRecord, VerdictStatement
from lockgate.documents.signature_json import GATE_VERDICT as VERDICT
from lockgate.model.bundle import Bundle

RECORD = ImageRecord(
    image="ghcr.io/acme/credit", digest="sha256:" + "a" * 64, model=DIGEST, commit="c0ffee" * 6 + "1234"
)
SIGNER = Signer("acme/credit", "acme/credit/.github/workflows/attest.yml")
PASSED = verdict("pass", check())
Attested = dict[str, list[dict[str, Any]]]


def statement(predicate_type: str, predicate: object, image: str = "a" * 64) -> dict[str, Any]:
    return {"predicateType": predicate_type, "predicate": predicate, "subject": [{"digest": {"sha256": image}}]}


def attested(**changed: Any) -> Attested:
    """All three, with the verdict's `gate`, its `verdict_commit` or the `commit` exchanged."""
    gate = changed.get("gate", PASSED)
    stated = VerdictStatement(
        commit=changed.get("verdict_commit", RECORD.commit), gate_json=sha256_bytes(gate.to_bytes()), gate=gate
    )
    return {
        PROVENANCE: [statement(PROVENANCE, {"source": changed.get("commit", RECORD.commit)})],
        SBOM: [statement(SBOM, {"components": []})],
        VERDICT: [statement(VERDICT, json.loads(stated.to_bytes()))],
    }


@pytest.fixture
def verify(monkeypatch: pytest.MonkeyPatch) -> Callable[[Attested], None]:
    def run(found: Attested) -> None:
        def gh(*command: str, what: str) -> bytes:
            assert what
            statements = found[command[command.index("--predicate-type") + 1]]
            return json.dumps([{"verificationResult": {"statement": one, "more": 1}} for one in statements]).encode()

        monkeypatch.setattr(attestations, "ask_server", gh)
        verify_attestations(RECORD, SIGNER, PASSED.to_bytes())

    return run


def test_all_three_about_this_image_are_enough(verify: Callable[[Attested], None]) -> None:
    verify(attested())
    others = statement(VERDICT, {}, image="b" * 64)
    verify({**attested(), VERDICT: [others, *attested()[VERDICT]]})


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ({**attested(), SBOM: []}, "is missing"),
        ({**attested(), SBOM: [statement(PROVENANCE, {})]}, "is of another type"),
        ({**attested(), SBOM: [statement(SBOM, {}, image="b" * 64)]}, "is about something else"),
        (attested(commit="f" * 40), "does not name the commit c0ffeec0ffee"),
        (attested(verdict_commit=None), "does not name the commit c0ffeec0ffee"),
        (attested(gate=verdict("pass", check(), data="e5" * 32)), r"is about another gate\.json than the one in hand"),
        (attested(gate=verdict("block", check("block"))), "is no pass for the model .*says block, not pass"),
        (attested(gate=verdict("pass", check("block"))), "is no pass for the model .*is not believed"),
        (attested(gate=verdict("pass", check(), model="f" * 64)), "is a verdict on another model"),
        (
            {**attested(), VERDICT: [statement(VERDICT, {"verdict": "pass", "model": DIGEST})]},
            "unknown key|lacks the key",
        ),
        ({**attested(), VERDICT: [statement(VERDICT, None)]}, "is no pass for the model"),
    ],
)
def test_anything_less_tags_nothing(verify: Callable[[Attested], None], found: Attested, problem: str) -> None:
    with pytest.raises(InputError, match=rf"{problem}.*; nothing is tagged"):
        verify(found)


def test_none_of_this_type_is_said_where_gh_prints_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attestations, "ask_server", lambda *_command, what: b"")
    with pytest.raises(InputError, match="is missing; nothing is tagged"):
        verify_attestations(RECORD, SIGNER)


@pytest.mark.parametrize("output", [b"{}", b"[1]", b'[{"verificationResult": {}}]'])
def test_what_gh_prints_otherwise_is_said(monkeypatch: pytest.MonkeyPatch, output: bytes) -> None:
    monkeypatch.setattr(attestations, "ask_server", lambda *_command, what: output)
    with pytest.raises(InputError, match="update gh"):
        verify_attestations(RECORD, SIGNER)


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the stand-in of `gh` finds what the stand-in of actions/attest records; it verifies no signature."""
    monkeypatch.setenv("PATH", str(Path(__file__).parents[1] / "e2e/release_tools/gh_stand_in"), prepend=os.pathsep)
    monkeypatch.setenv("LOCKGATE_ACT_STATE", str(tmp_path))
    monkeypatch.setenv("GH_TOKEN", "a-token")
    (tmp_path / "attestations").mkdir()
    return tmp_path / "attestations"


def record(folder: Path, bundle: Bundle, gate: GateResult, signer: str = f"{SIGNER.workflow}@refs/heads/main") -> None:
    """What the release's fourth attestation leaves."""
    said = VerdictStatement(commit=RECORD.commit, gate_json=sha256_bytes(gate.to_bytes()), gate=gate)
    inputs = {
        "subject-name": "manifest.json",
        "subject-digest": f"sha256:{bundle.digest}",
        "sbom-path": "",
        "predicate-type": VERDICT,
        "predicate-path-content": json.loads(said.to_bytes()),
        "repository": "acme/credit",
        "signer": signer,
    }
    (folder / "001.json").write_text(json.dumps(inputs))


def test_a_bundle_needs_no_image_to_be_attested(records: Path, tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path / "models")
    passed = verdict("pass", check(), model=bundle.digest)
    record(records, bundle, passed)
    verify_bundle_attestation(bundle, passed.to_bytes(), SIGNER)


def test_a_bundle_that_nobody_attested_is_refused(records: Path, tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path / "models")
    passed = verdict("pass", check(), model=bundle.digest)
    with pytest.raises(InputError, match=r"cannot verify the attestation .* by acme/credit/.*no attestations found"):
        verify_bundle_attestation(bundle, passed.to_bytes(), SIGNER)
    record(records, bundle, passed)
    with pytest.raises(InputError, match="no attestations found"):
        verify_bundle_attestation(bundle, passed.to_bytes(), Signer("somebody/else", SIGNER.workflow))


@pytest.mark.parametrize(
    "signer",
    [
        "acme/credit/.github/workflows/other.yml@refs/heads/main",
        "mallory/lockgate/.github/workflows/attest.yml@refs/heads/main",
        "mallory/acme/credit/.github/workflows/attest.yml@refs/heads/main",
    ],
)
def test_a_signer_other_than_ours_is_refused(records: Path, tmp_path: Path, signer: str) -> None:
    bundle = small_bundle(tmp_path / "models")
    passed = verdict("pass", check(), model=bundle.digest)
    record(records, bundle, passed, signer)
    with pytest.raises(InputError, match="no matching certificate identity"):
        verify_bundle_attestation(bundle, passed.to_bytes(), SIGNER)


@pytest.mark.parametrize(
    ("attested_gate", "problem"),
    [
        ({"data": "e5" * 32}, r"is about another gate\.json than the one in hand; release it again"),
        ({"model": "f" * 64}, "is a verdict on another model"),
        ({"verdict": "block"}, "says block, not pass"),
    ],
)
def test_a_bundle_whose_attestation_says_something_else_is_refused(
    records: Path, tmp_path: Path, attested_gate: dict[str, Any], problem: str
) -> None:
    bundle = small_bundle(tmp_path / "models")
    passed = verdict("pass", check(), model=bundle.digest)
    record(records, bundle, replace(passed, **attested_gate))
    with pytest.raises(InputError, match=rf"the bundle {bundle.digest[:12]}: .*{problem}"):
        verify_bundle_attestation(bundle, passed.to_bytes(), SIGNER)
