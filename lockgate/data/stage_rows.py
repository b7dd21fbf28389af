"""The rows that `prepare` wrote, read part by part and checked against the schema: for files that are larger than the memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Protocol, runtime_checkable

import pandas as pd

from lockgate.config.files import open_file, sha256_file
from lockgate.data.parquet_file import group_rows, parquet_batches
from lockgate.data.partitions import BATCH_ROWS
from lockgate.data.tables import HOW_TO_MAKE_IT, parquet_errors
from lockgate.data.validation import Role, check_frame
from lockgate.documents.schema_json import Schema


class FramePartition(Protocol):
    """Some of a table's rows, as frames with the columns of a schema. It pickles, and can be read more than once."""

    def frames(self, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """The rows in their order, some thousands at a time: no more are in memory. All columns, or those that are named."""


@runtime_checkable
class CountedPartition(FramePartition, Protocol):
    """One that says how many rows it has before it is read."""

    @property
    def rows(self) -> int:
        """How many rows there are."""


@dataclass(frozen=True)
class FrameInMemory:
    """Rows that are in memory already."""

    frame: pd.DataFrame

    def frames(self, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """All of them at once."""
        yield self.frame if columns is None else self.frame[list(columns)]


@dataclass(frozen=True)
class StagePartition:
    """One of the groups of rows of a stage's file. It pickles, and can be read more than once."""

    path: Path
    group: int
    rows: int
    schema: Schema
    role: Role

    def frames(self, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """The rows in the order of the file, checked, some thousands at a time; that keys differ is not for a part to say.

        Some columns alone are not checked: whoever takes them has been through all of them before.
        """
        with parquet_errors(self.path, HOW_TO_MAKE_IT), open_file(self.path) as stream:
            batches = parquet_batches(stream, str(self.path), groups=[self.group], rows=BATCH_ROWS, columns=columns)
            for table in batches:
                frame = table.to_pandas(ignore_metadata=True)
                if columns is None:
                    check_frame(frame, self.schema, self.role, str(self.path))
                yield frame


def frames_of(rows: pd.DataFrame | StageRows, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
    """All columns of rows in a frame or in a file, or those that are named; of a frame all rows at once."""
    return (rows if isinstance(rows, StageRows) else FrameInMemory(rows)).frames(columns)


def partitions_of(rows: pd.DataFrame | StageRows) -> Sequence[FramePartition]:
    """The parts of the rows; a frame is one."""
    return rows.partitions if isinstance(rows, StageRows) else [FrameInMemory(rows)]


@dataclass(frozen=True)
class StageRange:
    """The rows from `first` to before `end` of a stage's file, however its groups are cut. It pickles, as its parts do."""

    partitions: tuple[StagePartition, ...]
    first: int
    end: int

    def frames(self, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """The rows in the order of the file, some thousands at a time, checked as those of a `StagePartition` are."""
        place = 0
        for partition in self.partitions:
            if place + partition.rows <= self.first or place >= self.end:
                place += partition.rows
                continue
            for frame in partition.frames(columns):
                inside = frame[max(self.first - place, 0) : max(self.end - place, 0)]
                if len(inside):
                    yield inside
                place += len(frame)


@dataclass(frozen=True)
class StageRows:
    """A file that `lockgate prepare` wrote: `data/train.parquet`, `test.parquet` or `current.parquet`.

    `read_on` is that of `Table`.
    """

    path: Path
    schema: Schema
    role: Role
    read_on: date | None = None

    @cached_property
    def partitions(self) -> Sequence[StagePartition]:
        """The file's groups of rows. Raises InputError where there is no file, or it cannot be read."""
        with parquet_errors(self.path, HOW_TO_MAKE_IT), open_file(self.path) as stream:
            _, sizes = group_rows(stream, str(self.path))
        return [
            StagePartition(self.path.absolute(), group, rows, self.schema, self.role)
            for group, rows in enumerate(sizes)
            if rows
        ]

    @cached_property
    def columns(self) -> list[str]:
        """The names of the file's columns."""
        with parquet_errors(self.path, HOW_TO_MAKE_IT), open_file(self.path) as stream:
            return list(group_rows(stream, str(self.path))[0].names)

    @cached_property
    def sha256(self) -> str:
        """The sha256 of the file."""
        with parquet_errors(self.path, HOW_TO_MAKE_IT):
            return sha256_file(self.path)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(one.rows for one in self.partitions)

    def ranges(self, number: int) -> list[StageRange]:
        """The rows in `number` ranges of about the same size, one after the other."""
        ends = [self.rows * place // number for place in range(number + 1)]
        parts = tuple(self.partitions)
        return [StageRange(parts, first, end) for first, end in pairwise(ends)]

    def frames(self, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """All rows in the order of the file, some thousands at a time."""
        for partition in self.partitions:
            yield from partition.frames(columns)
