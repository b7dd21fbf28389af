"""`lockgate pull`: the champion's bundle and its verdict, verified, into models/."""

from __future__ import annotations

from pathlib import Path

import click

from lockgate.ci.release.attestations import Signer, verify_bundle_attestation
from lockgate.cli.command import Command, params_option, say, warn
from lockgate.config import layout
from lockgate.config.params import read_params
from lockgate.model.bundle import PROVENANCE, VERDICT, VERDICT_ENVELOPE, write_bundle
from lockgate.registry.artifacts import fetch_bundle
from lockgate.registry.mlflow_client import connect
from lockgate.registry.promotions import last_promotion
from lockgate.registry.provenance import make_provenance
from lockgate.registry.registry import required_champion, version_uri
from lockgate.registry.stored_verdict import fetch_verdict


@click.command(cls=Command)
@params_option
@click.option(
    "--attested-by",
    envvar="LOCKGATE_ATTESTED_BY",
    show_envvar=True,
    help="Require that this workflow of GitHub Actions attested the verdict: OWNER/NAME/.github/workflows/FILE. Needs gh.",
)
@click.option(
    "--attested-in",
    help="The repository that released, OWNER/NAME; by default the one that has the workflow of --attested-by.",
)
def pull(params_path: Path, attested_by: str | None, attested_in: str | None) -> None:
    """Bring the champion's bundle into models/, verified, and the gate.json that it was registered with.

    Nothing there changes unless every file of it has the content that was registered, and the verdict is a pass for it:
    signed, where LOCKGATE_VERIFY_KEY names the public ed25519 keys that are trusted (PEM, or the path of it).
    """
    name = read_params(params_path).register_.model_name
    client = connect()
    version = required_champion(client, name)
    if (last := last_promotion(client, name)) is not None and last.digest != version.digest:
        warn(
            f"the alias champion of {name} is at version {version.number}, but the last promotion made version {last.version} "
            f"champion: somebody moved the alias, or a promotion was cut off; `lockgate promote {last.version}` moves it back"
        )
    uri = version_uri(client, name, version)
    verdict = fetch_verdict(uri, version.digest, version.gate)
    bundle = fetch_bundle(uri, version.digest)
    if attested_by:
        repository = attested_in or "/".join(attested_by.split("/")[:2])
        verify_bundle_attestation(bundle, verdict.gate_json, Signer(repository, attested_by))
    provenance = make_provenance(
        version.digest, mlflow_run_id=version.run_id, registry_version=version.number, pulled=True
    )
    signed = {} if verdict.envelope is None else {VERDICT_ENVELOPE: verdict.envelope}
    write_bundle(bundle, layout.MODELS, {VERDICT: verdict.gate_json, PROVENANCE: provenance, **signed})
    say(f"pulled version {version.number} of {name} ({version.digest[:12]}) into {layout.MODELS}/")
    if verdict.signer is not None:
        say(f"its verdict is signed by the key {verdict.signer.keyid[:12]}")
    if attested_by:
        say(f"its verdict is attested by {attested_by}")


if __name__ == "__main__":
    pull()
