"""Options that several steps of a release share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from lockgate.cli.command import check_name
from lockgate.config import layout

bundle_option = click.option(
    "--bundle", "folder", type=click.Path(path_type=Path), default=layout.MODELS, show_default=True, help="The bundle."
)
verdict_option = click.option(
    "--verdict", "gate_path", type=click.Path(path_type=Path), default=layout.GATE, show_default=True, help="gate.json."
)
model_option = click.option(
    "--name",
    "model",
    default="",
    callback=check_name,
    help="The model's name, where the repository has several; NAME is the release's.",
)
commit_option = click.option("--commit", envvar="GITHUB_SHA", required=True, help="The commit; GITHUB_SHA by default.")
branch_option = click.option(
    "--default-branch", envvar="LOCKGATE_DEFAULT_BRANCH", default="main", show_default=True, help="The default branch."
)
image_option = click.option("--image", required=True, help="The image's repository, such as ghcr.io/owner/name.")
work_option = click.option(
    "--work", type=click.Path(path_type=Path), required=True, help="Folder for what goes from step to step."
)
signer_option = click.option(
    "--signer-workflow", required=True, help="The workflow whose signatures count: OWNER/NAME/.github/workflows/FILE."
)
unattested_option = click.option(
    "--unattested", is_flag=True, help="Do not require attestations: GitHub has none for this repository."
)

Decorated = TypeVar("Decorated", bound=Callable[..., object])


def pushed_image_options(command: Decorated) -> Decorated:
    """What says of the release NAME which image was pushed for which bundle, and whose signatures count."""
    options = (work_option, unattested_option, signer_option, verdict_option, bundle_option, click.argument("name"))
    for option in options:
        command = option(command)
    return command
