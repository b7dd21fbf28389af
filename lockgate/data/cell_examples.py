"""Cells of a column as they stand in the file, beside what becomes of them: for people who ask why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lockgate.data.columns import is_text, read_column
from lockgate.data.markers import are_missing_numbers
from lockgate.data.names import quoted
from lockgate.data.number_text import taken_apart
from lockgate.data.source_table import SourceTable, cell_texts
from lockgate.data.time_text import times
from lockgate.documents.schema_json import NumberFormat, Reading

MAX_EXAMPLES = 10


@dataclass(frozen=True)
class CellExample:
    """A cell: its text in quotes, so that its spaces are seen, what is read of it (None: missing), how many cells are the same,
    and where the first of them stands."""

    text: str
    value: str | None
    count: int
    place: str


@dataclass(frozen=True)
class CellExamples:
    """The most frequent cells of a column: those with a value, the missing ones, and those that cannot be read.

    Each has how many different ones there are of its sort.
    """

    values: tuple[CellExample, ...]
    missing: tuple[CellExample, ...]
    unreadable: tuple[CellExample, ...]
    distinct_values: int
    distinct_unreadable: int


def describe_cells(
    name: str, cells: pa.ChunkedArray, reading: Reading, table: SourceTable, categories: Sequence[str] = ()
) -> CellExamples:
    """Examples of the cells of a column of `table`, and what is read of them as `reading` says.

    Raises InputError, as `read_column` does, where the cells are of a type that cannot be read so at all.
    """
    if pa.types.is_floating(cells.type):
        cells = pc.if_else(pc.is_nan(cells), pa.scalar(None, cells.type), cells)
    counted = pc.value_counts(cells)
    found, counts = counted.field("values"), np.asarray(counted.field("counts"))
    order = np.argsort(-counts, kind="stable")
    found, counts = found.take(pa.array(order)), counts[order]
    readable = _are_readable(found, reading)
    chosen = np.flatnonzero(readable.to_numpy(zero_copy_only=False))
    values = read_column(name, pa.chunked_array([found.take(pa.array(chosen))]), reading, table, categories).values
    missing = np.asarray(values.is_null().to_numpy())
    shown = {int(row): value for row, value in zip(chosen, cell_texts(values).to_pylist(), strict=True)}

    def examples(positions: np.ndarray) -> tuple[CellExample, ...]:
        return tuple(
            CellExample(
                quoted(cell_texts(pa.chunked_array([found.slice(row, 1)]))[0].as_py() or ""),
                shown.get(row),
                int(counts[row]),
                table.place(_first_row(cells, found[row])),
            )
            for row in positions[:MAX_EXAMPLES].tolist()
        )

    unreadable = np.setdiff1d(np.arange(len(found)), chosen)
    return CellExamples(
        examples(chosen[~missing]),
        examples(chosen[missing]),
        examples(unreadable),
        int((~missing).sum()),
        len(unreadable),
    )


def _are_readable(found: pa.Array, reading: Reading) -> pa.Array:
    everything = pa.array(np.ones(len(found), bool))
    if reading.kind == "categorical" or not is_text(found.type):
        return everything
    trimmed = pc.utf8_trim_whitespace(found)
    if reading.kind == "numeric":
        number = reading.number or NumberFormat()
        read = taken_apart(found, number.currency).fit(number)
    else:
        read = times(trimmed, reading.dates).is_valid()
    return pc.or_(read, are_missing_numbers(found, reading.missing)).fill_null(True)


def _first_row(cells: pa.ChunkedArray, cell: pa.Scalar) -> int:
    """The row of the first such cell."""
    return int(pc.index(cells.is_null() if not cell.is_valid else cells, True if not cell.is_valid else cell).as_py())
