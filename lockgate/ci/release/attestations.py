"""Whether an image and a bundle have the statements that they need, signed by the workflow that made them: asked of `gh`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lockgate.ci.release.tools import ask_server
from lockgate.config.errors import GateBlockedError, InputError
from lockgate.config.files import sha256_bytes
from lockgate.documents.release_json import ImageRecord, VerdictStatement
from lockgate.documents.signature_json import GATE_VERDICT
from lockgate.model.bundle import MANIFEST, Bundle

# What the statements are, beside the verdict: others' and well known.
PROVENANCE = "https://slsa.dev/provenance/v1"
SBOM = "https://cyclonedx.org/bom"


@dataclass(frozen=True)
class Signer:
    """Whose signatures count: the repository the release is of, and the workflow that built, OWNER/NAME/PATH."""

    repository: str
    workflow: str


class _Digests(msgspec.Struct, frozen=True):
    sha256: str = ""


class _Subject(msgspec.Struct, frozen=True):
    digest: _Digests = _Digests()


class _Statement(msgspec.Struct, frozen=True, rename="camel"):
    """An in-toto statement, as far as we need it."""

    predicate_type: str = ""
    predicate: msgspec.Raw = msgspec.Raw(b"null")
    subject: tuple[_Subject, ...] = ()


class _VerificationResult(msgspec.Struct, frozen=True):
    statement: _Statement


class _Verified(msgspec.Struct, frozen=True, rename="camel"):
    verification_result: _VerificationResult


def verify_attestations(record: ImageRecord, signer: Signer, gate_json: bytes | None = None) -> None:
    """Raises InputError unless provenance, SBOM and the gate's pass are attested to `record` and say what they must.

    With `gate_json`, the pass has to be the one in these bytes.
    """
    sha256 = record.digest.removeprefix("sha256:")
    for predicate_type in (PROVENANCE, SBOM, GATE_VERDICT):
        statements = _attested(f"oci://{record.reference}", signer, predicate_type)

        def problem_of(predicate: bytes, kind: str = predicate_type) -> str | None:
            if kind == GATE_VERDICT:
                return _problem_of_verdict(predicate, record.model, record.commit, gate_json)
            if kind == PROVENANCE and record.commit.encode() not in predicate:
                return f"does not name the commit {record.commit[:12]}"
            return None

        if problem := _problem(statements, predicate_type, sha256, problem_of):
            raise InputError(f"{record.reference}: its attestation {predicate_type} {problem}; nothing is tagged")


def verify_bundle_attestation(bundle: Bundle, gate_json: bytes, signer: Signer) -> None:
    """Raises InputError unless `signer` attested the pass in `gate_json` to the bundle, whose digest is its manifest's sha256."""
    with tempfile.TemporaryDirectory(prefix="lockgate-") as folder:
        manifest = Path(folder) / MANIFEST
        manifest.write_bytes(bundle.contents[MANIFEST])
        statements = _attested(str(manifest), signer, GATE_VERDICT)

    def problem_of(predicate: bytes) -> str | None:
        return _problem_of_verdict(predicate, bundle.digest, None, gate_json)

    if problem := _problem(statements, GATE_VERDICT, bundle.digest, problem_of):
        raise InputError(
            f"the bundle {bundle.digest[:12]}: its attestation {GATE_VERDICT} by {signer.workflow} {problem}; release it again"
        )


def _attested(subject: str, signer: Signer, predicate_type: str) -> list[_Statement]:
    """The statements about an image (oci://...) or a file whose signatures `gh` has verified."""
    output = ask_server(
        "gh", "attestation", "verify", subject, "--repo", signer.repository,
        "--signer-workflow", signer.workflow, "--predicate-type", predicate_type, "--format", "json",
        what=f"verify the attestation {predicate_type} of {subject} by {signer.workflow}",
    )  # fmt: skip
    if not output.strip():  # all that gh does where there are attestations, and none of this type
        return []
    try:
        found = msgspec.json.decode(output, type=list[_Verified])
    except msgspec.MsgspecError as error:
        raise InputError("`gh attestation verify` printed nothing that we understand; update gh") from error
    return [one.verification_result.statement for one in found]


def _problem(
    statements: list[_Statement], predicate_type: str, sha256: str, problem_of: Callable[[bytes], str | None]
) -> str | None:
    """What is wrong with the first of the statements, or None where one is as it must be."""

    def problem(statement: _Statement) -> str | None:
        if statement.predicate_type != predicate_type:
            return "is of another type"
        if sha256 not in {subject.digest.sha256 for subject in statement.subject}:
            return "is about something else"
        return problem_of(bytes(statement.predicate))

    problems = [problem(statement) for statement in statements] or ["is missing"]
    return None if None in problems else problems[0]


def _problem_of_verdict(predicate: bytes, model: str, commit: str | None, gate_json: bytes | None) -> str | None:
    try:
        said = VerdictStatement.read(predicate, "its verdict")
        said.gate.require_pass(model, "its verdict")
    except (InputError, GateBlockedError) as error:
        return f"is no pass for the model {model[:12]}: {error}"
    if commit is not None and said.commit != commit:
        return f"does not name the commit {commit[:12]}"
    if gate_json is not None and said.gate_json != sha256_bytes(gate_json):
        return "is about another gate.json than the one in hand"
    return None
