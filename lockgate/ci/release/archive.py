"""The bundle as one file for a GitHub Release: equal bundles give equal bytes, and what comes back is checked."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

from lockgate.config.errors import InputError
from lockgate.config.files import staged_files
from lockgate.model.bundle import MANIFEST, Bundle, verify_bundle

FOLDER = "models"
MAX_BYTES = 2_000_000_000  # GitHub takes assets of 2 GiB
_MAX_FILES = 100


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
    with staged_files(folder) as stage:
        try:
            _extract(archive, stage)
        except (OSError, EOFError, tarfile.TarError, gzip.BadGzipFile) as error:
            raise InputError(f"{archive} cannot be read as a bundle's archive ({error}); fetch it again") from error
        found = verify_bundle(stage)
        if found.digest != digest:
            raise InputError(f"{archive} holds the bundle {found.digest[:12]}, not {digest[:12]}; fetch it again")
    return verify_bundle(folder)


def _extract(archive: Path, stage: Path) -> None:
    size = 0
    with tarfile.open(archive, mode="r:gz") as opened:
        for number, entry in enumerate(opened):
            parent, _, name = entry.name.rpartition("/")
            size += entry.size
            content = opened.extractfile(entry) if entry.isfile() else None
            if content is None or parent != FOLDER or name in ("", ".", "..") or (stage / name).exists():
                raise InputError(f"{archive} has an entry {entry.name[:80]!r} that no bundle has; fetch it again")
            if number >= _MAX_FILES or size > MAX_BYTES:
                raise InputError(f"{archive} is larger than any bundle; fetch it again")
            (stage / name).write_bytes(content.read())
