"""The model registry: one version a digest, aliases that move last, forward, and only to a verified bundle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from lockgate.config.errors import InputError
from lockgate.config.machine_lock import machine_lock
from lockgate.model.bundle import Bundle
from lockgate.registry.artifacts import fetch_bundle
from lockgate.registry.mlflow_client import mlflow_errors, shown_uri
from lockgate.registry.stored_verdict import GATE_TAG, fetch_verdict
from lockgate.registry.tracking import DIGEST_TAG, MODEL_ID_TAG, ORIGIN_TAG

CHALLENGER = "challenger"
CHAMPION = "champion"
VERDICT_TAG = "lockgate.verdict"
MAX_TRIES = 10


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


def search_versions(client: Any, condition: str) -> list[Any]:
    """All versions that fulfil the condition, page by page."""
    found: list[Any] = []
    token = None
    with mlflow_errors():
        while True:
            page = client.search_model_versions(condition, page_token=token)
            found += page
            token = page.token
            if not token:
                return found


@contextmanager
def known_absent() -> Iterator[None]:
    """Goes on where MLflow says that what is asked for does not exist."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise


def make_registered_model(client: Any, model_name: str) -> None:
    """Make the registered model where it is missing."""
    from mlflow.exceptions import MlflowException

    with mlflow_errors():
        try:
            client.create_registered_model(model_name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise


def find_number(client: Any, model_name: str, number: int) -> Version | None:
    """Version `number`, None where it was deleted."""
    found = None
    with mlflow_errors(), known_absent():
        found = client.get_model_version(model_name, str(number))
    return _version(found) if found is not None else None


def find_version(client: Any, model_name: str, digest: str) -> Version | None:
    """The version that holds the bundle `digest`: the lowest, should there be several."""
    return min(_versions_of(client, model_name, digest), key=lambda version: version.number, default=None)


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
        found = client.get_run(run_id).data.tags.get(MODEL_ID_TAG)
    if not found:
        raise InputError(f"run {run_id} has no logged model with a bundle; register the bundle again")
    return str(found)


def run_origin(client: Any, run_id: str) -> str:
    """How the run's model came about, in words, as `log_training` was told."""
    with mlflow_errors():
        return str(client.get_run(run_id).data.tags.get(ORIGIN_TAG, "unknown"))


def create_version(
    client: Any, model_name: str, digest: str, run_id: str, model_id: str, tags: Mapping[str, str], description: str
) -> Version:
    """Make a version of the run's logged model, after checking that bundle and verdict can be had back from it.

    Raises InputError where the stored bundle is not `digest`, or the verdict beside it no pass for it.
    """
    with mlflow_errors():
        stored = client.get_logged_model(model_id).artifact_location
    fetch_bundle(stored, digest)
    fetch_verdict(stored, digest, tags[GATE_TAG])
    make_registered_model(client, model_name)
    with mlflow_errors():
        made = client.create_model_version(
            model_name,
            source=f"models:/{model_id}",
            run_id=run_id,
            model_id=model_id,
            tags={**tags, DIGEST_TAG: digest},
            description=description,
        )
    # Another machine, or a request that was repeated, may have registered the same bundle at the same moment.
    return keep_lowest(client, model_name, digest) or _version(made)


def keep_lowest(client: Any, model_name: str, digest: str) -> Version | None:
    """The one version that holds the bundle `digest`; of several the lowest stays, and takes the others' aliases over."""
    found = _versions_of(client, model_name, digest)
    first = min(found, key=lambda version: version.number, default=None)
    others = [version for version in found if version != first]
    if first is None or not others:
        return first
    surplus = {str(version.number) for version in others}
    with mlflow_errors():
        for alias, number in client.get_registered_model(model_name).aliases.items():
            if str(number) in surplus:
                client.set_registered_model_alias(model_name, alias, str(first.number))
        for number in sorted(surplus):
            with known_absent():
                client.delete_model_version(model_name, number)
    return first


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
    found = {int(one.version): one for one in search_versions(client, f"name = '{model_name}'")}
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
    found = None
    with mlflow_errors(), known_absent():
        found = client.get_model_version_by_alias(model_name, alias)
    return _version(found) if found is not None else None


def required_champion(client: Any, model_name: str) -> Version:
    """The version with the alias `champion`; raises InputError where there is none."""
    version = aliased_version(client, model_name, CHAMPION)
    if version is None:
        raise InputError(
            f"{model_name} has no champion at {shown_uri()}; make one with `lockgate register --promote` or "
            "`lockgate promote`"
        )
    return version


def move_forward(client: Any, model_name: str, alias: str, version: Version) -> str | None:
    """Point `alias` to the version unless it points to a newer one, whoever else moves it; what happened, None: nothing."""
    moved = False
    for _ in range(MAX_TRIES):
        now = aliased_version(client, model_name, alias)
        if now is not None and now.number > version.number:
            return f"{alias} stays at the newer version {now.number}"
        if now is not None and now.number == version.number:
            return f"{alias} is version {version.number}" if moved else None
        with mlflow_errors():
            client.set_registered_model_alias(model_name, alias, str(version.number))
        moved = True
    raise InputError(f"others keep moving the alias {alias} of {model_name}; look at the registry and register again")


def _versions_of(client: Any, model_name: str, digest: str) -> list[Version]:
    found = search_versions(client, f"name = '{model_name}' and tags.`{DIGEST_TAG}` = '{digest}'")
    return [_version(version) for version in found]


def _version(found: Any) -> Version:
    tags = found.tags
    return Version(int(found.version), tags.get(DIGEST_TAG, ""), str(found.run_id), tags.get(GATE_TAG, ""))
