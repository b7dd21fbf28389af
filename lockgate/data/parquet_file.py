"""Reading a Parquet file, whoever wrote it: how much it holds is known before it is read, and checked while it is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lockgate.config.limits import TABLE_BYTES, TABLE_COLUMNS, TABLE_ROWS
from lockgate.data.names import header_names

BATCH_ROWS = 131_072
STREAMED_ROWS = 16_384  # where no more than a batch is in memory
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
    names = header_names(file.schema_arrow.names, where)
    TABLE_ROWS.require(file.metadata.num_rows, where)
    _require_sizes(stream, file, where, sum, range(file.metadata.num_row_groups))
    read, batches = 0, []
    for batch in file.iter_batches(_batch_rows(file.metadata)):
        batches.append(batch)
        read += batch.nbytes
        TABLE_BYTES.require(read, where)
        batch.validate(full=True)  # such as that texts are UTF-8
    table = pa.Table.from_batches(batches, file.schema_arrow).rename_columns(names)
    return table.replace_schema_metadata(file.schema_arrow.metadata)


def parquet_batches(
    stream: BinaryIO,
    where: str,
    *,
    groups: Sequence[int] | None = None,
    rows: int = STREAMED_ROWS,
    columns: Sequence[str] | None = None,
    coded: Collection[str] = (),
) -> Iterator[pa.Table]:
    """The rows of an open Parquet file as `read_parquet_stream` reads them, at most `rows` at a time.

    `groups` are the numbers of the groups of rows to read, and `columns` the names of the columns, all of them by default. Columns
    of text that `coded` names are dictionaries. What is bounded is each group, of which a file may have any number.
    """
    file = _opened(stream)
    written = dict(zip(header_names(file.schema_arrow.names, where), file.schema_arrow.names, strict=True))
    names = list(written) if columns is None else list(columns)
    chosen = range(file.metadata.num_row_groups) if groups is None else groups
    _require_sizes(stream, file, where, max, chosen)
    in_file = None if columns is None else [written[name] for name in names]
    if texts := [
        written[name] for name in coded if name in written and _is_text(file.schema_arrow.field(written[name]).type)
    ]:
        file = _opened(stream, texts)
    for batch in file.iter_batches(min(rows, _batch_rows(file.metadata)), row_groups=list(chosen), columns=in_file):
        TABLE_BYTES.require(batch.nbytes, where)
        batch.validate(full=True)
        table = pa.Table.from_batches([batch])
        yield table.rename_columns(names) if in_file is None else table.select(in_file).rename_columns(names)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def group_rows(stream: BinaryIO, where: str) -> tuple[pa.Schema, list[int]]:
    """The columns of an open Parquet file, and how many rows each of its groups has."""
    file = _opened(stream)
    names = header_names(file.schema_arrow.names, where)
    schema = pa.schema([field.with_name(name) for field, name in zip(file.schema_arrow, names, strict=True)])
    return schema, [group.num_rows for group in _groups(file.metadata)]


def stated_bytes(stream: BinaryIO, where: str) -> int:
    """How many bytes the columns of an open Parquet file take unpacked, as it says, and at least what their numbers take."""
    metadata = _opened(stream).metadata
    TABLE_COLUMNS.require(metadata.num_columns, where)
    return max(sum(map(_stated_bytes, _groups(metadata))), int(metadata.num_rows) * _bytes_of_a_row(metadata))


def _require_sizes(
    stream: BinaryIO,
    file: pq.ParquetFile,
    where: str,
    together: Callable[[Iterable[int]], int],
    numbers: Sequence[int],
) -> None:
    """Raises InputError beyond a limit, by what the file says of these of its groups of rows, which `together` sums up."""
    metadata = file.metadata
    TABLE_COLUMNS.require(metadata.num_columns, where)
    _read_first_rows(file, numbers)
    if not numbers:
        return
    groups = [metadata.row_group(number) for number in numbers]
    stated = [_stated_bytes(group) for group in groups]
    cells = _bytes_of_a_row(metadata)
    TABLE_BYTES.require(max(together(stated), together(cells * group.num_rows for group in groups)), where)
    longest = _bytes_from_dictionaries(stream, file, numbers)
    TABLE_BYTES.require(together(one + more for one, more in zip(stated, longest, strict=True)), where)


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


def _read_first_rows(file: pq.ParquetFile, numbers: Sequence[int]) -> None:
    """Raises pyarrow's error where what the file says of its columns is damaged: later it would end the process.

    pyarrow's objects for this metadata do not catch what the library throws; reading does.
    """
    for number in numbers:
        next(file.iter_batches(1, row_groups=[number]), None)


def _groups(metadata: pq.FileMetaData) -> Iterator[pq.RowGroupMetaData]:
    return map(metadata.row_group, range(metadata.num_row_groups))


def _chunks(group: pq.RowGroupMetaData) -> Iterator[pq.ColumnChunkMetaData]:
    return map(group.column, range(group.num_columns))


def _stated_bytes(group: pq.RowGroupMetaData) -> int:
    return int(sum(chunk.total_uncompressed_size for chunk in _chunks(group)))


def _bytes_of_a_row(metadata: pq.FileMetaData) -> int:
    """Of its values of a fixed width, however few bytes of the file stand for them."""
    columns = map(metadata.schema.column, range(metadata.num_columns))
    return int(sum(max(BYTES_A_CELL, column.length or 0) for column in columns))


def _bytes_from_dictionaries(stream: BinaryIO, file: pq.ParquetFile, numbers: Sequence[int]) -> list[int]:
    """Of each of these groups of rows, the most that its texts can take: as if each were the longest of its dictionary."""
    texts = {
        field.name
        for field in file.schema_arrow
        if not (pa.types.is_nested(field.type) or pa.types.is_decimal(field.type))
    }
    groups = {number: file.metadata.row_group(number) for number in numbers}
    encoded = {
        chunk.path_in_schema
        for group in groups.values()
        for chunk in _chunks(group)
        if chunk.physical_type == TEXT and DICTIONARY.intersection(chunk.encodings)
    }
    names = sorted(texts & encoded)
    most = dict.fromkeys(numbers, 0)
    if names:
        dictionaries = _opened(stream, names)
        for number, group in groups.items():
            for batch in islice(dictionaries.iter_batches(1, row_groups=[number], columns=names), 1):
                longest = [pc.max(pc.binary_length(column.dictionary)).as_py() or 0 for column in batch.columns]
                most[number] = int(group.num_rows * sum(longest))
    return list(most.values())


def _batch_rows(metadata: pq.FileMetaData) -> int:
    """Few where texts are written as what they share with the text before: each may be as long as all that is stored."""
    sizes: list[int] = [
        chunk.total_uncompressed_size
        for group in _groups(metadata)
        for chunk in _chunks(group)
        if SHARED_BEGINNINGS in chunk.encodings
    ]
    return max(1, min(BATCH_ROWS, TABLE_BYTES.value // max([1, *sizes])))
