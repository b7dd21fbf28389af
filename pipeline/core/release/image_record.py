"""Which image belongs to a model at a commit: written before it is pushed, so that a rerun finds the same digest."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.core.common.errors import InputError
from pipeline.core.common.files import readable_json

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
