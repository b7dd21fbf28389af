"""Whether an image has the statements that a release needs, signed by the workflow that made it: asked of `gh`."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from lockgate.ci.release.tools import run_tool
from lockgate.config.errors import GateBlockedError, InputError
from lockgate.documents.release_json import ImageRecord, VerdictStatement

# What the statements are; the first two are others' and well known.
PROVENANCE = "https://slsa.dev/provenance/v1"
SBOM = "https://cyclonedx.org/bom"
VERDICT = "urn:lockgate:gate-verdict:2"


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


def verify_attestations(record: ImageRecord, signer: Signer) -> None:
    """Raises InputError unless provenance, SBOM and the gate's pass are attested to `record` and say what they must."""
    for predicate_type in (PROVENANCE, SBOM, VERDICT):
        problem = _problem(record, predicate_type, _attested(record, signer, predicate_type))
        if problem:
            raise InputError(f"{record.reference}: its attestation {predicate_type} {problem}; nothing is tagged")


def _attested(record: ImageRecord, signer: Signer, predicate_type: str) -> list[_Statement]:
    """The statements whose signatures `gh` has verified."""
    output = run_tool(
        "gh", "attestation", "verify", f"oci://{record.reference}", "--repo", signer.repository,
        "--signer-workflow", signer.workflow, "--predicate-type", predicate_type, "--format", "json",
        what=f"verify the attestation {predicate_type} of {record.reference}",
    )  # fmt: skip
    try:
        found = msgspec.json.decode(output, type=list[_Verified])
    except msgspec.MsgspecError as error:
        raise InputError("`gh attestation verify` printed nothing that we understand; update gh") from error
    return [one.verification_result.statement for one in found]


def _problem(record: ImageRecord, predicate_type: str, statements: list[_Statement]) -> str | None:
    """What is wrong with the best of the statements, or None where one is as it must be."""
    problems = [_problem_of(record, predicate_type, statement) for statement in statements] or ["is missing"]
    return None if None in problems else problems[0]


def _problem_of(record: ImageRecord, predicate_type: str, statement: _Statement) -> str | None:
    if statement.predicate_type != predicate_type:
        return "is of another type"
    if record.digest.removeprefix("sha256:") not in {subject.digest.sha256 for subject in statement.subject}:
        return "is about another image"
    if predicate_type == VERDICT:
        return _problem_of_verdict(record, bytes(statement.predicate))
    if predicate_type == PROVENANCE and record.commit.encode() not in bytes(statement.predicate):
        return f"does not name the commit {record.commit[:12]}"
    return None


def _problem_of_verdict(record: ImageRecord, predicate: bytes) -> str | None:
    try:
        VerdictStatement.read(predicate, "its verdict").gate.require_pass(record.model, "its verdict")
    except (InputError, GateBlockedError) as error:
        return f"is no pass for the model {record.model[:12]}: {error}"
    return None
