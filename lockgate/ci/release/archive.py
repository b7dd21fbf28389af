"""The bundle as one file for a GitHub Release: equal bundles give equal bytes, and what comes back is checked."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

from lockgate.config.errors import InputError
from lockgate.config.limits import BUNDLE_BYTES
from lockgate.model.bundle import (
    MANIFEST,
    MAX_FILES,
    Bundle,
    bundle_from,
    verify_bundle,
    write_bundle,
)

FOLDER = "models"


def bundle_archive(bundle: Bundle) -> bytes:
    """A tar.gz with `models/` of the bundle's own files: no times, owners or order of this machine in it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted({*bundle.files, MANIFEST}):
            content = bundle.contents[name]
            entry = tarfile.TarInfo(f"{FOLDER}/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), compresslevel=9, mtime=0)


def unpack_bundle(archive: Path, folder: Path, digest: str) -> Bundle:
    """Write the bundle in `archive` into `folder`, which holds nothing of it unless it is whole and is `digest`.

    Raises InputError for an archive that is damaged, has anything but plain files below `models/`, or another bundle.
    """
    try:
        contents = _extracted(archive)
    except (OSError, EOFError, tarfile.TarError, gzip.BadGzipFile) as error:
        raise InputError(f"{archive} cannot be read as a bundle's archive ({error}); fetch it again") from error
    found = bundle_from(contents, archive)
    if found.digest != digest:
        raise InputError(f"{archive} holds the bundle {found.digest[:12]}, not {digest[:12]}; fetch it again")
    write_bundle(found, folder)
    return verify_bundle(folder)


def _extracted(archive: Path) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    size = 0
    with tarfile.open(archive, mode="r:gz") as opened:
        for number, entry in enumerate(opened):
            parent, _, name = entry.name.rpartition("/")
            size += entry.size
            content = opened.extractfile(entry) if entry.isfile() else None
            if content is None or parent != FOLDER or name in ("", ".", "..", *contents):
                raise InputError(f"{archive} has an entry {entry.name[:80]!r} that no bundle has; fetch it again")
            if number > MAX_FILES or size > BUNDLE_BYTES.value:
                raise InputError(f"{archive} is larger than any bundle; fetch it again")
            contents[name] = content.read()
    return contents
