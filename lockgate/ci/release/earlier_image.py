"""The image that has this release's tag already, so that a release that runs again ends with the same digest."""

from __future__ import annotations

from lockgate.ci.release.attestations import Signer, verify_attestations
from lockgate.ci.release.containers import find_digest, require_labels
from lockgate.ci.release.releases import Releases, read_digests
from lockgate.ci.release.version import ReleaseVersion
from lockgate.config.errors import InputError
from lockgate.documents.release_json import ImageRecord


def tagged_image(
    image: str, version: ReleaseVersion, model: str, commit: str, signer: Signer | None, releases: Releases
) -> ImageRecord | None:
    """The image that has this version's tag, or None: until it has one, every attempt may make an image of its own.

    A tag is given last, so the image under it is labelled, and attested by `signer`. Where nothing is attested, which a None
    for it says, only the published release tells our own tag from somebody else's. Raises InputError where it is another's.
    """
    reference = f"{image}:{version.image_tag}"
    digest = find_digest(reference)
    if digest is None:
        return None
    record = ImageRecord(image=image, digest=digest, model=model, commit=commit)
    require_labels(record.reference, model, commit)
    if signer is not None:
        verify_attestations(record, signer)
    elif version not in releases.published or read_digests(releases.published[version]).record != record:
        raise InputError(
            f"{reference} is there, unattested, and no release of {version.tag} names it: run only the failed jobs again, or "
            "release under a new version"
        )
    return record
