"""The registry's champion, fetched without touching the bundle that is here."""

from __future__ import annotations

from collections.abc import Callable

from lockgate.model.bundle import Bundle
from lockgate.registry.artifacts import fetch_bundle
from lockgate.registry.mlflow_client import connect
from lockgate.registry.registry import required_champion, version_uri
from lockgate.registry.stored_verdict import fetch_verdict


def registered_champion(model_name: str, show: Callable[[str], None]) -> Bundle:
    """The registry's champion.

    Raises InputError where the registry has none with a passed gate.
    """
    client = connect()
    version = required_champion(client, model_name)
    uri = version_uri(client, model_name, version)
    fetch_verdict(uri, version.digest, version.gate)
    bundle = fetch_bundle(uri, version.digest)
    show(f"the champion is version {version.number} of {model_name} ({version.digest[:12]})")
    return bundle
