"""What has to be attested to an image before it gets a tag, from what `gh` prints once it has verified signatures."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from verdicts import DIGEST, check, verdict

from lockgate.ci.release import attestations
from lockgate.ci.release.attestations import PROVENANCE, SBOM, VERDICT, Signer, verify_attestations
from lockgate.config.errors import InputError
from lockgate.documents.release_json import ImageRecord, VerdictStatement

RECORD = ImageRecord(
    image="ghcr.io/acme/credit", digest="sha256:" + "a" * 64, model=DIGEST, commit="c0ffee" * 6 + "1234"
)
SIGNER = Signer("acme/credit", "acme/credit/.github/workflows/image.yml")
PASSED = verdict("pass", check())
Attested = dict[str, list[dict[str, Any]]]


def statement(predicate_type: str, predicate: object, image: str = "a" * 64) -> dict[str, Any]:
    return {"predicateType": predicate_type, "predicate": predicate, "subject": [{"digest": {"sha256": image}}]}


def attested(**changed: Any) -> Attested:
    """All three, with the verdict's `gate` or the `commit` exchanged."""
    gate = changed.get("gate", PASSED)
    stated = VerdictStatement(commit=RECORD.commit, gate_json="d" * 64, gate=gate)
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

        monkeypatch.setattr(attestations, "run_tool", gh)
        verify_attestations(RECORD, SIGNER)

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
        ({**attested(), SBOM: [statement(SBOM, {}, image="b" * 64)]}, "is about another image"),
        (attested(commit="f" * 40), "does not name the commit c0ffeec0ffee"),
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


@pytest.mark.parametrize("output", [b"", b"{}", b"[1]", b'[{"verificationResult": {}}]'])
def test_what_gh_prints_otherwise_is_said(monkeypatch: pytest.MonkeyPatch, output: bytes) -> None:
    monkeypatch.setattr(attestations, "run_tool", lambda *_command, what: output)
    with pytest.raises(InputError, match="update gh"):
        verify_attestations(RECORD, SIGNER)
