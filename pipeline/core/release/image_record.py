"""Which image belongs to a model at a commit: written before it is pushed, so that a rerun finds the same digest."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.core.common.errors import InputError
from pipeline.core.common.files import read_json, readable_json

RECORD_VERSION = 1
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
    mend = "delete the artifact of that name and build again"
    found = read_json(path, mend)
    record = ImageRecord(*(str(found.get(name, "")) for name in ("image", "digest", "model", "commit")))
    if found.get("schema") != RECORD_VERSION or not DIGEST.fullmatch(record.digest):
        raise InputError(f"{path} is not the record of an image; {mend}")
    return record
