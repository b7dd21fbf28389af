"""The image that an earlier attempt at this release made, so that the release ends with the same digest."""

from __future__ import annotations

from github.Repository import Repository

from lockgate.ci.release.attestations import Signer, verify_attestations
from lockgate.ci.release.containers import find_digest, require_labels
from lockgate.ci.release.stored import RECORD_FILE, find_artifact
from lockgate.ci.release.version import ReleaseVersion
from lockgate.config.errors import InputError
from lockgate.documents.release_json import ImageRecord
from lockgate.github.artifacts import read_member
from lockgate.github.client import GitHubSettings

MAX_BYTES = 100_000


def record_artifact(version: ReleaseVersion, model: str) -> str:
    """The name of the artifact that holds the record of this release's image."""
    return f"image-{version.tag}-{model[:12]}"


def tagged_image(image: str, version: ReleaseVersion, model: str, commit: str, signer: Signer) -> ImageRecord | None:
    """The image that has this version's tag, or None.

    A tag is given last, so the image under it is labelled and attested. Raises InputError where it is not, or is of
    another model or commit: then somebody else made it.
    """
    reference = f"{image}:{version.tag}"
    digest = find_digest(reference)
    if digest is None:
        return None
    record = ImageRecord(image=image, digest=digest, model=model, commit=commit)
    require_labels(record.reference, model, commit)
    verify_attestations(record, signer)
    return record


def recorded_image(
    repository: Repository, settings: GitHubSettings, image: str, version: ReleaseVersion, model: str, commit: str,
    workflow: str,
) -> ImageRecord | None:  # fmt: skip
    """The image whose record an earlier attempt stored and then pushed; None where either is missing.

    Only runs of the tag's own push are believed: whoever may push images to the registry cannot write there.
    """
    stored = find_artifact(repository, record_artifact(version, model), commit, workflow, version.tag)
    if stored is None:
        return None
    record = ImageRecord.read(read_member(settings, stored, RECORD_FILE, MAX_BYTES), f"artifact {stored.number}")
    if (record.image, record.model, record.commit) != (image, model, commit):
        raise InputError(f"artifact {stored.number} is the record of another image, {record.reference}; delete it")
    return record if find_digest(record.reference) == record.digest else None
