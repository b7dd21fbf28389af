"""The model registry: one version a digest, aliases that move last, forward, and only to a verified bundle."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lockgate.config.errors import InputError
from lockgate.config.machine_lock import machine_lock
from lockgate.model.bundle import Bundle, verify_bundle
from lockgate.registry.mlflow_client import mlflow_errors, shown_uri
from lockgate.registry.stored_verdict import GATE_TAG, fetch_verdict
from lockgate.registry.tracking import BUNDLE_FOLDER, DIGEST_TAG, MODEL_ID_TAG

CHALLENGER = "challenger"
CHAMPION = "champion"
VERDICT_TAG = "lockgate.verdict"


@dataclass(frozen=True)
class Version:
    """A registered version, the digest of the bundle it claims to hold, and the sha256 of the gate.json it came with."""

    number: int
    digest: str
    run_id: str
    gate: str


def registry_lock(model_name: str) -> AbstractContextManager[None]:
    """One registration or promotion of `model_name` at a time on this machine."""
    import mlflow

    return machine_lock(f"{mlflow.get_tracking_uri()}\n{model_name}")


def find_version(client: Any, model_name: str, digest: str) -> Version | None:
    """The version that holds the bundle `digest`: the lowest, should there be several."""
    with mlflow_errors():
        found = client.search_model_versions(f"name = '{model_name}' and tags.`{DIGEST_TAG}` = '{digest}'")
    versions = [_version(version) for version in found]
    return min(versions, key=lambda version: version.number, default=None)


def find_run(client: Any, bundle: Bundle, experiment: str) -> str | None:
    """A finished run of this server whose logged model holds exactly `bundle`, or None."""
    with mlflow_errors():
        known = client.get_experiment_by_name(experiment)
        if known is None:
            return None
        runs = client.search_runs(
            [known.experiment_id], f"tags.`{DIGEST_TAG}` = '{bundle.digest}' and attributes.status = 'FINISHED'"
        )
    return next((str(run.info.run_id) for run in runs if MODEL_ID_TAG in run.data.tags), None)


def logged_model(client: Any, run_id: str) -> str:
    """The id of the run's logged model, which holds the bundle."""
    with mlflow_errors():
        return str(client.get_run(run_id).data.tags[MODEL_ID_TAG])


def create_version(client: Any, model_name: str, digest: str, run_id: str, tags: Mapping[str, str]) -> Version:
    """Make a version of the run's logged model, after checking that bundle and verdict can be had back from it.

    Raises InputError where the stored bundle is not `digest`, or the verdict beside it no pass for it.
    """
    from mlflow.exceptions import MlflowException

    model_id = logged_model(client, run_id)
    with mlflow_errors():
        stored = client.get_logged_model(model_id).artifact_location
    with fetched(stored, digest):
        fetch_verdict(stored, digest, tags[GATE_TAG])
    with mlflow_errors():
        try:
            client.create_registered_model(model_name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        made = client.create_model_version(
            model_name,
            source=f"models:/{model_id}",
            run_id=run_id,
            model_id=model_id,
            tags={**tags, DIGEST_TAG: digest},
        )
    version = _version(made)
    first = find_version(client, model_name, digest)
    if first is not None and first.number < version.number:
        # Another machine registered the same bundle at the same moment: the lower number stays.
        with mlflow_errors():
            client.delete_model_version(model_name, str(version.number))
        return first
    return version


def tag_verdict(client: Any, model_name: str, version: Version, sha256: str) -> None:
    """Name the gate.json that is stored with a version that was registered without one."""
    with mlflow_errors():
        client.set_model_version_tag(model_name, str(version.number), GATE_TAG, sha256)


def version_uri(client: Any, model_name: str, version: Version) -> str:
    """Where the artifacts of a version are stored."""
    with mlflow_errors():
        return str(client.get_model_version_download_uri(model_name, str(version.number)))


def get_version(client: Any, model_name: str, number: int) -> Version:
    """Version `number`; raises InputError naming the known ones where there is none or no gate let it pass."""
    with mlflow_errors():
        found = {int(v.version): v for v in client.search_model_versions(f"name = '{model_name}'")}
    if number not in found:
        known = ", ".join(map(str, sorted(found))) or "none"
        raise InputError(f"{model_name} has no version {number}; known at {shown_uri()}: {known}")
    if DIGEST_TAG not in found[number].tags or found[number].tags.get(VERDICT_TAG) != "pass":
        raise InputError(
            f"version {number} of {model_name} was not registered by `lockgate register` after a passed gate; "
            "promote one that was"
        )
    return _version(found[number])


def aliased_version(client: Any, model_name: str, alias: str) -> Version | None:
    """The version that `alias` points to, or None."""
    from mlflow.exceptions import MlflowException

    with mlflow_errors():
        try:
            return _version(client.get_model_version_by_alias(model_name, alias))
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise


def required_champion(client: Any, model_name: str) -> Version:
    """The version with the alias `champion`; raises InputError where there is none."""
    version = aliased_version(client, model_name, CHAMPION)
    if version is None:
        raise InputError(
            f"{model_name} has no champion at {shown_uri()}; make one with `lockgate register --promote` or "
            "`lockgate promote`"
        )
    return version


def move_alias(client: Any, model_name: str, alias: str, version: Version) -> None:
    """Point `alias` to `version` and read it back; raises InputError where something else stands there then."""
    with mlflow_errors():
        client.set_registered_model_alias(model_name, alias, str(version.number))
    now = aliased_version(client, model_name, alias)
    if now is None or now.number != version.number:
        raise InputError(
            f"the alias {alias} of {model_name} was moved by somebody else meanwhile (it is at version "
            f"{now.number if now else 'none'}); look at the registry and promote again"
        )


@contextmanager
def fetched(uri: str, digest: str) -> Iterator[Bundle]:
    """The bundle stored among the artifacts at `uri`, in a temporary folder, verified to be `digest`.

    Raises InputError where it is absent, damaged or another one.
    """
    import mlflow

    with tempfile.TemporaryDirectory(prefix="lockgate-") as folder:
        with mlflow_errors():
            mlflow.artifacts.download_artifacts(f"{uri.rstrip('/')}/{BUNDLE_FOLDER}", dst_path=folder)
        bundle = verify_bundle(Path(folder) / BUNDLE_FOLDER)
        if bundle.digest != digest:
            raise InputError(f"{uri} holds the bundle {bundle.digest[:12]}, not {digest[:12]}; register it again")
        yield bundle


def _version(found: Any) -> Version:
    tags = found.tags
    return Version(int(found.version), tags.get(DIGEST_TAG, ""), str(found.run_id), tags.get(GATE_TAG, ""))
