"""Artifacts of earlier runs on the default branch, read in memory: nothing is unpacked to disk."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.core.github.client import GitHubError, GitHubSettings, asking
from pipeline.core.github.damaged_zip import DAMAGED_ZIP
from pipeline.core.github.download import download

if TYPE_CHECKING:
    from github.Repository import Repository

MOST_ZIP_BYTES = 200_000_000


@dataclass(frozen=True)
class StoredArtifact:
    """An artifact that can be downloaded: its id, its run's id and commit, its size in bytes and its address."""

    number: int
    run: int
    commit: str
    size: int
    url: str


def newest_artifacts(repository: Repository, name: str, branch: str, most: int) -> list[StoredArtifact]:
    """At most `most` artifacts of this name that runs on `branch` of this very repository made, the newest first.

    A fork's branch may have the same name, and what its runs upload is listed here too: it is left out.
    """
    found: list[StoredArtifact] = []
    with asking(f"list the artifacts named {name}"):
        for artifact in repository.get_artifacts(name=name):
            if len(found) == most:
                break
            if not artifact.expired and _is_ours(artifact.raw_data.get("workflow_run") or {}, branch):
                run = artifact.raw_data["workflow_run"]
                found.append(
                    StoredArtifact(
                        artifact.id,
                        int(run["id"]),
                        str(run["head_sha"]),
                        artifact.size_in_bytes,
                        artifact.archive_download_url,
                    )
                )
    return found


def read_member(settings: GitHubSettings, artifact: StoredArtifact, name: str, most_bytes: int) -> bytes:
    """The content of the file `name` in the artifact. Raises GitHubError where it is absent, damaged or too large."""
    return read_members(settings, artifact, (name,), most_bytes)[name]


def read_members(
    settings: GitHubSettings, artifact: StoredArtifact, names: tuple[str, ...], most_bytes: int
) -> dict[str, bytes]:
    """The contents of these files, each at most `most_bytes` long.

    Raises GitHubError where one is absent, damaged or too large.
    """
    content = download(settings, artifact.url, f"artifact {artifact.number}", MOST_ZIP_BYTES)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            found = {}
            for name in names:
                with archive.open(name) as stream:
                    found[name] = stream.read(most_bytes + 1)
                if len(found[name]) > most_bytes:
                    raise GitHubError(f"{name} in artifact {artifact.number} is over {most_bytes:,} bytes")
            return found
    except KeyError as error:
        raise GitHubError(f"artifact {artifact.number}: {error.args[0]}") from None
    except DAMAGED_ZIP:
        raise GitHubError(f"artifact {artifact.number} is no archive that can be read") from None


def _is_ours(run: dict[str, Any], branch: str) -> bool:
    return run.get("head_branch") == branch and run.get("head_repository_id") == run.get("repository_id") is not None
