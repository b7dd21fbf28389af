"""A column by its different cells, how often each is there and where first: summed up part by part, in bounded memory.

What `prepare` decides of a column of texts it decides of them alone, so a table of them stands for the column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lockgate.data.columns import is_text
from lockgate.data.source_table import SourceTable
from lockgate.documents.schema_json import MAX_DISTINCT

KEPT_AS_THEY_ARE = 1000  # of the different cells of a column that has too many
MAX_SHAPES = 100_000  # texts of which each is written in a way of its own are numbers in none
POSITION_BITS = 40  # of a row in its file; the number of the file stands above them


@dataclass(frozen=True)
class Tally:
    """The different cells of a column in the order of their first rows, how many each is, and the position of the first.

    Beyond MAX_DISTINCT it is reduced: the first of them are there as they are, and each of the others stands for all that are
    written alike, with digits in the same places. So what is numbers, and how they are written, is still to be seen. The
    longest of them is there too, for nothing but itself. How the rows are cut into parts changes nothing in it.
    """

    cells: pa.Array
    counts: np.ndarray
    positions: np.ndarray
    is_reduced: bool = False

    @classmethod
    def of(cls, cells: pa.ChunkedArray, positions: np.ndarray) -> Tally:
        """Of cells whose rows are at these positions, which grow."""
        return _summed(_whole(cells), np.ones(len(cells), np.int64), positions, is_reduced=False)

    def __add__(self, other: Tally) -> Tally:
        if not len(other.cells):
            return self
        return _summed(
            pa.concat_arrays([self.cells, other.cells]),
            np.concatenate([self.counts, other.counts]),
            np.concatenate([self.positions, other.positions]),
            is_reduced=self.is_reduced or other.is_reduced,
        )


@dataclass(frozen=True)
class TalliedTable(SourceTable):
    """A table of one column, of which each cell stands for many of a table that is not in memory.

    `files` are the names of that table's files, and `first` its first rows.
    """

    tally: Tally | None = None
    files: tuple[str, ...] = ()
    first: pa.Table | None = field(default=None, compare=False)
    all_rows: int = 0

    @property
    def rows(self) -> int:
        """As of the table that this stands for."""
        return self.all_rows

    @property
    def counts(self) -> np.ndarray | None:
        """As `SourceTable.counts`."""
        return None if self.tally is None else self.tally.counts

    @property
    def is_reduced(self) -> bool:
        """As `SourceTable.is_reduced`."""
        return self.tally is not None and self.tally.is_reduced

    def count(self, chosen: pa.Array | pa.ChunkedArray) -> int:
        """As `SourceTable.count`."""
        if self.tally is None:
            return 0
        mask = np.asarray(chosen.fill_null(False).to_numpy(zero_copy_only=False), bool)
        return int(self.tally.counts[mask].sum())

    def head(self, rows: int) -> pa.Table:
        """As `SourceTable.head`."""
        return self.columns.slice(0, 0) if self.first is None else self.first.slice(0, rows)

    def place(self, row: int) -> str:
        """As `SourceTable.place`: where the first of a cell's rows stands."""
        return place_of_position(int(self.tally.positions[row]) if self.tally is not None else row, self.files)


def positions_of(file: int, first_row: int, rows: int) -> np.ndarray:
    """The positions of rows that follow each other in the file of this number."""
    return (file << POSITION_BITS) + first_row + np.arange(rows, dtype=np.int64)


def place_of_position(position: int, files: Sequence[str]) -> str:
    """Where a row stands, in words, as `SourceTable.place` says it."""
    file, row = position >> POSITION_BITS, position & ((1 << POSITION_BITS) - 1)
    return f"{files[file]}, row {row + 1:,}" if len(files) > 1 else f"row {row + 1:,}"


def _whole(cells: pa.ChunkedArray) -> pa.Array:
    """The cells as one array; texts with 64-bit offsets, as those of many parts need."""
    return (cells.cast(pa.large_string()) if is_text(cells.type) else cells).combine_chunks()


def _summed(cells: pa.Array, counts: np.ndarray, positions: np.ndarray, *, is_reduced: bool) -> Tally:
    found = _grouped(cells, cells, counts, positions)
    if not is_reduced and len(found.cells) <= MAX_DISTINCT:
        return found
    kept = found.cells.slice(0, KEPT_AS_THEY_ARE)
    others, rest = found.cells.slice(KEPT_AS_THEY_ARE), slice(KEPT_AS_THEY_ARE, None)
    shapes = _shapes(others)
    alike = _grouped(others, shapes, found.counts[rest], found.positions[rest])
    longest = _longest(others, shapes, found.positions[rest], alike)
    parts = [
        Tally(kept, found.counts[:KEPT_AS_THEY_ARE], found.positions[:KEPT_AS_THEY_ARE]),
        Tally(alike.cells.slice(0, MAX_SHAPES), alike.counts[:MAX_SHAPES], alike.positions[:MAX_SHAPES]),
        Tally(longest.cells.slice(0, MAX_SHAPES), longest.counts[:MAX_SHAPES], longest.positions[:MAX_SHAPES]),
    ]
    positions = np.concatenate([part.positions for part in parts])
    order = np.argsort(positions, kind="stable")
    return Tally(
        pa.concat_arrays([part.cells for part in parts]).take(pa.array(order)),
        np.concatenate([part.counts for part in parts])[order],
        positions[order],
        is_reduced=True,
    )


def _grouped(cells: pa.Array, by: pa.Array, counts: np.ndarray, positions: np.ndarray) -> Tally:
    """The first of the cells of each group, by position, with the count of all."""
    encoded = by.dictionary_encode(null_encoding="encode")
    groups = encoded.indices.to_numpy()
    order = np.argsort(positions, kind="stable") if (np.diff(positions) < 0).any() else np.arange(len(positions))
    first = np.zeros(len(encoded.dictionary), np.int64)
    first[groups[order[::-1]]] = order[::-1]
    totals = np.zeros(len(first), np.int64)
    np.add.at(totals, groups, counts)
    sorted_groups = np.argsort(positions[first], kind="stable")
    rows = first[sorted_groups]
    return Tally(cells.take(pa.array(rows)), totals[sorted_groups], positions[rows])


def _shapes(cells: pa.Array) -> pa.Array:
    """What texts that are written alike share: a zero in front of digits stays, and the other digits are as one."""
    if not is_text(cells.type):
        return pa.array(np.zeros(len(cells), np.int8))
    marked = pc.replace_substring_regex(cells, r"(^|[^0-9])0", r"\1Z")
    return pc.replace_substring_regex(pc.replace_substring_regex(marked, "[0-9]", "1"), "Z", "0")


def _longest(cells: pa.Array, shapes: pa.Array, positions: np.ndarray, alike: Tally) -> Tally:
    """The last of each group by the alphabet, where it is not there already: of the same digits, the largest number."""
    if not is_text(cells.type) or not len(cells):
        return Tally(cells.slice(0, 0), alike.counts[:0], alike.positions[:0])
    encoded = shapes.dictionary_encode(null_encoding="encode").indices
    order = pc.sort_indices(
        pa.table({"group": encoded, "cell": cells}), [("group", "ascending"), ("cell", "ascending")]
    )
    groups = encoded.take(order).to_numpy()
    last = order.to_numpy()[np.flatnonzero(np.append(groups[1:] != groups[:-1], True))]
    last = last[~np.isin(positions[last], alike.positions)]
    return Tally(cells.take(pa.array(last)), np.zeros(len(last), np.int64), positions[last])
