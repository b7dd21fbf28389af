"""What moves production, after somebody approved it: who was asked, what is verified, which tags move."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import click

from lockgate.ci.release.approval import approval_words
from lockgate.ci.release.attestations import Signer, verify_attestations, verify_bundle_attestation
from lockgate.ci.release.containers import require_labels
from lockgate.ci.release.containers import tag_image as give_tag
from lockgate.ci.release.releases import read_releases
from lockgate.ci.release.version import STABLE, ReleaseVersion, moving_tags, parse_tag
from lockgate.cli.command import Command, say
from lockgate.cli.release_image import RECORD
from lockgate.cli.release_options import pushed_image_options
from lockgate.config.errors import InputError
from lockgate.config.files import read_bytes
from lockgate.documents.gate_json import GateResult
from lockgate.documents.release_json import ImageRecord
from lockgate.github.client import open_repository, settings_from_environment
from lockgate.github.step import add_summary, set_outputs
from lockgate.model.bundle import verify_bundle


@click.command(cls=Command)
@click.argument("environment")
def approval(environment: str) -> None:
    """State in the log and the summary whether somebody had to approve before this job of ENVIRONMENT began."""
    words = approval_words(open_repository(settings_from_environment()), environment)
    add_summary(words)
    say(words)


class Verified(NamedTuple):
    """A release whose image and bundle were verified, and the moving tags that it takes."""

    version: ReleaseVersion
    record: ImageRecord
    moving: tuple[str, ...]


def _verified(name: str, folder: Path, gate_path: Path, signer_workflow: str, unattested: bool, work: Path) -> Verified:
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
    releases = read_releases(open_repository(settings), version.model)
    return Verified(version, record, moving_tags(version, releases.published, releases.stable))


@click.command(cls=Command)
@pushed_image_options
def verify_image(name: str, folder: Path, gate_path: Path, signer_workflow: str, unattested: bool, work: Path) -> None:
    """Verify what is attested to the pushed image of the release NAME and to its bundle; nothing is moved.

    Output: `stable` is true where the release becomes the one in production.
    """
    found = _verified(name, folder, gate_path, signer_workflow, unattested, work)
    set_outputs({"stable": STABLE in found.moving})


@click.command(cls=Command)
@pushed_image_options
def tag_image(name: str, folder: Path, gate_path: Path, signer_workflow: str, unattested: bool, work: Path) -> None:
    """Verify the image of the release NAME once more, then give it the version's tag and the moving tags that follow."""
    version, record, moving = _verified(name, folder, gate_path, signer_workflow, unattested, work)
    give_tag(record.image, record.digest, version.image_tag)
    for one in moving:
        give_tag(record.image, record.digest, one, moving=True)
    tags = ", ".join([version.image_tag, *moving])
    say(f"{record.reference} is {tags}")
    add_summary(f"**{version.tag}** is `{record.reference}`, tagged {tags}.")
