"""The rows that `prepare` wrote, read part by part and checked against the schema: for files that are larger than the memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

import pandas as pd

from lockgate.config.files import open_file
from lockgate.data.parquet_file import group_rows, parquet_batches
from lockgate.data.partitions import BATCH_ROWS
from lockgate.data.tables import HOW_TO_MAKE_IT, parquet_errors
from lockgate.data.validation import Role, check_frame
from lockgate.documents.schema_json import Schema


class FramePartition(Protocol):
    """Some of a table's rows, as frames with the columns of a schema. It pickles, and can be read more than once."""

    def frames(self) -> Iterator[pd.DataFrame]:
        """The rows in their order, some thousands at a time: no more are in memory."""


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

    def frames(self) -> Iterator[pd.DataFrame]:
        """All of them at once."""
        yield self.frame


@dataclass(frozen=True)
class StagePartition:
    """One of the groups of rows of a stage's file. It pickles, and can be read more than once."""

    path: Path
    group: int
    rows: int
    schema: Schema
    role: Role

    def frames(self) -> Iterator[pd.DataFrame]:
        """The rows in the order of the file, checked, some thousands at a time; that keys differ is not for a part to say."""
        with parquet_errors(self.path, HOW_TO_MAKE_IT), open_file(self.path) as stream:
            for table in parquet_batches(stream, str(self.path), groups=[self.group], rows=BATCH_ROWS):
                frame = table.to_pandas(ignore_metadata=True)
                check_frame(frame, self.schema, self.role, str(self.path))
                yield frame


@dataclass(frozen=True)
class StageRows:
    """A file that `lockgate prepare` wrote: `data/train.parquet`, `test.parquet` or `current.parquet`."""

    path: Path
    schema: Schema
    role: Role

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

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(one.rows for one in self.partitions)

    def frames(self) -> Iterator[pd.DataFrame]:
        """All rows in the order of the file, some thousands at a time."""
        for partition in self.partitions:
            yield from partition.frames()
