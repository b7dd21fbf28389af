"""Reading JSON lines: an object a line, typed as JSON types it, with its keys in any order."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from typing import BinaryIO, TypeAlias

import msgspec
import pyarrow as pa

from lockgate.config.errors import InputError
from lockgate.config.limits import TABLE_BYTES, TABLE_COLUMNS, TABLE_ROWS
from lockgate.config.params import Read
from lockgate.data.names import header_names, quoted
from lockgate.data.parquet_file import BYTES_A_CELL
from lockgate.data.source_table import SourceTable, array_of_values, joined_column, plain_table
from lockgate.data.text_stream import TextStream

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"
Row = dict[str, Json]
Part = dict[str, pa.Array]
BATCH_ROWS = 1 << 16
HOW_TO_WRITE = 'write JSON lines, an object a line (pandas: to_json(orient="records", lines=True))'
BATCH_BYTES = 1 << 24


def read_json_lines(stream: BinaryIO, where: str, read: Read) -> SourceTable:
    """The table in an open file of JSON lines: numbers are numbers, texts stay texts, and an absent key is null.

    A column of numbers and texts is text. Raises InputError, which names the row, for a line that is no JSON object, and beyond
    a limit.
    """
    parts: list[Part] = []
    names: dict[str, None] = {}
    rows = size = 0
    for names, count, part in _parts(stream, where, read):
        parts.append(part)
        rows += count
        size += sum(array.nbytes for array in part.values())
        TABLE_ROWS.require(rows, where)
        TABLE_BYTES.require(max(size, rows * len(names) * BYTES_A_CELL), where)
    columns = [joined_column([_part_column(part, name) for part in parts])[0] for name in names]
    return SourceTable(plain_table(pa.table(columns, names=header_names(list(names), where))), where)


def json_lines_names(stream: BinaryIO, where: str, read: Read) -> list[str]:
    """All keys in an open file of JSON lines, in the order in which they first appear."""
    names: dict[str, None] = {}
    for batch in _batches(TextStream(stream, read.encoding, where), where):
        for row in batch:
            names.update(dict.fromkeys(row))
        TABLE_COLUMNS.require(len(names), where)
    return list(names)


def json_lines_batches(stream: BinaryIO, where: str, read: Read, names: Sequence[str]) -> Iterator[SourceTable]:
    """The rows of an open file of JSON lines, some thousands at a time; each batch has the columns `names`, all keys of the file.

    Rows further on may be the first with a key: without `names` a batch would lack columns that the table has.
    """
    rows = 0
    for _, count, part in _parts(stream, where, read, names):
        table = plain_table(pa.table(list(part.values()), names=header_names(list(part), where)))
        yield SourceTable(table, where, first_row=rows)
        rows += count


def _parts(
    stream: BinaryIO, where: str, read: Read, first: Sequence[str] = ()
) -> Iterator[tuple[dict[str, None], int, Part]]:
    """The keys `first` and all so far, in the order in which they first appear, how many rows a batch has, and its columns."""
    names = dict.fromkeys(first)
    rows = 0
    for batch in _batches(TextStream(stream, read.encoding, where), where):
        for row in batch:
            names.update(dict.fromkeys(row))
        TABLE_COLUMNS.require(len(names), where)
        part = {name: array_of_values([row.get(name) for row in batch]) for name in names}
        rows += len(batch)
        if rows == 1 and any(pa.types.is_nested(array.type) for array in part.values()):
            raise InputError(f"{where} is one JSON document; {HOW_TO_WRITE}")
        yield names, len(batch), part


def _part_column(part: Part, name: str) -> pa.ChunkedArray:
    """A column of one batch, null where no row up to there has the key."""
    array = part.get(name)
    return pa.chunked_array([pa.nulls(len(next(iter(part.values())))) if array is None else array])


def _batches(text: TextStream, where: str) -> Iterator[list[Row]]:
    rows: list[Row] = []
    size = row = 0
    for line in io.BufferedReader(text, 1 << 20):
        if not line.strip():
            continue
        row += 1
        rows.append(_object(line, f"{where}, row {row:,}"))
        size += len(line)
        if len(rows) == BATCH_ROWS or size >= BATCH_BYTES:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows


def _object(line: bytes, place: str) -> Row:
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError):
        value = _with_nan(line)
    if not isinstance(value, dict):
        raise InputError(f"{place} is no JSON object: {quoted(line.decode().strip())}; {HOW_TO_WRITE}")
    return value


def _with_nan(line: bytes) -> object:
    """NaN, which Python's own module writes for a number that is missing, is no JSON; None for whatever else is none."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
