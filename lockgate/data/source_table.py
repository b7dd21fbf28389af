"""A table as it stands in its file: whatever came as text is text, and nothing is typed that the file itself does not type.

Readers of files make one, `prepare` decides by it what each column is, and everything later is read from one by the schema.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from lockgate.data.names import header_names

TEXT_CODES = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True)
class FilePart:
    """One of the files that a table was read from: its name, and how many rows it holds."""

    name: str
    rows: int


@dataclass(frozen=True)
class SourceTable:
    """Columns as a file holds them.

    A column is `pa.string()` where the file holds text (every column of a CSV; the cell exactly as it stood between its
    separators, without its quotes, an empty cell as ""), and the file's own Arrow type where it has types (Parquet, Feather,
    numbers of JSON and of Excel, data frames); null is only what the format itself calls missing. Dictionaries are decoded, but
    those of texts in columns that somebody asked for so, which only count.

    `name` is what messages call the table. `sha256` is of the bytes that it was read from, None where there are none.
    `read_on` is the day on which it was read, where days begin first on Earth. `separator` is what stood between the cells of
    a CSV. `notes` say what the reader recognised by itself. `first_row` is the place, counted from 0, of the first row of
    a batch in the file that it is a part of.
    """

    columns: pa.Table
    name: str
    sha256: str | None = None
    read_on: date | None = None
    parts: tuple[FilePart, ...] = ()
    separator: str | None = None
    notes: tuple[str, ...] = ()
    first_row: int = 0

    @property
    def names(self) -> list[str]:
        """Names of the columns in the order of the file."""
        names: list[str] = self.columns.column_names
        return names

    def cells(self, name: str) -> pa.ChunkedArray:
        """The cells of a column, as they stand in the file."""
        return self.columns.column(name)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self.columns.num_rows)

    @property
    def counts(self) -> np.ndarray | None:
        """How many rows each cell stands for, shape (cells,); None where each stands for its own."""
        return None

    @property
    def is_reduced(self) -> bool:
        """Whether cells stand for others that are not the same, since there were too many different ones."""
        return False

    def count(self, chosen: pa.Array | pa.ChunkedArray) -> int:
        """How many rows the cells stand for where `chosen` is true."""
        return int(pc.sum(chosen).as_py() or 0)

    def head(self, rows: int) -> pa.Table:
        """The first rows."""
        return self.columns.slice(0, rows)

    def place(self, row: int) -> str:
        """Where a row (counted from 0) stands, in words: the file, where there are several, and the row, counted from 1."""
        if len(self.parts) > 1:
            for part in self.parts:
                if row < part.rows:
                    return f"{part.name}, row {row + 1:,}"
                row -= part.rows
        return f"row {self.first_row + row + 1:,}"

    def counts_rows(self, name: str) -> bool:
        """Whether a column counts the rows, from 0 or from 1, in each file anew or through all of them."""
        cells = self.cells(name)
        try:
            numbers = cells.cast(pa.int64())
        except pa.ArrowException:
            return False
        if numbers.null_count:
            return False
        sizes = [part.rows for part in self.parts] or [len(numbers)]
        through, anew = np.arange(len(numbers)), np.concatenate([np.arange(size) for size in sizes])
        values = numbers.to_numpy()
        return any(np.array_equal(values - first, counted) for counted in (through, anew) for first in (0, 1))

    def renamed(self, names: dict[str, str]) -> SourceTable:
        """The table with other names for some of its columns."""
        return replace(self, columns=self.columns.rename_columns([names.get(name, name) for name in self.names]))


def source_of_frame(frame: pd.DataFrame, name: str) -> SourceTable:
    """A data frame as a table: columns of mixed objects, such as 1 beside "A1", as the texts of their values.

    Raises InputError where two columns share a name.
    """
    names = header_names([str(column) for column in frame.columns], name)
    columns = [_array_of_series(frame.iloc[:, position]) for position in range(len(names))]
    return SourceTable(plain_table(pa.table(columns, names=names)), name)


def plain_table(table: pa.Table, coded: Collection[str] = ()) -> pa.Table:
    """The table in the types that `SourceTable` promises: dictionaries decoded, all texts `pa.string()`, bytes that are UTF-8
    as text, half floats as floats. In the columns `coded` dictionaries of texts stay, as `TEXT_CODES`."""
    columns = [
        (_text_codes if name in coded else _plain)(column)
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    return pa.table(columns, names=table.column_names)


def array_of_values(values: Sequence[object]) -> pa.Array:
    """Python's values, None for missing, as a column of their type; values of several types as their texts.

    Whole numbers beside broken ones are numbers where a float holds each of them exactly, and else texts.
    """
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([None if value is None else value_text(value) for value in values], pa.string())


def joined_column(parts: Sequence[pa.ChunkedArray]) -> tuple[pa.ChunkedArray, bool]:
    """A column that stands in several parts, and whether it is in their common type.

    Types are common where every value of each part survives in one of them, such as int32 and int64, or whole numbers that
    floats hold exactly. Otherwise all cells are their texts, as `cell_texts` gives them.
    """
    types = {part.type for part in parts}
    if len(types) > 1:
        try:
            schemas = [pa.schema([("", kind)]) for kind in types]
            kind = pa.unify_schemas(schemas, promote_options="permissive").field(0).type
            parts = [part.cast(kind, safe=True) for part in parts]
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            texts = [chunk for part in parts for chunk in cell_texts(part).chunks]
            return pa.chunked_array(texts, pa.string()), False
    return pa.chunked_array([chunk for part in parts for chunk in part.chunks], parts[0].type), True


def cell_texts(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Each cell as text, null where it is null: texts as they stood, whole numbers without a decimal point, exactly.

    2 and 2.0 of a typed file are both "2" (pandas writes whole numbers as floats where some are missing); "2.0" of a text file
    stays "2.0". Truth values are "true" and "false"; a time at midnight is its date, 2026-01-31, and others ISO 8601. Bytes that
    are no text are their hexadecimal digits, lists and structures their JSON.
    """
    kind = cells.type
    if pa.types.is_string(kind):
        return cells
    if pa.types.is_floating(kind):
        return _texts_of_distinct(cells, _number_text)
    if pa.types.is_decimal(kind):
        return pc.replace_substring_regex(cells.cast(pa.string()), r"(\.\d*?[1-9])0+$|\.0+$", r"\1")
    if pa.types.is_timestamp(kind):
        return _time_texts(cells)
    if _is_bytes(kind) or pa.types.is_nested(kind):
        return _texts_of_all(cells, value_text)
    return cells.cast(pa.string())


