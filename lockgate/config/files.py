"""Writing files so that a killed run leaves nothing half-written, and naming their content by sha256."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

from lockgate.config.errors import InputError
from lockgate.config.limits import JSON_BYTES, Limit

TEMPORARY_PREFIX = ".lockgate-"


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys and no NaN: equal values give equal bytes.

    Raises ValueError on NaN and infinity, which JSON cannot hold.
    """
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def readable_json(value: Any) -> bytes:
    """JSON for people and for `git diff`, in the order given and without NaN."""
    return (json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1) + "\n").encode()


def sha256_bytes(content: bytes) -> str:
    """Hexadecimal sha256 of `content`."""
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    """Hexadecimal sha256 of the file's content, read in blocks."""
    with open_file(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def open_file(path: Path, *, follow_links: bool = True) -> BufferedReader:
    """The regular file at `path`, open for reading; raises OSError for anything else, without waiting for it.

    A pipe would be waited for without end, and a device read without end.
    """
    descriptor = os.open(
        path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | (0 if follow_links else os.O_NOFOLLOW)
    )
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is a folder, a pipe or a device, not a file", str(path))
    return os.fdopen(descriptor, "rb")


def read_json(path: Path, how_to_fix: str) -> dict[str, Any]:
    """The JSON object in `path`.

    Raises InputError naming the file, and `how_to_fix`, where it is missing, empty, no file, not JSON or not an object.
    """
    return parse_json(read_bytes(path, how_to_fix), str(path), how_to_fix)


def parse_json(content: bytes, where: str, how_to_fix: str) -> dict[str, Any]:
    """The JSON object in `content`; InputError naming `where`, and `how_to_fix`, where it is none."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        raise InputError(f"{where} is not valid JSON; {how_to_fix}") from None
    if not isinstance(value, dict):
        raise InputError(f"{where} holds {type(value).__name__}, not a JSON object; {how_to_fix}")
    return value


def read_bytes(path: Path, how_to_fix: str) -> bytes:
    """The content of a regular file, as large as JSON may be.

    Raises InputError naming the file, and `how_to_fix`, where there is none.
    """
    try:
        with open_file(path) as stream:
            return read_at_most(stream, JSON_BYTES, str(path))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; {how_to_fix}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}); {how_to_fix}") from None


def read_at_most(stream: BufferedReader, limit: Limit, what: str) -> bytes:
    """The content of an open file; raises InputError where it is beyond `limit`, which is known before it is read."""
    limit.require(os.fstat(stream.fileno()).st_size, what)
    content = stream.read(limit.value + 1)
    limit.require(len(content), what)  # it has grown meanwhile
    return content


@contextmanager
def staged_files(folder: Path) -> Iterator[Path]:
    """A temporary folder beside the outputs; what stands in it at the end is renamed into `folder`.

    All files are complete and on disk before the first rename. If the block raises, nothing in `folder` changes.
    """
    with _disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder)
        with tempfile.TemporaryDirectory(prefix=f"{TEMPORARY_PREFIX}{os.getpid()}-", dir=folder) as name:
            stage = Path(name)
            yield stage
            written = sorted(path for path in stage.rglob("*") if path.is_file())
            for path in written:
                _flush_to_disk(path)
            for path in written:
                target = folder / path.relative_to(stage)
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(path, target)


def write_files(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write several files (name to content) into `folder`: all, or none that existed is touched."""
    with staged_files(folder) as stage:
        for name, content in contents.items():
            path = stage / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def write_file(path: Path, content: bytes) -> None:
    """Write one file beside its place, then rename it."""
    write_files(path.parent, {path.name: content})


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"cannot write to {folder}: {error.strerror or error}; check that it is writable and has room"
        ) from error


def _remove_leftovers(folder: Path) -> None:
    """Temporary folders of runs that were killed: their process, named in the folder's name, is gone."""
    for leftover in folder.glob(f"{TEMPORARY_PREFIX}*-*"):
        process = leftover.name.removeprefix(TEMPORARY_PREFIX).split("-")[0]
        if process.isdigit() and not _is_running(int(process)):
            shutil.rmtree(leftover, ignore_errors=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _flush_to_disk(path: Path) -> None:
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())
