"""Artifacts of earlier runs on the default branch, read in memory: nothing is unpacked to disk."""

from __future__ import annotations

import io
import time
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter

from lockgate.github.client import GitHubError, GitHubSettings, asking
from lockgate.github.retry import BoundedRetry

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


SECONDS = 300.0


def download(settings: GitHubSettings, url: str, what: str, most_bytes: int) -> bytes:
    """The content at `url`, an address of GitHub's API; `what` names it in errors.

    Raises GitHubError where it cannot be had, has more than `most_bytes`, or takes more than `SECONDS`.
    """
    started = time.monotonic()
    content = bytearray()
    with asking(f"download {what}"), requests.Session() as session:
        retry = BoundedRetry(patience=settings.patience, unnamed_wait=settings.unnamed_wait)
        for scheme in ("https://", "http://"):
            session.mount(scheme, HTTPAdapter(max_retries=retry))
        # GitHub redirects to storage, and requests leaves the token behind where the host changes.
        session.headers.update({"Authorization": f"Bearer {settings.token}", "Accept": "application/vnd.github+json"})
        with session.get(url, stream=True, timeout=30) as answer:
            if answer.status_code != 200:
                raise GitHubError(f"cannot download {what}: the answer was {answer.status_code}", answer.status_code)
            for block in answer.iter_content(1 << 16):
                content += block
                if len(content) > most_bytes:
                    raise GitHubError(f"cannot download {what}: it is over {most_bytes:,} bytes")
                if time.monotonic() - started > SECONDS:
                    raise GitHubError(f"cannot download {what}: it takes more than {SECONDS:g} s")
    return bytes(content)


# Bad structure; bad deflate data; a compression or version it lacks; encryption; an early end; impossible offsets.
DAMAGED_ZIP = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError, OSError)
