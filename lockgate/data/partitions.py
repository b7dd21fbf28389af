"""A table in parts, for those that are larger than the memory: each part is read by itself, batch by batch, wherever that is done.

with open_partitions("applications/", "prepare.source", read) as table:
    for partition in table.partitions:
        for batch in partition.batches():
            ...
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from lockgate.config.credentials import safe_url
from lockgate.config.errors import InputError
from lockgate.config.params import Read
from lockgate.data.file_names import TableFiles
from lockgate.data.parquet_file import group_rows
from lockgate.data.source_table import SourceTable
from lockgate.data.sources import fetched_files, file_batches, opened_file, read_errors, require_files

PARTITION_ROWS = 1_048_576  # about as many: enough for their counts to be small beside them
BATCH_ROWS = 65_536


class Partition(Protocol):
    """Some of a table's rows. It pickles, and can be read more than once."""

    def batches(self) -> Iterator[SourceTable]:
        """The rows, as they stand in their file, some thousands at a time: no more are in memory."""


@dataclass(frozen=True)
class MemoryPartition:
    """Rows that are in memory already."""

    table: SourceTable

    def batches(self) -> Iterator[SourceTable]:
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

    def batches(self) -> Iterator[SourceTable]:
        """The rows in the order of the file."""
        for batch in file_batches(self.path, self.name, self.read, groups=self.groups, rows=BATCH_ROWS):
            yield replace(batch, name=self.name, first_row=self.first_row + batch.first_row)


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


@contextmanager
def open_partitions(location: str, key: str, read: Read) -> Iterator[PartitionedTable]:
    """The table at `location`, a path, a folder, a pattern of names or a URL, in parts; `key` is the setting that named it.

    A Parquet file is cut between its groups of rows, every other file is a part. Files of a URL are here until the block ends.
    Raises InputError, one line, for what cannot be read as one table, naming the file where there are several.
    """
    where = f"{key}: {safe_url(location)}"
    with fetched_files(location, key) as files:
        with read_errors(where):
            require_files(files, where)
            sha256 = files.sha256()
        name = safe_url(location)
        found = [one for path in files.paths for one in _partitions_of(files, path, where, name, read)]
        if not found:
            raise InputError(f"{where} has a header and no rows; it needs rows")
        yield replace(_together(found, where), name=name, sha256=sha256)


@dataclass(frozen=True)
class _Part:
    partition: FilePartition
    schema: pa.Schema | None
    rows: int | None


def _partitions_of(files: TableFiles, path: Path, where: str, name: str, read: Read) -> Iterator[_Part]:
    part = f" ({files.name(path)})" if files.base else ""
    with read_errors(where + part), opened_file(path, where + part, read) as (kind, stream):
        if kind != "parquet":
            yield _Part(FilePartition(path.absolute(), name + part, read), None, None)
            return
        schema, sizes = group_rows(stream, where + part)
    first, chosen, rows = 0, list[int](), 0
    for number, size in enumerate(sizes):
        chosen.append(number)
        rows += size
        if rows >= PARTITION_ROWS or (number == len(sizes) - 1 and rows):
            yield _Part(FilePartition(path.absolute(), name + part, read, tuple(chosen), first), schema, rows)
            first, chosen, rows = first + rows, [], 0


def _together(parts: Sequence[_Part], where: str) -> PartitionedTable:
    """The parts as one table; raises InputError naming the file where one has other columns than the first."""
    first = parts[0]
    for part in parts[1:]:
        if first.schema is None or part.schema is None:
            continue
        for name in first.schema.names:
            if name not in part.schema.names:
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
