"""Options that several steps of a release share."""

from __future__ import annotations

from pathlib import Path

import click

from lockgate.config import layout

bundle_option = click.option(
    "--bundle", "folder", type=click.Path(path_type=Path), default=layout.MODELS, show_default=True, help="The bundle."
)
verdict_option = click.option(
    "--verdict", "gate_path", type=click.Path(path_type=Path), default=layout.GATE, show_default=True, help="gate.json."
)
model_option = click.option("--name", "model", default="", help="The model's name, where the repository has several.")
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
