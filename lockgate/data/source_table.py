"""A table as it stands in its file: whatever came as text is text, and nothing is typed that the file itself does not type.

Readers of files make one, `prepare` decides by it what each column is, and everything later is read from one by the schema.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from lockgate.config.errors import InputError
from lockgate.data.names import quoted


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
    numbers of JSON and of Excel, data frames); null is only what the format itself calls missing. Dictionaries are decoded.

    `name` is what messages call the table. `sha256` is of the bytes that it was read from, None where there are none.
    `read_on` is the day on which it was read, where days begin first on Earth. `separator` is what stood between the cells of
    a CSV. `notes` say what the reader recognised by itself.
    """

    columns: pa.Table
    name: str
    sha256: str | None = None
    read_on: date | None = None
    parts: tuple[FilePart, ...] = ()
    separator: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Names of the columns in the order of the file."""
        names: list[str] = self.columns.column_names
        return names

    def cells(self, name: str) -> pa.ChunkedArray:
        """The cells of a column, as they stand in the file."""
        return self.columns.column(name)

    def place(self, row: int) -> str:
        """Where a row (counted from 0) stands, in words: the file, where there are several, and the row, counted from 1."""
        if len(self.parts) > 1:
            for part in self.parts:
                if row < part.rows:
                    return f"{part.name}, row {row + 1:,}"
                row -= part.rows
        return f"row {row + 1:,}"

    def renamed(self, names: dict[str, str]) -> SourceTable:
        """The table with other names for some of its columns."""
        return replace(self, columns=self.columns.rename_columns([names.get(name, name) for name in self.names]))


def source_of_frame(frame: pd.DataFrame, name: str) -> SourceTable:
    """A data frame as a table: columns of mixed objects, such as 1 beside "A1", as the texts of their values.

    Raises InputError where a column's name is no text or there twice, or its values cannot be told in one type.
    """
    names = [str(column) for column in frame.columns]
    if len(set(names)) < len(names):
        twice = next(one for one in names if names.count(one) > 1)
        raise InputError(f"{name}: column {quoted(twice)} is there twice; rename or remove one")
    columns = [_array_of_series(frame.iloc[:, position], name) for position in range(len(names))]
    return SourceTable(pa.table(columns, names=names), name)


def cell_texts(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Each cell as text, null where it is null: texts as they stood, whole numbers without a decimal point, exactly.

    2 and 2.0 of a typed file are both "2" (pandas writes whole numbers as floats where some are missing); "2.0" of a text file
    stays "2.0". Truth values are "true" and "false"; a time at midnight is its date, 2026-01-31, and others ISO 8601.
    """
    kind = cells.type
    if pa.types.is_string(kind):
        return cells
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return cells.cast(pa.string())
    if pa.types.is_floating(kind):
        return _float_texts(cells)
    if pa.types.is_timestamp(kind):
        return _time_texts(cells)
    return cells.cast(pa.string())


def _float_texts(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Python's shortest text that reads back as the same number, and whole numbers without `.0`."""
    texts = [
        pa.array([None if value is None else _number_text(value) for value in chunk.to_pylist()], pa.string())
        for chunk in cells.chunks
    ]
    return pa.chunked_array(texts, pa.string())


def _number_text(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


def _time_texts(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    days = pc.equal(pc.floor_temporal(cells, unit="day"), cells)
    return pc.if_else(days, pc.strftime(cells, format="%Y-%m-%d"), cells.cast(pa.string()))


def _array_of_series(column: pd.Series, where: str) -> pa.Array:
    try:
        made = pa.Array.from_pandas(column)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        made = pa.array([None if missing else _object_text(value) for value, missing in _with_missing(column)])
    if isinstance(made, pa.ChunkedArray):
        made = made.combine_chunks()
    if pa.types.is_dictionary(made.type):
        made = made.dictionary_decode()
    if pa.types.is_large_string(made.type):
        made = made.cast(pa.string())
    return made


def _with_missing(column: pd.Series) -> zip[tuple[object, bool]]:
    return zip(column.to_numpy(dtype=object), column.isna().to_numpy(), strict=True)


def _object_text(value: object) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (float, np.floating)):
        return _number_text(float(value))
    return str(value)
