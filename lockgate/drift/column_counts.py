"""What a profile is made of, counted column by column over the parts of a table: rows, labels, categories, exact quantiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import pandas as pd

from lockgate.data.stage_rows import FrameInMemory, FramePartition
from lockgate.documents.profile_json import LabelCounts
from lockgate.drift.bins import (
    CategoryCounts,
    Counts,
    Floats,
    bin_counts,
    bin_edges,
    category_counts,
    float_values,
    merged_categories,
)
from lockgate.drift.exact_quantiles import MAX_CELLS, PART_CELLS, CellCounter, Cells, ExactQuantiles, Keys
from lockgate.drift.label_drift import count_labels
from lockgate.engine.engine import Engine, LocalEngine


class NumberColumn(Protocol):
    """A column of numbers, of which any number of bins can be asked for that was announced."""

    def edges(self, bins: int) -> Floats:
        """As `bins.bin_edges`."""

    def bin_counts(self, edges: Floats) -> Counts:
        """As `bins.bin_counts`."""


@dataclass(frozen=True)
class TextColumn:
    """A column of text, of which `categories` were known."""

    categories: Sequence[str]
    found: CategoryCounts

    @property
    def values(self) -> dict[str, int]:
        """The rows with each text that there is."""
        known = zip(self.categories, self.found.counts.tolist(), strict=False)
        return {value: rows for value, rows in known if rows} | self.found.unseen


@dataclass(frozen=True)
class ColumnCounts:
    """What was counted of the columns that are there; `labels` is None where the target is not."""

    rows: int
    labels: LabelCounts | None
    categories: Mapping[str, TextColumn]
    numbers: Mapping[str, NumberColumn]


def count_columns(
    engine: Engine,
    partitions: Sequence[FramePartition],
    numbers: Mapping[str, Sequence[int]],
    categories: Mapping[str, Sequence[str]],
    target: str | None = None,
    threads: int = 1,
) -> ColumnCounts:
    """Count the columns of `numbers`, each with the numbers of bins that are wanted, and of `categories`, each with the known ones.

    A frame that is in memory is not counted over and over: numpy finds its quantiles sooner, and they are the same.
    Raises InputError naming a column that should hold numbers and does not, and where the rows change between two passes.
    """
    frame = _in_memory(partitions)
    searches = {} if frame is not None else {name: ExactQuantiles(bins) for name, bins in numbers.items()}
    counted = _pass(engine, partitions, _Wanted(dict.fromkeys(searches), categories, target, threads))
    present = {name: search for name, search in searches.items() if name in counted.numbers}
    cells_of = counted.numbers
    while cells_of:
        for name, cells in cells_of.items():
            present[name].take(cells)
        bounds = {name: search.bounds for name, search in present.items() if not search.is_known}
        cells_of = _pass(engine, partitions, _Wanted(bounds, again=True)).numbers if bounds else {}
    in_memory = {} if frame is None else {name: _Values(frame[name]) for name in numbers if name in frame.columns}
    texts = {name: TextColumn(categories[name], found) for name, found in counted.categories.items()}
    return ColumnCounts(counted.rows, counted.labels, texts, present or in_memory)


@dataclass(frozen=True)
class _Values:
    """A column in memory."""

    column: pd.Series

    def edges(self, bins: int) -> Floats:
        return bin_edges(float_values(self.column), bins)

    def bin_counts(self, edges: Floats) -> Counts:
        return bin_counts(float_values(self.column), edges)


@dataclass(frozen=True)
class _Wanted:
    """What a pass counts: of numbers those within the bounds. One that goes through the rows `again` reads these columns alone."""

    numbers: Mapping[str, Keys | None]
    categories: Mapping[str, Sequence[str]] = field(default_factory=dict)
    target: str | None = None
    threads: int = 1
    again: bool = False


@dataclass(frozen=True)
class _Counted:
    rows: int
    labels: LabelCounts | None
    categories: Mapping[str, CategoryCounts]
    numbers: Mapping[str, Cells]


class _Sums:
    """Adds up a pass: the frames of a part, or the parts."""

    def __init__(self, wanted: _Wanted, limit: int) -> None:
        self._wanted, self._limit = wanted, limit
        self._rows = 0
        self._labels: list[LabelCounts] = []
        self._categories: dict[str, CategoryCounts] = {}
        self._numbers: dict[str, CellCounter] = {}

    def add_frame(self, frame: pd.DataFrame) -> None:
        """Count the rows of the frame, column by column."""
        wanted = self._wanted
        engine = LocalEngine(wanted.threads)
        categories = [(name, known) for name, known in wanted.categories.items() if name in frame.columns]
        counted = engine.map(lambda one: category_counts(frame[one[0]], one[1]), categories)
        self._rows += len(frame)
        if wanted.target in frame.columns:
            self._labels.append(count_labels(frame[wanted.target]))
        for (name, _), found in zip(categories, counted, strict=True):
            self._add_category(name, found)
        for name in wanted.numbers:
            if name in frame.columns:
                self._counter(name).add_numbers(float_values(frame[name]))

    def add(self, counted: _Counted) -> None:
        """Add what was counted elsewhere."""
        self._rows += counted.rows
        if counted.labels is not None:
            self._labels.append(counted.labels)
        for name, found in counted.categories.items():
            self._add_category(name, found)
        for name, cells in counted.numbers.items():
            self._counter(name).add_cells(cells)

    def counted(self) -> _Counted:
        """All of it."""
        labels = LabelCounts(sum(one.n for one in self._labels), sum(one.positives for one in self._labels))
        numbers = {name: counter.cells() for name, counter in self._numbers.items()}
        return _Counted(self._rows, labels if self._labels else None, self._categories, numbers)

    def _add_category(self, name: str, found: CategoryCounts) -> None:
        before = self._categories.get(name)
        self._categories[name] = found if before is None else merged_categories([before, found])

    def _counter(self, name: str) -> CellCounter:
        if name not in self._numbers:
            self._numbers[name] = CellCounter(self._limit, self._wanted.numbers[name])
        return self._numbers[name]


def _pass(engine: Engine, partitions: Sequence[FramePartition], wanted: _Wanted) -> _Counted:
    sums = _Sums(wanted, MAX_CELLS)
    for counted in engine.map(partial(_count_part, wanted=wanted), partitions):
        sums.add(counted)
    return sums.counted()


def _count_part(partition: FramePartition, wanted: _Wanted) -> _Counted:
    sums = _Sums(wanted, PART_CELLS)
    for frame in partition.frames([*wanted.numbers] if wanted.again else None):
        sums.add_frame(frame)
    return sums.counted()


def _in_memory(partitions: Sequence[FramePartition]) -> pd.DataFrame | None:
    only = partitions[0] if len(partitions) == 1 else None
    return only.frame if isinstance(only, FrameInMemory) else None
