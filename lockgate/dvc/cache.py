"""DVC's cache between runs of a workflow: whether a run added to it, and when it is trimmed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lockgate.config.errors import InputError
from lockgate.config.files import sha256_bytes
from lockgate.dvc.child_process import run_child
from lockgate.dvc.reproduce import dvc_python

CACHE = Path(".dvc/cache")
MAX_BYTES = 1 << 30  # what earlier runs left accumulates; beyond this only what this commit needs is kept


def cache_state() -> str:
    """What the cache holds, as a hash of its names, which are hashes of the content."""
    return sha256_bytes("\n".join(sorted(str(path) for path in _files())).encode())[:16]


def trim_cache(show: Callable[[str], None]) -> None:
    """Drop what the working directory does not need where the cache has grown large; `show` gets what DVC says."""
    if sum(path.stat().st_size for path in _files()) <= MAX_BYTES:
        return
    if run_child([*dvc_python(), "-m", "dvc", "gc", "--quiet", "--force", "--workspace"], show) != 0:
        raise InputError("`dvc gc` failed; its message is above")


def _files() -> list[Path]:
    return [path for path in CACHE.rglob("*") if path.is_file()]
