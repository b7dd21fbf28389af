"""The bundle that a run on the default branch stored, fetched and verified before anything in it is parsed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from lockgate.config.errors import InputError
from lockgate.config.files import staged_files
from lockgate.github.artifacts import newest_artifacts, read_members
from lockgate.github.client import GitHubSettings
from lockgate.model.bundle import MANIFEST, verify_bundle

if TYPE_CHECKING:
    from github.Repository import Repository

ARTIFACT = "bundle"
MOST_BYTES = 100_000_000


def fetch_bundle(settings: GitHubSettings, repository: Repository, branch: str, folder: Path) -> str:
    """Put the newest stored bundle into `folder`; its digest.

    Raises InputError where there is none, or its files are not those of its manifest; `folder` is untouched then.
    """
    artifacts = newest_artifacts(repository, ARTIFACT, branch, 1)
    if not artifacts:
        raise InputError(
            f"no run on {branch} has an artifact `{ARTIFACT}`; run pr.yml there, or let `model` be `project`"
        )
    manifest = read_members(settings, artifacts[0], (MANIFEST,), MOST_BYTES)[MANIFEST]
    names = _names(manifest)
    contents = read_members(settings, artifacts[0], names, MOST_BYTES)
    with staged_files(folder) as stage:
        for name, content in {**contents, MANIFEST: manifest}.items():
            (stage / name).write_bytes(content)
        return verify_bundle(stage).digest


def _names(manifest: bytes) -> tuple[str, ...]:
    try:
        files = json.loads(manifest)["files"]
        names = tuple(files) if isinstance(files, dict) else ()
    except (ValueError, KeyError, TypeError, RecursionError):
        names = ()
    if not names or any(Path(name).name != name or name.startswith(".") for name in names):
        raise InputError("the stored bundle's manifest names no files that could be a bundle's")
    return names
