"""Scoring test rows with the registry's champion, without touching the bundle that is here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lockgate.champion.score import score_champion
from lockgate.registry.artifacts import fetch_bundle
from lockgate.registry.mlflow_client import connect
from lockgate.registry.registry import required_champion, version_uri
from lockgate.registry.stored_verdict import fetch_verdict


def score_registered(model_name: str, test: Path, show: Callable[[str], None]) -> bytes:
    """The predictions of the registry's champion for the test rows in a file.

    Raises InputError where the registry has no champion with a passed gate, or it does not take these rows.
    """
    client = connect()
    version = required_champion(client, model_name)
    uri = version_uri(client, model_name, version)
    fetch_verdict(uri, version.digest, version.gate)
    champion = fetch_bundle(uri, version.digest)
    show(f"the champion is version {version.number} of {model_name} ({version.digest[:12]})")
    return score_champion(champion, test)
