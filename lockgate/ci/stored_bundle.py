"""The bundle that a run on the default branch stored, fetched and verified before anything in it is parsed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lockgate.config.errors import InputError
from lockgate.config.model_name import suffixed
from lockgate.documents.manifest_json import Manifest
from lockgate.github.artifacts import StoredArtifact, newest_artifacts, read_members
from lockgate.github.client import GitHubSettings
from lockgate.model.bundle import MANIFEST, bundle_from, write_bundle

if TYPE_CHECKING:
    from github.Repository import Repository

ARTIFACT = "bundle"
MAX_BYTES = 100_000_000


def fetch_bundle(settings: GitHubSettings, repository: Repository, branch: str, folder: Path, name: str) -> str:
    """Put the newest stored bundle of the model `name` into `folder`; its digest.

    Raises InputError where there is none, or its files are not those of its manifest; `folder` is untouched then.
    """
    stored = suffixed(ARTIFACT, name)
    artifacts = newest_artifacts(repository, stored, branch, 1)
    if not artifacts:
        raise InputError(
            f"no run on {branch} has an artifact `{stored}`; run pr.yml there, or let `model` be `project`"
        )
    bundle = bundle_from(
        read_stored_bundle(settings, artifacts[0]), Path(f"the bundle that run {artifacts[0].run} stored")
    )
    write_bundle(bundle, folder)
    return bundle.digest


def read_stored_bundle(settings: GitHubSettings, artifact: StoredArtifact) -> dict[str, bytes]:
    """The bundle's files in an artifact by name, the manifest and those that it names; nothing else is looked at.

    What they hold is not verified yet. Raises InputError where the manifest is none.
    """
    manifest = read_members(settings, artifact, (MANIFEST,), MAX_BYTES)[MANIFEST]
    names = tuple(Manifest.read(manifest, "the stored bundle's manifest").files)
    return {**read_members(settings, artifact, names, MAX_BYTES), MANIFEST: manifest}
