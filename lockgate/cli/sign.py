"""`lockgate sign`: the verdict with a signature, by whoever scored and decided."""

from __future__ import annotations

import click

from lockgate.cli.command import Command
from lockgate.cli.stage import stage_options
from lockgate.project import Project
from lockgate.signature.signed_verdict import SIGNING_KEY


@click.command(cls=Command)
@click.option(
    "--key",
    envvar=SIGNING_KEY,
    show_envvar=True,
    required=True,
    help="The private ed25519 key: the path of a file in PEM, or in the variable the PEM itself.",
)
@stage_options
def sign(project: Project, key: str) -> None:
    """Score and decide once more, and sign the verdict: write reports/gate.json.dsse.

    `lockgate gate` decides on predictions that lie on the disk, so it does not sign. Give the key to a job in which none of
    the project's code has run. `lockgate register` signs by itself where the variable is set.

    \b
    Examples:
        openssl genpkey -algorithm ed25519 -out signing.pem
        openssl pkey -in signing.pem -pubout -out verify.pem
        lockgate sign --key signing.pem
    """
    project.sign_verdict(key)


if __name__ == "__main__":
    sign()
