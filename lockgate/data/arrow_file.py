"""Reading Feather and Arrow's own files, batch by batch."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from lockgate.config.limits import TABLE_BYTES, TABLE_COLUMNS, TABLE_ROWS
from lockgate.data.names import header_names
from lockgate.data.parquet_file import BYTES_A_CELL
from lockgate.data.source_table import SourceTable, plain_table

FILE_MAGIC = b"ARROW1\0\0"  # what follows is as in a stream, up to the footer
DICTIONARY_BATCH = 2


def read_arrow(stream: BinaryIO, where: str, is_stream: bool) -> SourceTable:
    """The table in an open file: Feather, or Arrow's file or (`is_stream`) stream format.

    Raises InputError beyond a limit, and pyarrow's errors where the file is damaged.
    """
    TABLE_BYTES.require(_unpacked_bytes(stream, 0 if is_stream else len(FILE_MAGIC)), where)
    stream.seek(0)
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
    except pa.ArrowNotImplementedError:  # only texts have a length, and numbers have one width
        return len(column) * BYTES_A_CELL


def _unpacked_bytes(stream: BinaryIO, start: int) -> int:
    """The bytes that all compressed buffers of the file say to unpack to: pyarrow unpacks a whole batch before it shows any."""
    stream.seek(start)
    total = 0
    for message in pa.ipc.MessageReader.open_stream(stream):
        if message.type != "schema":
            total += _unpacked_bytes_of_message(memoryview(message.metadata), message.body)
    return total


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
