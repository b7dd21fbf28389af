"""Which files a folder or a pattern of names stands for."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import TypeVar

from lockgate.config.files import sha256_bytes, sha256_file

Name = TypeVar("Name", bound=PurePath)

TABLE_SUFFIXES = {".csv", ".tsv", ".parquet", ".pq", ".feather", ".arrow", ".jsonl", ".ndjson"}
COMPRESSION_SUFFIXES = {".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip"}


def has_wildcard(location: str) -> bool:
    """Whether a path is a pattern of names, such as `data/*.csv`."""
    return glob.has_magic(location)


def fixed_folder(pattern: str) -> str:
    """The folder that a pattern of names begins with, up to the first wildcard."""
    parts = PurePosixPath(pattern).parts
    fixed = next(number for number, part in enumerate(parts) if has_wildcard(part))
    return str(PurePosixPath(*parts[:fixed]))


@dataclass(frozen=True)
class TableFiles:
    """The files that make a table: one, or those of a folder or a pattern, which is then `base`, in the order of their names.

    `left_out` names the complete files of the folder that are no tables by their names.
    """

    paths: list[Path]
    base: Path | None = None
    left_out: list[str] = field(default_factory=list)

    def name(self, path: Path) -> str:
        """What the file is called in messages, and in the hash of all."""
        return path.relative_to(self.base).as_posix() if self.base else path.name

    def sha256(self) -> str:
        """Of the file's bytes, or of the names and bytes of all files."""
        if self.base is None:
            return sha256_file(self.paths[0])
        return sha256_bytes("".join(f"{sha256_file(path)} {self.name(path)}\n" for path in self.paths).encode())


def local_files(location: str, folder: Path) -> TableFiles:
    """The files that a path or a pattern of names, from `folder`, stands for; of one that does not exist, itself."""
    path = folder / location
    found: Iterable[Path]
    if path.is_dir():
        base, found = path, path.rglob("*")
    elif has_wildcard(location) and not path.exists():
        base = folder / fixed_folder(location)
        found = map(Path, glob.iglob(str(path), recursive=True))
    else:
        return TableFiles([path])
    names = {file.relative_to(base): file for file in sorted(found) if file.is_file()}
    taken, left_out = chosen_names(names, is_folder=path.is_dir())
    return TableFiles([names[name] for name in taken], base, left_out)


def chosen_names(names: Iterable[Name], *, is_folder: bool) -> tuple[list[Name], list[str]]:
    """Those of the names, from their folder, that are of a table's files, and those that are left out.

    A name with a dot in front is a file, or a folder, that somebody is still writing; so is one with an underscore, or it is a
    note of whoever wrote the others. Of a folder's files, a table's are those that end as one; a pattern says itself which it
    means.
    """
    taken, left_out = [], []
    for name in names:
        is_complete = not any(part.startswith("_") for part in name.parts)
        if any(part.startswith(".") for part in name.parts):
            continue
        if is_complete and (is_table_name(name) or not is_folder):
            taken.append(name)
        elif is_complete or is_table_name(name):
            left_out.append(str(name))
    return taken, left_out


def is_table_name(name: PurePath) -> bool:
    """Whether a file is called as one with a table, compressed or not."""
    suffixes = [suffix.lower() for suffix in name.suffixes[-2:]]
    if suffixes and suffixes[-1] in COMPRESSION_SUFFIXES:
        suffixes.pop()
    return bool(suffixes) and suffixes[-1] in TABLE_SUFFIXES
