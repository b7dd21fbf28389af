"""Reading Feather and Arrow's own files, batch by batch."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from lockgate.config.limits import TABLE_BYTES, TABLE_COLUMNS, TABLE_ROWS
from lockgate.data.names import header_names
from lockgate.data.parquet_file import BYTES_A_CELL, STREAMED_ROWS
from lockgate.data.source_table import SourceTable, plain_table

FILE_MAGIC = b"ARROW1\0\0"  # what follows is as in a stream, up to the footer
DICTIONARY_BATCH = 2


def read_arrow(stream: BinaryIO, where: str, is_stream: bool) -> SourceTable:
    """The table in an open file: Feather, or Arrow's file or (`is_stream`) stream format.

    Raises InputError beyond a limit, and pyarrow's errors where the file is damaged.
    """
    TABLE_BYTES.require(sum(_unpacked_bytes(stream, is_stream)), where)
    schema, names, found = _opened(stream, where, is_stream)
    batches, rows, size = [], 0, 0
    for batch, in_memory in found:
        rows += batch.num_rows
        size += in_memory
        TABLE_ROWS.require(rows, where)
        TABLE_BYTES.require(max(size, rows * len(names) * BYTES_A_CELL), where)
        batches.append(batch)
    table = pa.Table.from_batches(batches, schema).rename_columns(names)
    return SourceTable(plain_table(table), where)


def arrow_batches(stream: BinaryIO, where: str, is_stream: bool) -> Iterator[SourceTable]:
    """The rows of such a file, a batch of its own at a time, of which each is bounded."""
    TABLE_BYTES.require(max(_unpacked_bytes(stream, is_stream), default=0), where)
    _, names, found = _opened(stream, where, is_stream)
    rows = 0
    for batch, in_memory in found:
        TABLE_BYTES.require(max(in_memory, batch.num_rows * len(names) * BYTES_A_CELL), where)
        for start in range(0, batch.num_rows, STREAMED_ROWS):
            table = pa.Table.from_batches([batch.slice(start, STREAMED_ROWS)]).rename_columns(names)
            yield SourceTable(plain_table(table), where, first_row=rows + start)
        rows += batch.num_rows


def _opened(
    stream: BinaryIO, where: str, is_stream: bool
) -> tuple[pa.Schema, list[str], Iterator[tuple[pa.RecordBatch, int]]]:
    """The file's schema, the names of its columns, and its batches with the bytes that each takes in memory."""
    stream.seek(0)
    reader = pa.ipc.open_stream(stream) if is_stream else pa.ipc.open_file(stream)
    names = header_names(reader.schema.names, where)
    TABLE_COLUMNS.require(len(names), where)
    return reader.schema, names, map(_validated, reader if is_stream else _file_batches(reader))


def _validated(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, int]:
    batch.validate(full=True)
    return batch, batch.nbytes + sum(map(_decoded_bytes, batch.columns))


def _file_batches(reader: pa.RecordBatchFileReader) -> Iterator[pa.RecordBatch]:
    return (reader.get_batch(number) for number in range(reader.num_record_batches))


def _decoded_bytes(column: pa.Array) -> int:
    """The most that the texts of a dictionary can take: as if every value were the longest."""
    if not pa.types.is_dictionary(column.type) or not len(column.dictionary):
        return 0
    try:
        return len(column) * int(pc.max(pc.binary_length(column.dictionary)).as_py() or 0)
    except pa.ArrowNotImplementedError:  # only texts have a length, and numbers have one width
        return len(column) * BYTES_A_CELL


def _unpacked_bytes(stream: BinaryIO, is_stream: bool) -> Iterator[int]:
    """The bytes that the compressed buffers of each batch say to unpack to: pyarrow unpacks a whole batch before it shows any."""
    stream.seek(0 if is_stream else len(FILE_MAGIC))
    for message in pa.ipc.MessageReader.open_stream(stream):
        if message.type != "schema":
            yield _unpacked_bytes_of_message(memoryview(message.metadata), message.body)


def _unpacked_bytes_of_message(metadata: memoryview, body: pa.Buffer) -> int:
    """Of the buffers of a record batch, or of the one in a dictionary batch, where they are compressed.

    The layout is that of Arrow's Message.fbs: of a message, field 1 is its kind and field 2 its header; of a dictionary batch,
    field 1 is its record batch; of a record batch, field 2 lists its buffers, and field 3 is there where they are compressed.
    """
    message = _FlatTable(metadata, int.from_bytes(metadata[:4], "little"))
    batch = message.table(2)
    if batch and metadata[message.position(1)] == DICTIONARY_BATCH:
        batch = batch.table(1)
    if not batch or not batch.position(2) or not batch.position(3):
        return 0
    buffers = batch.position(2) + batch.number(batch.position(2), "<I")
    total = 0
    for at in range(buffers + 4, buffers + 4 + 16 * batch.number(buffers, "<I"), 16):
        offset, length = struct.unpack_from("<qq", metadata, at)
        if length >= 8:
            total += max(length, *struct.unpack_from("<q", body, offset))
    return total


class _FlatTable:
    """A table of a flatbuffer, whose fields are found by their number."""

    def __init__(self, content: memoryview, start: int) -> None:
        self._content = content
        self._start = start
        self._layout = start - self.number(start, "<i")

    def number(self, at: int, form: str) -> int:
        """The number that stands at a position of the buffer."""
        return int(struct.unpack_from(form, self._content, at)[0])

    def position(self, field: int) -> int:
        """Where a field stands in the buffer, 0 where the table has none."""
        entry = 4 + 2 * field
        if entry >= self.number(self._layout, "<H"):
            return 0
        offset = self.number(self._layout + entry, "<H")
        return self._start + offset if offset else 0

    def table(self, field: int) -> _FlatTable | None:
        """The table that a field refers to."""
        at = self.position(field)
        return _FlatTable(self._content, at + self.number(at, "<I")) if at else None
