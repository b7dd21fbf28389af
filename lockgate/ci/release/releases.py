"""GitHub Releases: which versions are out, and publishing one so that running it again changes nothing."""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from github.GitRelease import GitRelease
from github.Repository import Repository

from lockgate.ci.release.image import DIGESTS, require_same_release
from lockgate.ci.release.version import ReleaseVersion, parse_tag
from lockgate.config.errors import InputError
from lockgate.config.files import sha256_bytes
from lockgate.documents.release_json import ReleaseDigests
from lockgate.github.client import asking

# The last line of a release's text, by which a repository with several models knows what is in production of each.
_IN_PRODUCTION = re.compile(r"^In production since (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) UTC$", re.MULTILINE)


@dataclass(frozen=True)
class Releases:
    """The releases of a model that are out: `published` by version, and the version in production."""

    published: Mapping[ReleaseVersion, GitRelease]
    stable: ReleaseVersion | None


@dataclass(frozen=True)
class Content:
    """What a release says and holds; `assets` is file name to content."""

    version: ReleaseVersion
    commit: str
    card: str
    assets: Mapping[str, bytes]


def read_releases(repository: Repository, model: str) -> Releases:
    """What is published of the model of this name. Tags that are no versions of it, and drafts, are not looked at."""
    with asking("list the releases"):
        found = [release for release in repository.get_releases() if not release.draft]
    versions = {version: release for release in found if (version := _version(release.tag_name)) is not None}
    published = {version: release for version, release in versions.items() if version.model == model}
    since = {version: time for version, release in published.items() if (time := _in_production(release.body))}
    return Releases(published, max(since, key=lambda version: since[version], default=None))


def read_digests(release: GitRelease) -> ReleaseDigests:
    """The digests that a published release names. Raises InputError where it has none."""
    return ReleaseDigests.read(download(release, DIGESTS), f"{DIGESTS} of the release {release.tag_name}")


def download(release: GitRelease, name: str) -> bytes:
    """The content of an asset, checked against the sha256 that GitHub keeps of it."""
    with asking(f"download {name} of {release.tag_name}"):
        asset = next((one for one in release.get_assets() if one.name == name), None)
        if asset is None:
            raise InputError(f"the release {release.tag_name} has no {name}; Lockgate did not make it")
        with tempfile.TemporaryDirectory(prefix="lockgate-") as folder:
            path = Path(folder) / "asset"
            asset.download_asset(str(path), chunk_size=1 << 16)
            content = path.read_bytes()
    if asset.digest and asset.digest != _digest(content):
        raise InputError(f"{name} of the release {release.tag_name} came damaged; run it again")
    return content


def publish_release(repository: Repository, content: Content, since: datetime | None) -> str:
    """Publish the release of a version, once; its address. `since` is when it came into production, None if it did not.

    A draft is filled first, each file compared by sha256, and published when all are there. A published one is left
    as it is. Raises InputError where that one is of another image or model.
    """
    tag, latest = content.version.tag, "false" if since is None else "true"
    body = content.card if since is None else _with_time(content.card, since)
    with asking(f"list the releases of {tag}"):
        found = [release for release in repository.get_releases() if release.tag_name == tag]
    public = next((release for release in found if not release.draft), None)
    for extra in [release for release in found if release.draft][0 if public else 1 :]:
        with asking(f"delete a second draft of {tag}"):
            extra.delete_release()
    if public is not None:
        require_same_release(read_digests(public), ReleaseDigests.read(content.assets[DIGESTS], DIGESTS))
        return str(public.html_url)
    with asking(f"draft the release {tag}"):
        draft = found[0] if found else repository.create_git_release(
            tag, tag, content.card, draft=True, prerelease=bool(content.version.prerelease),
            target_commitish=content.commit, make_latest="false",
        )  # fmt: skip
    _fill(draft, content.assets)
    with asking(f"publish the release {tag}"):
        published = draft.update_release(
            tag, body, draft=False, prerelease=bool(content.version.prerelease), tag_name=tag,
            target_commitish=content.commit, make_latest=latest,
        )  # fmt: skip
    return str(published.html_url)


def mark_in_production(release: GitRelease, since: datetime) -> None:
    """Make a published release the one in production, which GitHub shows as latest."""
    body = _IN_PRODUCTION.sub("", release.body or "").rstrip()
    with asking(f"mark {release.tag_name} as the release in production"):
        release.update_release(release.name or release.tag_name, _with_time(body, since), make_latest="true")


def _with_time(text: str, since: datetime) -> str:
    shown = since.astimezone(UTC).isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")
    return f"{text.rstrip()}\n\nIn production since {shown} UTC"


def _in_production(body: str | None) -> str:
    """Since when, in a form that sorts; empty where the release was never in production."""
    return max(_IN_PRODUCTION.findall((body or "").replace("\r\n", "\n")), default="")


def _fill(draft: GitRelease, assets: Mapping[str, bytes]) -> None:
    """Upload what is absent, half uploaded or different, and read back that nothing is missing."""
    with asking(f"upload the files of {draft.tag_name}"):
        for asset in draft.get_assets():
            if asset.state != "uploaded" or asset.name not in assets or asset.digest != _digest(assets[asset.name]):
                asset.delete_asset()
        there = {asset.name for asset in draft.get_assets()}
        for name, content in assets.items():
            if name not in there:
                draft.upload_asset_from_memory(io.BytesIO(content), len(content), name, "application/octet-stream")
        stored = {asset.name: asset.digest for asset in draft.get_assets()}
    wrong = sorted(name for name, content in assets.items() if stored.get(name) != _digest(content))
    if wrong:
        raise InputError(f"GitHub did not keep {', '.join(wrong)} of {draft.tag_name} as uploaded; run it again")


def _digest(content: bytes) -> str:
    return f"sha256:{sha256_bytes(content)}"


def _version(tag: str) -> ReleaseVersion | None:
    try:
        return parse_tag(tag)
    except InputError:
        return None
