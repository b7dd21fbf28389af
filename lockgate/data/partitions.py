"""A table in parts, for those that are larger than the memory: each part is read by itself, batch by batch, wherever that is done.

with open_partitions("applications/", "prepare.source", read) as table:
    for partition in table.partitions:
        for batch in partition.batches():
            ...
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from lockgate.config.credentials import safe_url
from lockgate.config.errors import InputError
from lockgate.config.files import sha256_bytes, sha256_file
from lockgate.config.params import Read
from lockgate.data.download import download_stored, is_url, stored_files
from lockgate.data.file_names import TableFiles
from lockgate.data.parquet_file import group_rows
from lockgate.data.source_table import SourceTable
from lockgate.data.sources import fetched_files, file_batches, opened_file, read_errors, require_any, require_files
from lockgate.documents.schema_json import RESERVED_PREFIX
from lockgate.engine.engine import Engine, LocalEngine

PARTITION_ROWS = 1_048_576  # about as many: enough for their counts to be small beside them
BATCH_ROWS = 131_072


class Partition(Protocol):
    """Some of a table's rows. It pickles, and can be read more than once."""

    def batches(self, coded: Collection[str] = ()) -> Iterator[SourceTable]:
        """The rows, as they stand in their file, some thousands at a time: no more are in memory.

        Who only counts the texts of some columns names these as `coded`: they may be `TEXT_CODES`, which takes less time.
        """


@dataclass(frozen=True)
class MemoryPartition:
    """Rows that are in memory already."""

    table: SourceTable

    def batches(self, coded: Collection[str] = ()) -> Iterator[SourceTable]:
        """All of them at once: nothing is won by cutting what is there anyway."""
        yield self.table


@dataclass(frozen=True)
class FilePartition:
    """Rows of one file: all, or those of some of a Parquet file's groups, the first of which is row `first_row` of the file.

    `name` is what messages call the table, with the name of the file where the table has several.
    """

    path: Path
    name: str
    read: Read
    groups: tuple[int, ...] | None = None
    first_row: int = 0

    def batches(self, coded: Collection[str] = ()) -> Iterator[SourceTable]:
        """The rows in the order of the file."""
        for batch in file_batches(self.path, self.name, self.read, groups=self.groups, rows=BATCH_ROWS, coded=coded):
            yield replace(batch, name=self.name, first_row=self.first_row + batch.first_row)


@dataclass(frozen=True)
class UrlPartition:
    """Rows of one file of a folder or a pattern in a storage: it is on the disk of whoever reads it, while it is read.

    `url` is what the user named, credentials included, and `path` the file there; `sha256` is of its bytes as they were seen first.
    """

    url: str = field(repr=False)
    path: str
    name: str
    read: Read
    sha256: str

    def batches(self, coded: Collection[str] = ()) -> Iterator[SourceTable]:
        """The rows in the order of the file; raises InputError where it is another file by now."""
        with tempfile.TemporaryDirectory(prefix="lockgate-") as folder:
            file = Path(folder, "download")
            download_stored(self.url, self.path, file, self.name)
            if sha256_file(file) != self.sha256:
                raise InputError(
                    f"{self.name} changed while the table was read; read it again when nobody writes there"
                )
            yield from FilePartition(file, self.name, self.read).batches(coded)


@dataclass(frozen=True)
class PartitionedTable:
    """A table that is read part by part.

    `partitions` are in the order of the rows. `schema` has the columns as a Parquet table's files type them, and is None for
    files of other forms, which say it only batch by batch. `rows` is None where only reading tells. `name`, `sha256`, `read_on` and
    `notes` are those of `SourceTable`.
    """

    partitions: tuple[Partition, ...]
    name: str
    sha256: str | None = None
    schema: pa.Schema | None = None
    rows: int | None = None

    def batches(self) -> Iterator[SourceTable]:
        """All rows, in their order."""
        for partition in self.partitions:
            yield from partition.batches()


def in_memory(table: SourceTable) -> PartitionedTable:
    """A table that is in memory, as one part."""
    return PartitionedTable(
        (MemoryPartition(table),), table.name, table.sha256, table.columns.schema, table.columns.num_rows
    )


@dataclass(frozen=True)
class Part:
    """A partition, and what the file says of its columns and rows before they are read: None where it says nothing.

    `file` is the number of its file among those of the table.
    """

    partition: FilePartition | UrlPartition
    schema: pa.Schema | None
    rows: int | None
    file: int = 0


@dataclass(frozen=True)
class FoundParts:
    """The parts of a table in their order, the names of its files and of others that are left out, and the sha256 of all bytes."""

    parts: list[Part]
    files: list[str]
    left_out: list[str]
    sha256: str


