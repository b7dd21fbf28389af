"""Reading Feather and Arrow's own files, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from lockgate.config.limits import TABLE_BYTES, TABLE_COLUMNS, TABLE_ROWS
from lockgate.data.names import header_names
from lockgate.data.parquet_file import BYTES_A_CELL
from lockgate.data.source_table import SourceTable, plain_table


def read_arrow(stream: BinaryIO, where: str, is_stream: bool) -> SourceTable:
    """The table in an open file: Feather, or Arrow's file or (`is_stream`) stream format.

    Raises InputError beyond a limit, and pyarrow's errors where the file is damaged.
    """
    reader = pa.ipc.open_stream(stream) if is_stream else pa.ipc.open_file(stream)
    names = header_names(reader.schema.names, where)
    TABLE_COLUMNS.require(len(names), where)
    batches, rows, size = [], 0, 0
    for batch in reader if is_stream else _file_batches(reader):
        batch.validate(full=True)
        rows += batch.num_rows
        size += batch.nbytes + sum(map(_decoded_bytes, batch.columns))
        TABLE_ROWS.require(rows, where)
        TABLE_BYTES.require(max(size, rows * len(names) * BYTES_A_CELL), where)
        batches.append(batch)
    table = pa.Table.from_batches(batches, reader.schema).rename_columns(names)
    return SourceTable(plain_table(table), where)


def _file_batches(reader: pa.RecordBatchFileReader) -> Iterator[pa.RecordBatch]:
    return (reader.get_batch(number) for number in range(reader.num_record_batches))


def _decoded_bytes(column: pa.Array) -> int:
    """The most that the texts of a dictionary can take: as if every value were the longest."""
    if not pa.types.is_dictionary(column.type) or not len(column.dictionary):
        return 0
    try:
        return len(column) * int(pc.max(pc.binary_length(column.dictionary)).as_py() or 0)
    except pa.ArrowNotImplementedError:  # of numbers
        return len(column) * BYTES_A_CELL
