"""`lockgate promote`: a registered version becomes the champion; of an older one, this is the rollback."""

from __future__ import annotations

from pathlib import Path

import click

from lockgate.cli.command import Command, params_option, say
from lockgate.config.params import read_params
from lockgate.registry.mlflow_client import connect
from lockgate.registry.registry import (
    CHAMPION,
    aliased_version,
    fetched,
    get_version,
    move_alias,
    registry_lock,
    version_uri,
)
from lockgate.registry.stored_verdict import fetch_verdict


@click.command(cls=Command)
@params_option
@click.argument("version", type=click.IntRange(min=1))
def promote(params_path: Path, version: int) -> None:
    """Make VERSION the champion; an older one is a rollback.

    Its bundle and its verdict are fetched and verified before the alias moves.
    """
    name = read_params(params_path).register_.model_name
    client = connect()
    with registry_lock(name):
        chosen = get_version(client, name, version)
        now = aliased_version(client, name, CHAMPION)
        uri = version_uri(client, name, chosen)
        with fetched(uri, chosen.digest):
            fetch_verdict(uri, chosen.digest, chosen.gate)
            move_alias(client, name, CHAMPION, chosen)
    was = f", was {now.number}" if now else ""
    say(f"champion of {name} is version {chosen.number} ({chosen.digest[:12]}){was}")


if __name__ == "__main__":
    promote()
