"""A folder of Parquet files that the kit itself writes and changes, on a disk or in a storage that fsspec opens.

A file is there whole or not at all: it is written under a name that begins with a dot, and then renamed.
"""

from __future__ import annotations

import io
import os
import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from lockgate.config.credentials import safe_url, without_credentials
from lockgate.config.errors import InputError
from lockgate.config.files import open_file, write_file
from lockgate.data.download import is_over_http, is_url, open_storage
from lockgate.data.file_names import chosen_names, fixed_folder, has_wildcard, is_table_name
from lockgate.data.parquet_file import read_parquet_stream
from lockgate.data.source_table import plain_table
from lockgate.data.tables import table_bytes

SUFFIX = ".parquet"


@dataclass(frozen=True)
class StoredFolder:
    """The Parquet files of a folder by their names from there; `key` is the option that named it, for messages."""

    location: str
    key: str

    @property
    def where(self) -> str:
        """What messages call it."""
        return f"{self.key}: {safe_url(self.location)}"

    def names(self) -> list[str]:
        """The complete files, sorted; none where there is no such folder."""
        return [name.as_posix() for name in self._tables() if name.suffix == SUFFIX]

    def require_there(self) -> None:
        """Raises InputError where there is no such folder on a disk; a storage knows none that is empty."""
        if not is_url(self.location) and not Path(self.location).is_dir():
            raise InputError(f"{self.where} does not exist; check the path (from the folder of the command)")

    def others(self) -> list[str]:
        """The complete tables of other formats, sorted: part of a batch that is read from here, and never changed."""
        return [name.as_posix() for name in self._tables() if name.suffix != SUFFIX]

    def tables(self) -> Iterator[tuple[str, pa.Table]]:
        """Each file's name and rows; raises InputError naming one that is damaged."""
        for name in self.names():
            yield name, self.read(name)

    def read(self, name: str) -> pa.Table:
        """The rows of a file."""
        with self._errors(name), self._opened(name) as stream:
            return plain_table(read_parquet_stream(stream, f"{self.where} ({name})"))

    def write(self, name: str, rows: pa.Table) -> None:
        """Write a file in place of one of this name."""
        content = table_bytes(rows)
        if not is_url(self.location):
            write_file(Path(self.location) / name, content)
            return
        with self._errors(name):
            storage, folder = self._storage()
            target = posixpath.join(folder, name)
            beside = posixpath.join(posixpath.dirname(target), f".{posixpath.basename(target)}")
            storage.makedirs(posixpath.dirname(target), exist_ok=True)
            storage.pipe_file(beside, content)
            storage.mv(beside, target)

    def remove(self, name: str) -> None:
        """Remove a file."""
        with self._errors(name):
            if is_url(self.location):
                storage, folder = self._storage()
                storage.rm_file(posixpath.join(folder, name))
            else:
                (Path(self.location) / name).unlink()

    def _tables(self) -> list[Path]:
        taken, _ = chosen_names([Path(name) for name in sorted(self._found())], is_folder=True)
        return taken

    def _found(self) -> list[str]:
        with self._errors(""):
            if is_url(self.location):
                storage, folder = self._storage()
                storage.invalidate_cache()
                found = storage.find(folder) if storage.isdir(folder) else []
                return [posixpath.relpath(name, folder) for name in found]
            base = Path(self.location)
            return [path.relative_to(base).as_posix() for path in base.rglob("*") if path.is_file()]

    @contextmanager
    def _opened(self, name: str) -> Iterator[Any]:
        if is_url(self.location):
            storage, folder = self._storage()
            yield io.BytesIO(storage.cat_file(posixpath.join(folder, name)))
        else:
            with open_file(Path(self.location) / name) as stream:
                yield stream

    def _storage(self) -> tuple[Any, str]:
        storage, path = open_storage(self.location, self.where)
        return storage, path.rstrip("/")

    @contextmanager
    def _errors(self, name: str) -> Iterator[None]:
        try:
            yield
        except InputError:
            raise
        except Exception as error:  # each storage, and the Parquet library, has errors of its own
            lines = (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()
            problem = without_credentials(lines[0][:200], self.location)
            file = f" ({name})" if name else ""
            raise InputError(
                f"{self.where}{file} cannot be read or changed: {problem}; check the address, and who may write there"
            ) from None


def folder_of_table(location: str) -> str:
    """The folder of the files that a path, a pattern of names or a URL stands for."""
    scheme, separator, rest = location.rpartition("://")
    if has_wildcard(rest):
        rest = fixed_folder(rest)
    elif is_table_name(Path(rest)):
        rest = posixpath.dirname(rest)
    return f"{scheme}{separator}{rest}"


def has_room_beside(location: str) -> bool:
    """Whether a folder can be kept beside the one at `location`: not over http(s), nor beside the root of a storage."""
    return not is_url(location) or not (is_over_http(location) or _is_root(location))


def folder_beside(location: str, name: str) -> str:
    """The folder `name` beside the folder at `location`; raises InputError where there is no room for it."""
    if not is_url(location):
        return os.path.join(os.path.dirname(os.path.normpath(location)) if _is_named(location) else os.pardir, name)
    if is_over_http(location):
        raise InputError(
            f"{safe_url(location)} can only be read; name a folder, or one of a storage such as s3://, where `{name}` can be kept"
        )
    if _is_root(location):
        raise InputError(
            f"{safe_url(location)} is the root of a storage; name a folder in it, with room for `{name}` beside it"
        )
    scheme, separator, rest = location.rpartition("://")
    return f"{scheme}{separator}{posixpath.join(posixpath.dirname(rest.rstrip('/')), name)}"


def _is_root(location: str) -> bool:
    return not posixpath.dirname(location.rpartition("://")[2].rstrip("/"))


def _is_named(path: str) -> bool:
    return os.path.basename(os.path.normpath(path)) not in (os.curdir, os.pardir)
