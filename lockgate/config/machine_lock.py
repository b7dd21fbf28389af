"""One at a time on this machine, whichever folder a command was started in."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lockgate.config.errors import InputError

LOCK_SECONDS = 300.0


@contextmanager
def machine_lock(name: str) -> Iterator[None]:
    """Hold the lock `name`; it ends with the process, however that ends.

    Raises InputError where somebody else holds it for five minutes.
    """
    from filelock import FileLock, Timeout

    key = hashlib.sha256(name.encode()).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / f"lockgate-{os.getuid()}-{key}.lock"
    try:
        with FileLock(path, timeout=LOCK_SECONDS):
            yield
    except Timeout:
        raise InputError(f"another lockgate has held {path} for {LOCK_SECONDS:.0f} s; wait for it or end it") from None
