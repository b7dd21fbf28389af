"""The champion of a release: the previous release's model."""

from __future__ import annotations

from pathlib import Path

from github.Repository import Repository

from lockgate.ci.release.archive import unpack_bundle
from lockgate.ci.release.releases import download, read_digests, read_releases
from lockgate.ci.release.version import ReleaseVersion, previous_version
from lockgate.model.bundle import Bundle

ARCHIVE = "bundle.tar.gz"


def fetch_champion(repository: Repository, version: ReleaseVersion, folder: Path) -> Bundle | None:
    """The bundle of the release before `version`, in `folder`, verified to be what that release names; None if none."""
    releases = read_releases(repository, version.model)
    previous = previous_version(version, releases.published, releases.stable)
    if previous is None:
        return None
    release = releases.published[previous]
    digest = read_digests(release).model
    archive = folder / ARCHIVE
    folder.mkdir(parents=True, exist_ok=True)
    archive.write_bytes(download(release, ARCHIVE))
    return unpack_bundle(archive, folder / "bundle", digest)
