"""One at a time on this machine, whichever folder a command was started in."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lockgate.config.errors import InputError

LOCK_SECONDS = 300.0


@contextmanager
def machine_lock(name: str) -> Iterator[None]:
    """Hold the lock `name`; it ends with the process, however that ends.

    Raises InputError where somebody else holds it for five minutes, or where the folder of locks is not one's own.
    """
    from filelock import FileLock, Timeout

    path = _own_folder() / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.lock"
    try:
        with FileLock(path, timeout=LOCK_SECONDS):
            yield
    except Timeout:
        raise InputError(f"another lockgate has held {path} for {LOCK_SECONDS:.0f} s; wait for it or end it") from None


def _own_folder() -> Path:
    """This user's folder in the shared temporary one, into which nobody else can put a file or a link."""
    folder = Path(tempfile.gettempdir()) / f"lockgate-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise InputError(
            f"the folder of locks, {folder}, cannot be made: {error.strerror}; set TMPDIR to a folder of your own"
        ) from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise InputError(
            f"the folder of locks, {folder}, is a link, somebody else's or open to others; remove it, or set TMPDIR to a "
            "folder of your own"
        )
    return folder
