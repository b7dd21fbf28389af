"""From a pass to an image that is pushed by digest: log in, accept, find, pack, push, describe."""

from __future__ import annotations

from pathlib import Path

import click

from lockgate.ci.release import containers
from lockgate.ci.release.attestations import Signer
from lockgate.ci.release.containers import pack_image as pack
from lockgate.ci.release.earlier_image import tagged_image
from lockgate.ci.release.gate_job import GateJob, require_passed
from lockgate.ci.release.image import image_repository
from lockgate.ci.release.releases import read_releases
from lockgate.ci.release.sbom import image_sbom
from lockgate.ci.release.version import parse_tag
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
@image_option
@click.option("--username", required=True, help="Who logs in.")
@click.option(
    "--password", envvar="LOCKGATE_REGISTRY_PASSWORD", required=True, help="Better given as LOCKGATE_REGISTRY_PASSWORD."
)
@click.option(
    "--credentials",
    envvar="REGISTRY_AUTH_FILE",
    type=click.Path(path_type=Path),
    required=True,
    help="The file for what the registry gave; REGISTRY_AUTH_FILE by default.",
)
def log_in(image: str, username: str, password: str, credentials: Path) -> None:
    """Log in to the image's registry."""
    credentials.parent.mkdir(parents=True, exist_ok=True)
    containers.log_in(image_repository(image), username, password, credentials)


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
@work_option
def find_image(
    name: str, image: str, digest: str, commit: str, signer_workflow: str, unattested: bool, work: Path
) -> None:
    """Find the image that has the tag of the release NAME already, and write its record.

    Outputs: `found` is true or false, `reference` the image by digest.
    """
    version, settings = parse_tag(name), settings_from_environment()
    signer = None if unattested else Signer(settings.repository, signer_workflow)
    releases = read_releases(open_repository(settings), version.model)
    record = tagged_image(image_repository(image), version, digest, commit, signer, releases)
    if record is not None:
        write_file(work / RECORD, record.to_bytes())
    for line in set_outputs({"found": record is not None, "reference": record.reference if record else ""}):
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
    say(f"packed {record.reference}")


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
    set_outputs({"image": record.image, "image-digest": record.digest})
