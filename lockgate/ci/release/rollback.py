"""Back to an older release: only to one that shipped, verified as it was then."""

from __future__ import annotations

from github.GitRelease import GitRelease

from lockgate.ci.release.attestations import Signer, verify_attestations
from lockgate.ci.release.containers import find_digest, require_labels
from lockgate.ci.release.releases import Releases, read_digests
from lockgate.ci.release.version import ReleaseVersion
from lockgate.config.errors import InputError
from lockgate.documents.release_json import ImageRecord
from lockgate.registry.artifacts import fetch_bundle
from lockgate.registry.mlflow_client import connect
from lockgate.registry.promote import ROLLBACK, promote_version
from lockgate.registry.registry import find_version, get_version, registry_lock, version_uri


def shipped_release(releases: Releases, version: ReleaseVersion, image: str) -> tuple[GitRelease, ImageRecord]:
    """The published release of `version` and its image. Raises InputError where it never shipped, or elsewhere."""
    release = releases.published.get(version)
    if release is None:
        known = ", ".join(one.tag for one in sorted(releases.published)) or "none"
        raise InputError(f"{version.tag} is not a published release; published are {known}")
    if version.prerelease:
        raise InputError(f"{version.tag} is a prerelease, which is never in production; name a release")
    record = read_digests(release).record
    if record.image != image:
        raise InputError(f"{version.tag} shipped as {record.image}, not as {image}; give that image")
    return release, record


def require_shipped(record: ImageRecord, version: ReleaseVersion, signer: Signer | None) -> None:
    """Raises InputError unless the registry's tag is the release's digest, with its labels and attestations.

    Without a `signer` no attestations are asked for.
    """
    found = find_digest(f"{record.image}:{version.image_tag}")
    if found != record.digest:
        raise InputError(
            f"{record.image}:{version.image_tag} is {found or 'gone'}, but the release shipped {record.digest}; "
            "restore it, or roll back to another release"
        )
    require_labels(record.reference, record.model, record.commit)
    if signer is not None:
        verify_attestations(record, signer)


def promote_model(model_name: str, digest: str) -> int:
    """Make the registered version of the bundle `digest`, of a release that was in production, champion again; its number."""
    client = connect()
    with registry_lock(model_name):
        known = find_version(client, model_name, digest)
        if known is None:
            raise InputError(
                f"{model_name} has no version of the bundle {digest[:12]}; release that version again first"
            )
        version = get_version(client, model_name, known.number)
        fetch_bundle(version_uri(client, model_name, version), digest)
        promote_version(client, model_name, version, lambda _champion: ROLLBACK)
    return version.number
