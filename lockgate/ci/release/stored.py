"""What the default branch's run of this commit stored: the bundle that its judge passed, and the report of its training."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from github.Repository import Repository

from lockgate.ci.stored_bundle import read_stored_bundle
from lockgate.config.errors import InputError
from lockgate.config.files import sha256_bytes, write_file
from lockgate.config.yaml_file import read_yaml
from lockgate.github.artifacts import StoredArtifact, read_member
from lockgate.github.client import GitHubError, GitHubSettings, asking
from lockgate.model.bundle import MANIFEST, Bundle, bundle_from, verify_bundle, write_bundle

MAX_BYTES = 200_000_000
DVC_CACHE = Path(".dvc/cache/files/md5")


def find_artifact(repository: Repository, name: str, commit: str, workflow: str, branch: str) -> StoredArtifact | None:
    """The newest artifact `name` that a push run of `workflow` (its file's name) for `commit` on `branch` uploaded.

    Runs for pull requests, whose artifacts anybody can write, are not looked at.
    None where it is not there, or has expired.
    """
    with asking(f"look for the artifact {name} of {commit[:12]}"):
        for run in repository.get_workflow_runs(head_sha=commit, event="push"):
            if run.head_branch != branch or run.path.split("@")[0] != f".github/workflows/{workflow}":
                continue
            for artifact in run.get_artifacts():
                if artifact.name == name and not artifact.expired:
                    return StoredArtifact(
                        artifact.id, run.id, commit, artifact.size_in_bytes, artifact.archive_download_url
                    )
    return None


def take_bundle(settings: GitHubSettings, artifact: StoredArtifact, folder: Path, manifest_md5: str) -> Bundle:
    """Write the stored bundle into `folder`, where nothing changes unless it is whole and the one of dvc.lock.

    Raises InputError where it is damaged or another one.
    """
    contents = read_stored_bundle(settings, artifact)
    if hashlib.md5(contents[MANIFEST], usedforsecurity=False).hexdigest() != manifest_md5:
        raise InputError(
            f"the bundle that run {artifact.run} stored is not the one of dvc.lock (its manifest differs); "
            "run `dvc repro`, commit dvc.lock, and release that commit"
        )
    write_bundle(bundle_from(contents, Path(f"the bundle that run {artifact.run} stored")), folder)
    for content in contents.values():
        # Files that are in the work tree and not in its cache are absent to DVC: it would train again.
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        write_file(DVC_CACHE / md5[:2] / md5[2:], content)
    return verify_bundle(folder)


def take_training_report(settings: GitHubSettings, artifact: StoredArtifact, path: Path, md5: str | None) -> bool:
    """Write the report of the training that made the bundle, where the artifact has the one of dvc.lock.

    DVC trains again where a stage's smallest output is missing, so it comes along with the bundle.
    """
    try:
        content = read_member(settings, artifact, path.name, MAX_BYTES)
    except GitHubError:
        return False
    if md5 is None or hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
        return False
    write_file(path, content)
    return True


def locked_md5(lock: Path, out: Path) -> str | None:
    """The md5 that dvc.lock has of an output, or None where it names none."""
    content: Any = read_yaml(lock) if lock.is_file() else {}
    for stage in (content.get("stages") or {}).values():
        for found in stage.get("outs", []):
            if found.get("path") == str(out):
                return str(found.get("md5")) if found.get("md5") else None
    return None


def require_model_of_commit(bundle: Bundle, locked: str | None, found: str | None, commit: str) -> None:
    """Raises InputError unless `bundle` is the model of `commit`, whose dvc.lock says so, or else its stored bundle.

    `locked` is the md5 of the manifest in dvc.lock; `found` the digest of the stored bundle. Each None where there is none.
    """
    if locked is not None:
        md5 = hashlib.md5(bundle.contents[MANIFEST], usedforsecurity=False).hexdigest()
        if md5 != locked:
            raise InputError(
                f"{bundle.path(MANIFEST)} ({md5}) is not the model of dvc.lock ({locked}): it is stale; run `dvc repro`, commit "
                "dvc.lock, and release that commit"
            )
    elif found is None:
        raise InputError(
            f"nothing says which model {commit[:12]} is: it has no dvc.lock, and no run on the default branch stored its bundle; "
            "commit dvc.lock, or wait for that run, then run this again"
        )
    elif found != bundle.digest:
        raise InputError(
            f"the model made here is {bundle.digest[:12]}, but the run on the default branch judged {found[:12]} of the same "
            "commit: its training gives other bytes each time, or its data changed; commit dvc.lock and keep the model in DVC"
        )


def stored_digest(settings: GitHubSettings, artifact: StoredArtifact) -> str:
    """The digest of the bundle in an artifact: the sha256 of its manifest."""
    return sha256_bytes(read_member(settings, artifact, MANIFEST, MAX_BYTES))
