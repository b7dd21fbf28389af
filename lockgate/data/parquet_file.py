"""Reading a Parquet file, whoever wrote it: how much it holds is known before it is read, and checked while it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lockgate.config.limits import TABLE_BYTES, TABLE_COLUMNS, TABLE_ROWS
from lockgate.data.names import header_names

BATCH_ROWS = 131_072
BYTES_A_CELL = 8  # what the kit keeps of a number
TEXT = "BYTE_ARRAY"
DICTIONARY = {"PLAIN_DICTIONARY", "RLE_DICTIONARY"}
SHARED_BEGINNINGS = "DELTA_BYTE_ARRAY"


def read_parquet_stream(stream: BinaryIO, where: str) -> pa.Table:
    """The table in an open Parquet file; pages that carry a checksum are held against it.

    A few kilobytes can stand for any number of equal values, so the table's size is bounded by what the file says of itself
    and by the longest text in its dictionaries, and the rows are read in batches, in case the file lies.
    Raises InputError beyond a limit and where two columns share a name, and pyarrow's errors or OSError where the file is damaged.
    """
    file = _opened(stream)
    metadata = file.metadata
    names = header_names(file.schema_arrow.names, where)
    TABLE_ROWS.require(metadata.num_rows, where)
    TABLE_COLUMNS.require(metadata.num_columns, where)
    _read_first_rows(file)
    TABLE_BYTES.require(max(_stated_bytes(metadata), _bytes_of_cells(metadata)), where)
    TABLE_BYTES.require(_stated_bytes(metadata) + _bytes_from_dictionaries(stream, file), where)
    read, batches = 0, []
    for batch in file.iter_batches(_batch_rows(metadata)):
        batches.append(batch)
        read += batch.nbytes
        TABLE_BYTES.require(read, where)
        batch.validate(full=True)  # such as that texts are UTF-8
    table = pa.Table.from_batches(batches, file.schema_arrow).rename_columns(names)
    return table.replace_schema_metadata(file.schema_arrow.metadata)


def _opened(stream: BinaryIO, dictionaries: Sequence[str] = ()) -> pq.ParquetFile:
    """The file behind an open one: by its path, pyarrow would read columns out of folder names such as `year=2026`.

    A JSON text is a text; columns that are named are read as codes and dictionaries.
    """
    return pq.ParquetFile(
        stream,
        read_dictionary=list(dictionaries) or None,
        page_checksum_verification=True,
        arrow_extensions_enabled=False,
    )


def _read_first_rows(file: pq.ParquetFile) -> None:
    """Raises pyarrow's error where what the file says of its columns is damaged: later it would end the process.

    pyarrow's objects for this metadata do not catch what the library throws; reading does.
    """
    for number in range(file.metadata.num_row_groups):
        next(file.iter_batches(1, row_groups=[number]), None)


def _chunks(metadata: pq.FileMetaData) -> Iterator[pq.ColumnChunkMetaData]:
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        yield from (group.column(position) for position in range(group.num_columns))


def _stated_bytes(metadata: pq.FileMetaData) -> int:
    return int(sum(chunk.total_uncompressed_size for chunk in _chunks(metadata)))


def _bytes_of_cells(metadata: pq.FileMetaData) -> int:
    """Of all values of a fixed width, however few bytes of the file stand for them."""
    columns = map(metadata.schema.column, range(metadata.num_columns))
    return int(metadata.num_rows) * sum(max(BYTES_A_CELL, column.length or 0) for column in columns)


def _bytes_from_dictionaries(stream: BinaryIO, file: pq.ParquetFile) -> int:
    """The most that texts from dictionaries can take: as if every value were its dictionary's longest."""
    texts = {
        field.name
        for field in file.schema_arrow
        if not (pa.types.is_nested(field.type) or pa.types.is_decimal(field.type))
    }
    encoded = {
        chunk.path_in_schema
        for chunk in _chunks(file.metadata)
        if chunk.physical_type == TEXT and DICTIONARY.intersection(chunk.encodings)
    }
    names = sorted(texts & encoded)
    if not names:
        return 0
    dictionaries = _opened(stream, names)
    most = 0
    for number in range(file.metadata.num_row_groups):
        rows = file.metadata.row_group(number).num_rows
        for batch in islice(dictionaries.iter_batches(1, row_groups=[number], columns=names), 1):
            longest = [pc.max(pc.binary_length(column.dictionary)).as_py() or 0 for column in batch.columns]
            most += int(rows * sum(longest))
    return most


def _batch_rows(metadata: pq.FileMetaData) -> int:
    """Few where texts are written as what they share with the text before: each may be as long as all that is stored."""
    sizes: list[int] = [
        chunk.total_uncompressed_size for chunk in _chunks(metadata) if SHARED_BEGINNINGS in chunk.encodings
    ]
    return max(1, min(BATCH_ROWS, TABLE_BYTES.value // max([1, *sizes])))
