"""`lockgate release roll-back`: an older release in production again."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import click

from lockgate.ci.release.attestations import Signer
from lockgate.ci.release.containers import tag_image
from lockgate.ci.release.image import image_repository
from lockgate.ci.release.releases import mark_in_production, read_releases
from lockgate.ci.release.rollback import promote_model, require_shipped, shipped_release
from lockgate.ci.release.version import STABLE, parse_tag_of
from lockgate.cli.command import Command, params_option, say
from lockgate.cli.release_options import image_option, model_option, signer_option, unattested_option
from lockgate.config.params import read_params
from lockgate.github.client import open_repository, settings_from_environment


@click.command(cls=Command)
@params_option
@click.argument("name")
@model_option
@image_option
@signer_option
@unattested_option
def roll_back(params_path: Path, name: str, model: str, image: str, signer_workflow: str, unattested: bool) -> None:
    """Make the published release NAME the one in production again: image tag, registry alias, latest release.

    Its image and verdict are verified first; nothing is built.
    """
    version = parse_tag_of(model, name)
    settings = settings_from_environment()
    releases = read_releases(open_repository(settings), version.model)
    release, record = shipped_release(releases, version, image_repository(image))
    require_shipped(record, version, None if unattested else Signer(settings.repository, signer_workflow))
    if not unattested:
        say(f"attested by {signer_workflow}")
    tag_image(record.image, record.digest, STABLE, moving=True)
    say(f"{record.image}:{STABLE} is {version.tag} ({record.digest})")
    if os.environ.get("MLFLOW_TRACKING_URI"):
        number = promote_model(read_params(params_path).register_.model_name, record.model)
        say(f"the champion is version {number} ({record.model[:12]})")
    mark_in_production(release, datetime.now(UTC))
    say(f"the release in production is {version.tag}")
