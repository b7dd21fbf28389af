"""Which image belongs to a model at a commit: written before it is pushed, so that a rerun finds the same digest."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lockgate.ci.release.version import ReleaseVersion
from lockgate.config.errors import InputError
from lockgate.config.files import readable_json, sha256_bytes
from lockgate.model.bundle import Bundle

RECORD_VERSION = 1
_MEND = "delete the artifact that it came from and build again"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# Registry host with an optional port, then the repository's path: what OCI's distribution specification allows.
REPOSITORY = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d{1,5})?(?:/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)+")


@dataclass(frozen=True)
class ImageRecord:
    """An image by digest, the model in it, and the commit that it was built from."""

    image: str
    digest: str
    model: str
    commit: str

    @property
    def reference(self) -> str:
        """The image by digest, as docker and skopeo name it."""
        return f"{self.image}@{self.digest}"


def image_repository(name: str) -> str:
    """`name` in small letters, as a registry wants it. Raises InputError where it is no HOST/PATH."""
    lowered = name.lower()
    if len(lowered) > 255 or not REPOSITORY.fullmatch(lowered):
        raise InputError(f"{name[:120]!r} is no image repository; give one such as ghcr.io/owner/name, without a tag")
    return lowered


def record_content(record: ImageRecord) -> bytes:
    """The JSON of a record."""
    return readable_json({"schema": RECORD_VERSION, **asdict(record)})


def read_record(path: Path) -> ImageRecord:
    """The record in `path`; raises InputError where it is not one."""
    try:
        return parse_record(path.read_bytes(), str(path))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); {_MEND}") from None


def parse_record(content: bytes, where: str) -> ImageRecord:
    """The record in JSON that came from `where`; raises InputError where it is not one."""
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get("schema") != RECORD_VERSION:
        raise InputError(f"{where} is not the record of an image; {_MEND}")
    record = ImageRecord(*(str(found.get(name, "")) for name in ("image", "digest", "model", "commit")))
    if not DIGEST.fullmatch(record.digest):
        raise InputError(f"{where} is not the record of an image; {_MEND}")
    return record


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
