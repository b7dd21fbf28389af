"""Columns of cells, and what is decided and read of them."""

from __future__ import annotations

import pyarrow as pa
import pytest

from lockgate.config.errors import InputError
from lockgate.config.params import Read
from lockgate.data.column_decision import decide
from lockgate.data.columns import ReadColumn, read_column
from lockgate.data.markers import MARKERS_AMONG_CATEGORIES
from lockgate.data.source_table import SourceTable
from lockgate.documents.schema_json import Kind, Reading

AS_FOUND = Read()
PLAIN = [str(number) for number in range(1, 13)]
CATEGORICAL = Reading("categorical", MARKERS_AMONG_CATEGORIES)


def table(cells: list[object] | pa.Array, separator: str | None = ",", **others: list[object]) -> SourceTable:
    """The column `x`, in two chunks, of a file with parts of two rows each, and others beside it."""
    whole = cells if isinstance(cells, pa.Array) else pa.array(cells)
    half = len(whole) // 2
    chunks = pa.chunked_array([whole[:half], whole[half:]], whole.type)
    return SourceTable(pa.table({"x": chunks, **others}), "prepare.source: f.csv", separator=separator)


def decided(
    cells: list[object] | pa.Array,
    read: Read = AS_FOUND,
    declared: Kind | None = None,
    separator: str | None = ",",
    **others: list[object],
) -> Reading:
    source = table(cells, separator, **others)
    return decide("x", source.cells("x"), read, declared, source)


def read_by(cells: list[object] | pa.Array, reading: Reading, categories: tuple[str, ...] = ()) -> ReadColumn:
    source = table(cells)
    return read_column("x", source.cells("x"), reading, source, categories)


def values(
    cells: list[object] | pa.Array,
    read: Read = AS_FOUND,
    declared: Kind | None = None,
    separator: str | None = ",",
    **others: list[object],
) -> list[object]:
    """The values of a column that is decided of and read."""
    return list(read_by(cells, decided(cells, read, declared, separator, **others)).values.to_pylist())


def refusal(
    cells: list[object] | pa.Array,
    read: Read = AS_FOUND,
    declared: Kind | None = None,
    separator: str | None = ",",
    **others: list[object],
) -> str:
    with pytest.raises(InputError) as refused:
        values(cells, read, declared, separator, **others)
    line = str(refused.value)
    assert "\n" not in line
    assert line.startswith("prepare.source: f.csv: column `x` ")
    return line
