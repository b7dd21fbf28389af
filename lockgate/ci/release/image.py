"""Which image belongs to a model at a commit, and what a release says of it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lockgate.ci.release.version import ReleaseVersion
from lockgate.config.errors import InputError
from lockgate.config.files import sha256_bytes
from lockgate.documents.gate_json import GateResult
from lockgate.documents.release_json import ImageRecord, ReleaseDigests
from lockgate.model.bundle import Bundle

DIGESTS = "digests.json"
# Registry host with an optional port, then the repository's path: what OCI's distribution specification allows.
REPOSITORY = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d{1,5})?(?:/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)+")


def image_repository(name: str) -> str:
    """`name` in small letters, as a registry wants it. Raises InputError where it is no HOST/PATH."""
    lowered = name.lower()
    if len(lowered) > 255 or not REPOSITORY.fullmatch(lowered):
        raise InputError(f"{name[:120]!r} is no image repository; give one such as ghcr.io/owner/name, without a tag")
    return lowered


def release_digests(
    version: ReleaseVersion, record: ImageRecord, bundle: Bundle, gate: GateResult, assets: Mapping[str, bytes]
) -> ReleaseDigests:
    """The image and model of the version, what they were made and judged from, and its other files."""
    return ReleaseDigests(
        version=version.tag,
        commit=record.commit,
        model=record.model,
        image=record.image,
        image_digest=record.digest,
        training_data=bundle.training_data,
        params=bundle.params,
        test_data=gate.data,
        policy=gate.policy,
        files={name: sha256_bytes(content) for name, content in sorted(assets.items())},
    )


def require_same_release(published: ReleaseDigests, ours: ReleaseDigests) -> None:
    """Raises InputError where a published release is of another image, model or commit than this one."""
    for name in ("version", "commit", "model", "image", "image_digest"):
        there, here = getattr(published, name), getattr(ours, name)
        if there != here:
            raise InputError(
                f"the release {ours.version} is published already with {name} {there[:80]!r}, not {here!r}; "
                "a release never changes: release under a new version"
            )