@contextmanager
def open_partitions(location: str, key: str, read: Read, engine: Engine | None = None) -> Iterator[PartitionedTable]:
    """The table at `location`, a path, a folder, a pattern of names or a URL, in parts; `key` is the setting that named it.

    Raises InputError, one line, for what cannot be read as one table, naming the file where there are several. For the rest see
    `open_parts`.
    """
    with open_parts(location, key, read, engine) as found:
        yield replace(
            _together(found.parts, f"{key}: {safe_url(location)}"), name=safe_url(location), sha256=found.sha256
        )


@contextmanager
def open_parts(location: str, key: str, read: Read, engine: Engine | None = None) -> Iterator[FoundParts]:
    """The parts of the table at `location`, as `open_partitions` names it.

    A Parquet file is cut between its groups of rows, every other file is a part. The file of a URL is here until the block ends;
    of a folder or a pattern in a storage each file is a part, which `engine` looks at first, by default here, and which is fetched
    by whoever reads it: no more than these are on a disk. Raises InputError where there are no rows.
    """
    where, name = f"{key}: {safe_url(location)}", safe_url(location)
    stored = stored_files(location, where) if is_url(location) else None
    if stored is not None:
        require_any(TableFiles([Path(one) for one in stored.paths], Path(), stored.left_out), where)
        look = partial(_look_at_stored, location, where, name, read)
        looked = list((engine or LocalEngine()).map(look, stored.paths.items()))
        # As TableFiles.sha256 has it of files that are here.
        lines = "".join(f"{one.sha256} {file}\n" for one, file in zip(looked, stored.paths, strict=True))
        parts = [replace(one.part, file=number) for number, one in enumerate(looked) if one.part]
        yield _with_rows(FoundParts(parts, list(stored.paths), stored.left_out, sha256_bytes(lines.encode())), where)
        return
    with fetched_files(location, key) as files:
        with read_errors(where):
            require_files(files, where)
            sha256 = files.sha256()
        parts = [
            replace(one, file=number)
            for number, path in enumerate(files.paths)
            for one in partitions_of(files, path, where, name, read)
        ]
        yield _with_rows(FoundParts(parts, [files.name(path) for path in files.paths], files.left_out, sha256), where)


def _with_rows(found: FoundParts, where: str) -> FoundParts:
    if not found.parts:
        raise InputError(f"{where} has a header and no rows; it needs rows")
    return found


@dataclass(frozen=True)
class _Looked:
    """A file of a storage that was looked at: the sha256 of its bytes, and its part, None where it has no rows."""

    sha256: str
    part: Part | None


def _look_at_stored(url: str, where: str, table: str, read: Read, file: tuple[str, str]) -> _Looked:
    """Fetch a file, a pair of its name from the table's folder and its path in the storage, and look at it."""
    name, path = file
    with tempfile.TemporaryDirectory(prefix="lockgate-") as folder:
        here = Path(folder, "download")
        download_stored(url, path, here, f"{where} ({name})")
        sha256 = sha256_file(here)
        found = list(partitions_of(TableFiles([here]), here, f"{where} ({name})", table, read))
    if not found:
        return _Looked(sha256, None)
    sizes = [one.rows for one in found if one.rows is not None]
    partition = UrlPartition(url, path, f"{table} ({name})", read, sha256)
    return _Looked(sha256, Part(partition, found[0].schema, sum(sizes) if sizes else None))


def partitions_of(files: TableFiles, path: Path, where: str, name: str, read: Read) -> Iterator[Part]:
    """The parts of one of a table's files."""
    part = f" ({files.name(path)})" if files.base else ""
    with read_errors(where + part), opened_file(path, where + part, read) as (kind, stream):
        if kind != "parquet":
            yield Part(FilePartition(path.absolute(), name + part, read), None, None)
            return
        schema, sizes = group_rows(stream, where + part)
    first, chosen, rows = 0, list[int](), 0
    for number, size in enumerate(sizes):
        chosen.append(number)
        rows += size
        if rows >= PARTITION_ROWS or (number == len(sizes) - 1 and rows):
            yield Part(FilePartition(path.absolute(), name + part, read, tuple(chosen), first), schema, rows)
            first, chosen, rows = first + rows, [], 0


def _together(parts: Sequence[Part], where: str) -> PartitionedTable:
    """The parts as one table; raises InputError naming the file where one has other columns than the first.

    What the kit writes beside the rows of a decision log may differ between its versions, and is missing where a part lacks it.
    """
    first = parts[0]
    for part in parts[1:]:
        if first.schema is None or part.schema is None:
            continue
        for name in first.schema.names:
            if name not in part.schema.names and not name.startswith(RESERVED_PREFIX):
                raise InputError(
                    f"{where}: {part.partition.name} has no column `{name}`, which {first.partition.name} has; write it there "
                    "too (empty where nothing is known), or leave that file out"
                )
    sizes = [part.rows for part in parts]
    schema = None if any(part.schema is None for part in parts) else first.schema
    known = [size for size in sizes if size is not None]
    return PartitionedTable(
        tuple(part.partition for part in parts), where, None, schema, sum(known) if len(known) == len(sizes) else None
    )
