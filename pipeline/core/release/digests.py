"""digests.json of a release: what belongs together, by sha256."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.core.common.errors import InputError
from pipeline.core.common.files import readable_json, sha256_bytes
from pipeline.core.model.bundle import Bundle
from pipeline.core.release.image_record import ImageRecord
from pipeline.core.release.version import ReleaseVersion

DIGESTS = "digests.json"
_IDENTITY = ("version", "commit", "model", "image", "image_digest")


def digests_content(
    version: ReleaseVersion, record: ImageRecord, bundle: Bundle, gate: Mapping[str, Any], assets: Mapping[str, bytes]
) -> bytes:
    """The JSON: the image and model of the version, what they were made and judged from, and its other files."""
    return readable_json(
        {
            "schema": 1,
            "version": version.tag,
            "commit": record.commit,
            "model": record.model,
            "image": record.image,
            "image_digest": record.digest,
            "training_data": bundle.training_data,
            "params": bundle.params,
            "test_data": gate["data"],
            "policy": gate["policy"],
            "files": {name: sha256_bytes(content) for name, content in sorted(assets.items())},
        }
    )


def require_same_release(published: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    """Raises InputError where a published release is of another image, model or commit than this one."""
    for name in _IDENTITY:
        if published.get(name) != ours[name]:
            raise InputError(
                f"the release {ours['version']} is published already with {name} {str(published.get(name))[:80]!r}, "
                f"not {ours[name]!r}; a release never changes: release under a new version"
            )


def read_identity(digests: Mapping[str, Any]) -> ImageRecord:
    """The image of a release from its digests.json. Raises InputError where it names none."""
    values = [digests.get(name) for name in ("image", "image_digest", "model", "commit")]
    if not all(isinstance(value, str) and value for value in values):
        raise InputError(f"{DIGESTS} does not name image, model and commit; Lockgate did not make this release")
    return ImageRecord(*map(str, values))
