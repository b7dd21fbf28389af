"""From a local image that answers rightly to a tag in the registry: find, pack, push, describe, verify, tag."""

from __future__ import annotations

from pathlib import Path

import click

from lockgate.ci.release import containers
from lockgate.ci.release.attestations import Signer, verify_attestations, verify_bundle_attestation
from lockgate.ci.release.containers import pack_image as pack
from lockgate.ci.release.containers import require_labels
from lockgate.ci.release.containers import tag_image as give_tag
from lockgate.ci.release.earlier_image import record_artifact, recorded_image, tagged_image
from lockgate.ci.release.gate_job import GateJob, require_passed
from lockgate.ci.release.image import image_repository
from lockgate.ci.release.releases import read_releases
from lockgate.ci.release.sbom import image_sbom
from lockgate.ci.release.version import STABLE, moving_tags, parse_tag
from lockgate.cli.command import Command, say
from lockgate.cli.release_options import (
    bundle_option,
    commit_option,
    image_option,
    signer_option,
    unattested_option,
    verdict_option,
    work_option,
)
from lockgate.config.errors import InputError
from lockgate.config.files import read_bytes, sha256_bytes, write_file, write_files
from lockgate.documents.gate_json import GateResult
from lockgate.documents.release_json import ImageRecord, VerdictStatement
from lockgate.github.client import open_repository, settings_from_environment
from lockgate.github.step import set_outputs
from lockgate.model.bundle import verify_bundle

RECORD = "image.json"
SBOM = "sbom.cdx.json"
PREDICATE = "verdict.json"


@click.command(cls=Command)
@bundle_option
@verdict_option
@click.option("--result", required=True, help="How the gate's job ended; only success will do.")
@click.option("--said-verdict", required=True, help="The verdict, from the gate job's outputs.")
@click.option("--digest", required=True, help="The digest, from the gate job's outputs.")
@click.option(
    "--verdict-digest", "verdict_sha256", required=True, help="The sha256 of gate.json, from the gate job's outputs."
)
def accept(folder: Path, gate_path: Path, result: str, said_verdict: str, digest: str, verdict_sha256: str) -> None:
    """Check what the gate's job handed over: its result, its outputs, and the files in hand must be one pass."""
    bundle = verify_bundle(folder)
    require_passed(bundle, gate_path, GateJob(result, said_verdict, digest, verdict_sha256))
    say(f"{bundle.digest[:12]} passed its gate")


@click.command(cls=Command)
@click.argument("name")
@image_option
@click.option("--digest", required=True, help="The model's digest.")
@commit_option
@signer_option
@unattested_option
@click.option("--workflow", required=True, help="The file of the workflow that releases, such as release.yml.")
@work_option
def find_image(
    name: str, image: str, digest: str, commit: str, signer_workflow: str, unattested: bool, workflow: str, work: Path
) -> None:
    """Find the image that an earlier attempt at the release NAME made, and write its record.

    Outputs: `found` is tagged, pushed or none; `reference` is the image by digest; `artifact` names the record.
    """
    version, repository = parse_tag(name), image_repository(image)
    settings = settings_from_environment()
    # Where nothing is attested, nothing tells our own tag from somebody else's: only the record does.
    signer = Signer(settings.repository, signer_workflow)
    record = None if unattested else tagged_image(repository, version, digest, commit, signer)
    found = "none" if record is None else "tagged"
    if record is None:
        record = recorded_image(open_repository(settings), settings, repository, version, digest, commit, workflow)
        found = found if record is None else "pushed"
    if record is not None:
        write_file(work / RECORD, record.to_bytes())
    values = {
        "found": found,
        "reference": record.reference if record else "",
        "image": repository,
        "image-digest": record.digest if record else "",
        "artifact": record_artifact(version, digest),
    }
    for line in set_outputs(values):
        say(line)


@click.command(cls=Command)
@click.argument("local")
@image_option
@click.option("--digest", required=True, help="The model's digest.")
@commit_option
@work_option
def pack_image(local: str, image: str, digest: str, commit: str, work: Path) -> None:
    """Pack docker's image LOCAL, so that its digest is known and recorded before anything is pushed."""
    work.mkdir(parents=True, exist_ok=True)
    record = ImageRecord(image=image_repository(image), digest=pack(local, work), model=digest, commit=commit)
    write_file(work / RECORD, record.to_bytes())
    for line in set_outputs({"reference": record.reference, "image-digest": record.digest}):
        say(line)


@click.command(cls=Command)
@work_option
def push_image(work: Path) -> None:
    """Push the packed image by digest, without a tag."""
    record = ImageRecord.read_file(work / RECORD)
    containers.push_image(work, record.image, record.digest)
    containers.require_labels(record.reference, record.model, record.commit)
    say(f"pushed {record.reference}, not tagged yet")


@click.command(cls=Command)
@click.argument("local")
@verdict_option
@work_option
def describe_image(local: str, gate_path: Path, work: Path) -> None:
    """Write what will be attested: the SBOM of docker's image LOCAL, and the gate's verdict."""
    record = ImageRecord.read_file(work / RECORD)
    content = read_bytes(gate_path, GateResult.HOW_TO_FIX)
    gate = GateResult.read(content, gate_path)
    statement = VerdictStatement(commit=record.commit, gate_json=sha256_bytes(content), gate=gate)
    write_files(work, {SBOM: image_sbom(local, record), PREDICATE: statement.to_bytes()})
    say(f"wrote {work / SBOM} and {work / PREDICATE}")


@click.command(cls=Command)
@click.argument("name")
@bundle_option
@verdict_option
@signer_option
@unattested_option
@work_option
def tag_image(name: str, folder: Path, gate_path: Path, signer_workflow: str, unattested: bool, work: Path) -> None:
    """Verify what is attested to the pushed image, then give it the tag NAME, and the moving tags that follow."""
    version, record = parse_tag(name), ImageRecord.read_file(work / RECORD)
    bundle = verify_bundle(folder)
    if bundle.digest != record.model:
        raise InputError(f"{record.reference} is of the model {record.model[:12]}, not {bundle.digest[:12]}")
    gate_json = read_bytes(gate_path, GateResult.HOW_TO_FIX)
    GateResult.read(gate_json, gate_path).require_pass(record.model, gate_path)
    require_labels(record.reference, record.model, record.commit)
    settings = settings_from_environment()
    if not unattested:
        signer = Signer(settings.repository, signer_workflow)
        verify_attestations(record, signer, gate_json)
        verify_bundle_attestation(bundle, gate_json, signer)
        say(f"attested by {signer_workflow}")
    releases = read_releases(open_repository(settings))
    moving = moving_tags(version, releases.published, releases.stable)
    give_tag(record.image, record.digest, version.tag)
    for one in moving:
        give_tag(record.image, record.digest, one, moving=True)
    say(f"{record.reference} is {', '.join([version.tag, *moving])}")
    set_outputs({"stable": str(STABLE in moving).lower(), "tags": " ".join([version.tag, *moving])})
