"""`lockgate pull`: the champion's bundle and its verdict, verified, into models/."""

from __future__ import annotations

from pathlib import Path

import click

from lockgate.cli.command import Command, params_option, say
from lockgate.config import layout
from lockgate.config.files import staged_files
from lockgate.config.params import read_params
from lockgate.model.bundle import MANIFEST, PROVENANCE, VERDICT
from lockgate.registry.mlflow_client import connect
from lockgate.registry.provenance import make_provenance
from lockgate.registry.registry import fetched, required_champion, version_uri
from lockgate.registry.stored_verdict import fetch_verdict


@click.command(cls=Command)
@params_option
def pull(params_path: Path) -> None:
    """Bring the champion's bundle into models/, verified, and the gate.json that it was registered with.

    Nothing there changes unless every file of it has the content that was registered, and the verdict is a pass for it.
    """
    name = read_params(params_path).register_.model_name
    client = connect()
    version = required_champion(client, name)
    uri = version_uri(client, name, version)
    with fetched(uri, version.digest) as bundle, staged_files(layout.MODELS) as stage:
        (stage / VERDICT).write_bytes(fetch_verdict(uri, version.digest, version.gate))
        for file in [*bundle.files, MANIFEST]:
            (stage / file).write_bytes(bundle.contents[file])
        (stage / PROVENANCE).write_bytes(
            make_provenance(version.digest, mlflow_run_id=version.run_id, registry_version=version.number, pulled=True)
        )
    say(f"pulled version {version.number} of {name} ({version.digest[:12]}) into {layout.MODELS}/")


if __name__ == "__main__":
    pull()
