"""Sorting rows that are larger than the memory by their keys: written in runs, cut into buckets of keys, sorted bucket by bucket.

A run is some of the rows as they came, those of a bucket beside each other, in one file. A bucket is sorted in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lockgate.data.split import count_copies, numbered_keys
from lockgate.data.tables import GROUP_ROWS
from lockgate.documents.schema_json import ROW_KEY

RUN_ROWS = 262_144
BUCKET_BYTES = 32_000_000  # of the source's files
MAX_BUCKETS = 4096
POSITION = "position"
ROLE = "role"
TRAIN, TEST, LEFT_OUT = 0, 1, 2
_IPC = pa.ipc.IpcWriteOptions(compression="lz4")


def number_of_buckets(size: int) -> int:
    """Into how many buckets the rows of a source of so many bytes are sorted."""
    return min(MAX_BUCKETS, 1 + size // BUCKET_BYTES)


class RunWriter:
    """Collects the rows of a part of the source and writes them in runs, as `PART-RUN.arrow` in a folder."""

    def __init__(self, folder: Path, part: int, buckets: int) -> None:
        self._folder, self._part, self._buckets = folder, part, buckets
        self._waiting: list[pa.Table] = []
        self._rows = 0
        self.runs: list[str] = []

    def add(self, rows: pa.Table) -> None:
        """Take rows with their key in ROW_KEY, in the order of the source; numbers may be whole in some batches alone."""
        self._waiting.append(rows)
        self._rows += rows.num_rows
        if self._rows >= RUN_ROWS:
            self.close()

    def close(self) -> None:
        """Write what is waiting."""
        if not self._rows:
            return
        table = together(self._waiting)
        self._waiting, self._rows = [], 0
        buckets = _bucket_of(table[ROW_KEY], self._buckets)
        order = np.argsort(buckets, kind="stable")
        ends = np.searchsorted(buckets[order], np.arange(self._buckets + 1))
        table = table.take(pa.array(order)).combine_chunks()
        name = f"{self._part:06d}-{len(self.runs):06d}.arrow"
        _write_batches(
            self._folder / name, table.schema, (table.slice(begin, end - begin) for begin, end in pairwise(ends))
        )
        self.runs.append(name)


def together(tables: Sequence[pa.Table]) -> pa.Table:
    """The rows of tables of the same columns, in the types of all."""
    schema = common_schema([table.schema for table in tables])
    return pa.concat_tables([as_schema(table, schema) for table in tables])


def common_schema(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """Whole numbers beside broken ones are floats, as in a column that is read at once."""
    fields = []
    for position, field in enumerate(schemas[0]):
        kinds = {schema.field(position).type for schema in schemas}
        fields.append(field if len(kinds) == 1 else field.with_type(pa.float64()))
    return pa.schema(fields)


def as_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with its numbers in the types of `schema`."""
    columns = [
        column if column.type == field.type else column.cast(field.type, safe=False)
        for column, field in zip(table.columns, schema, strict=True)
    ]
    return pa.table(columns, schema=schema)


@dataclass(frozen=True)
class Bucket:
    """The rows of all runs whose keys begin alike."""

    number: int
    folder: Path
    runs: tuple[str, ...]
    schema: pa.Schema


@dataclass(frozen=True)
class SortedBucket:
    """What was found in a bucket: copies, the position of the first (None where none is kept), and the file of each role."""

    copies: int
    first_copy: int | None
    files: dict[int, str]


def sort_bucket(bucket: Bucket) -> SortedBucket:
    """Number the copies in a bucket, sort the rows of each role by their keys, and write them to files of their own."""
    tables = []
    for run in bucket.runs:
        with pa.memory_map(str(bucket.folder / run)) as file:
            batch = pa.ipc.open_file(file).get_batch(bucket.number)
            tables.append(as_schema(pa.Table.from_batches([batch]), bucket.schema))
    table = pa.concat_tables(tables)
    if not table.num_rows:
        return SortedBucket(0, None, {})
    keys = numbered_keys(table[ROW_KEY])
    copies, first = count_copies(keys), None
    if copies and POSITION in table.column_names:
        first = pc.min(table[POSITION].filter(pc.match_substring(keys, "-"))).as_py()
    table = table.set_column(table.column_names.index(ROW_KEY), ROW_KEY, keys)
    files = {}
    for role in pc.unique(table[ROLE]).to_pylist():
        if role == LEFT_OUT:
            continue
        rows = table.filter(pc.equal(table[ROLE], role)).drop_columns([ROLE])
        rows = rows.take(pc.sort_indices(rows[ROW_KEY])).combine_chunks()
        name = f"sorted-{role}-{bucket.number:06d}.arrow"
        _write_batches(bucket.folder / name, rows.schema, [rows])
        files[role] = name
    return SortedBucket(copies, first, files)


def sorted_groups(folder: Path, files: Sequence[str], names: Sequence[str]) -> Iterator[pa.Table]:
    """The rows of the files of sorted buckets, in groups as a table's file has them; of the columns `names`."""
    waiting: list[pa.Table] = []
    rows = 0
    for name in files:
        with pa.memory_map(str(folder / name)) as file:
            # Taken, not mapped: a group lies in memory as one piece.
            waiting.append(pa.ipc.open_file(file).read_all().select(list(names)))
        rows += waiting[-1].num_rows
        while rows >= GROUP_ROWS:
            joined = pa.concat_tables(waiting)
            yield joined.slice(0, GROUP_ROWS).combine_chunks()
            waiting, rows = [joined.slice(GROUP_ROWS)], rows - GROUP_ROWS
    if rows:
        yield pa.concat_tables(waiting).combine_chunks()


def _write_batches(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    """Write each table as one batch of the file, which is there only when it is complete.

    A worker that was given up for lost may still write what another one does again: neither ever sees half a file of the other.
    """
    written = path.with_name(f"{path.name}.{uuid4().hex}")
    with pa.OSFile(str(written), "wb") as file, pa.ipc.new_file(file, schema, options=_IPC) as out:
        for table in tables:
            out.write_batch(_one_batch(table))
    written.replace(path)


def _bucket_of(keys: pa.ChunkedArray, buckets: int) -> np.ndarray:
    """By the first four digits of the key, in the order of the keys."""
    digits = pc.utf8_slice_codeunits(keys, 0, 4).combine_chunks()
    different = pc.unique(digits)
    numbers = np.array([int(text, 16) * buckets >> 16 for text in different.to_pylist()], np.int64)
    found: np.ndarray = numbers[pc.index_in(digits, different).to_numpy()]
    return found


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    arrays = [column.combine_chunks() for column in table.columns]
    return pa.record_batch(
        [one.combine_chunks() if isinstance(one, pa.ChunkedArray) else one for one in arrays], schema=table.schema
    )


def write_groups(path: Path, groups: Iterator[pa.Table], metadata: dict[str, str]) -> int:
    """Write groups of rows as `table_bytes` writes a table of all of them; the number of rows."""
    rows = 0
    writer: pq.ParquetWriter | None = None
    try:
        for group in groups:
            table = group.replace_schema_metadata(metadata)
            writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table, row_group_size=GROUP_ROWS)
            rows += table.num_rows
    finally:
        if writer is not None:
            writer.close()
    return rows