def _text_codes(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts as codes where they are it already, each text once and fewer than cells: what is to be decoded anyway is no gain."""
    kind = cells.type
    if not (
        pa.types.is_dictionary(kind)
        and (pa.types.is_string(kind.value_type) or pa.types.is_large_string(kind.value_type))
    ):
        return _plain(cells)
    chunks = []
    for chunk in cells.chunks:
        texts = chunk.dictionary
        if len(texts) > len(chunk) or texts.null_count or pc.count_distinct(texts).as_py() < len(texts):
            return _plain(cells)
        chunks.append(pa.DictionaryArray.from_arrays(chunk.indices.cast(pa.int32()), texts.cast(pa.string())))
    return pa.chunked_array(chunks, TEXT_CODES)


def _plain(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = cells.type
    if isinstance(kind, pa.BaseExtensionType):
        return _plain(cells.cast(kind.storage_type))
    if pa.types.is_dictionary(kind):
        return _plain(cells.cast(kind.value_type))
    if pa.types.is_run_end_encoded(kind):
        return _plain(pc.run_end_decode(cells))
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return cells.cast(pa.string())
    if pa.types.is_float16(kind):
        return cells.cast(pa.float64())
    if _is_bytes(kind):
        try:
            return cells.cast(pa.binary()).cast(pa.string())
        except pa.ArrowInvalid:  # no text, which only matters to who uses the column
            return cells
    return cells


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
        or pa.types.is_binary_view(kind)
    )


def _texts_of_distinct(cells: pa.ChunkedArray, text: Callable[[Any], str]) -> pa.ChunkedArray:
    """The text of each value, made once for equal ones."""
    chunks = []
    for chunk in cells.dictionary_encode().chunks:
        texts = pa.array([text(value) for value in chunk.dictionary.to_pylist()], pa.string())
        chunks.append(texts.take(chunk.indices))
    return pa.chunked_array(chunks, pa.string())


def _texts_of_all(cells: pa.ChunkedArray, text: Callable[[Any], str]) -> pa.ChunkedArray:
    chunks = [
        pa.array([None if value is None else text(value) for value in chunk.to_pylist()], pa.string())
        for chunk in cells.chunks
    ]
    return pa.chunked_array(chunks, pa.string())


def _number_text(value: float) -> str:
    """Python's shortest text that reads back as the same number, and whole numbers without `.0`."""
    return str(int(value)) if value.is_integer() else repr(value)


def _time_texts(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    days = pc.equal(pc.floor_temporal(cells, unit="day"), cells)
    return pc.if_else(days, pc.strftime(cells, format="%Y-%m-%d"), cells.cast(pa.string()))


def _array_of_series(column: pd.Series) -> pa.Array:
    kind = column.cat.categories.dtype if isinstance(column.dtype, pd.CategoricalDtype) else column.dtype
    if isinstance(kind, (pd.IntervalDtype, pd.PeriodDtype)):  # which Arrow has as structures, and as days since 1970
        column = column.astype(object)
    try:
        made = pa.Array.from_pandas(column)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        missing = column.isna().to_numpy()
        values = column.to_numpy(dtype=object)
        return array_of_values([None if gone else value for value, gone in zip(values, missing, strict=True)])
    return made.combine_chunks() if isinstance(made, pa.ChunkedArray) else made


def value_text(value: object) -> str:
    """The text of a value that is none yet: what `cell_texts` makes of the value in a typed column."""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (float, np.floating)):
        return _number_text(float(value))
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime) and value == datetime.combine(value.date(), time(), value.tzinfo):
        return value.date().isoformat()
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, default=value_text)
    return str(value)
