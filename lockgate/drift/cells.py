"""Rows in the cells of several partitions: the leaves of a model's trees, or the values of pairs of features."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lockgate.drift.bins import Counts

Method = Literal["leaves", "pairs"]

SAMPLE_ROWS = 1_000
# Different rows that are kept to draw from: far more than are drawn, so that a few frequent ones among them matter little.
KEPT_ROWS = 8_192
SEED = 20_240_229


@dataclass(frozen=True)
class RowSample:
    """Some of the different rows that were counted, and how many there are of each: those with the smallest keys.

    A key says what a row holds and nothing else (`row_keys`), so the sample of two batches together follows from theirs, and
    neither the order of the rows nor how they are cut into batches matters. `keys` increase; `values` has what is known of
    each of the rows, shape (rows, columns).
    """

    keys: NDArray[np.uint64]
    counts: Counts
    values: NDArray[Any]

    def drawn(self) -> NDArray[Any]:
        """The values of `SAMPLE_ROWS` rows, frequent ones as often as they are: of fewer rows all."""
        ends = np.cumsum(self.counts)
        rows = int(ends[-1]) if len(ends) else 0
        ranks = np.linspace(0, max(rows - 1, 0), min(rows, SAMPLE_ROWS)).astype(np.int64)
        return self.values[np.searchsorted(ends, ranks, side="right")]


@dataclass(frozen=True)
class CellCounts:
    """Rows in each cell, the cells numbered through all partitions, and a sample of the rows."""

    counts: Counts
    sample: RowSample


@dataclass(frozen=True)
class RowCells:
    """How many of `rows` are in each cell; the cells are numbered through all partitions.

    `sample` has the cells of some of the rows, shape (rows, partitions).
    """

    rows: int
    counts: Counts
    sample: NDArray[np.int32]


@dataclass(frozen=True)
class Split:
    """A question that divides rows: about which features, and the first cell of each answer; the last entry ends them."""

    features: tuple[str, ...]
    bounds: tuple[int, ...]


@dataclass(frozen=True)
class ModelBatch:
    """The current rows in the cells that the reference is counted in; `splits` are asked for only where they moved.

    `unseen` says in words what such cells cannot show.
    """

    method: Method
    cells: RowCells
    splits: Callable[[], Sequence[Split]]
    unseen: str


def row_keys(columns: Iterable[NDArray[Any]]) -> NDArray[np.uint64]:
    """A number a row that is equal for equal rows and says nothing else of them; `columns` have a row's values side by side.

    The values are integers. A column may be a matrix, whose columns each count for themselves.
    """
    random = np.random.Generator(np.random.PCG64(SEED))
    keys: NDArray[np.uint64] | None = None
    for column in columns:
        factors = random.integers(2**63, size=column.shape[1:], dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        summed = column.astype(np.uint64) @ factors if column.ndim > 1 else column.astype(np.uint64) * factors
        keys = summed if keys is None else keys + summed
    return np.empty(0, np.uint64) if keys is None else _mixed(keys)


def sample_rows(keys: NDArray[np.uint64], values: NDArray[Any]) -> RowSample:
    """The sample of a batch by its `row_keys`; rows with equal keys have equal `values`, shape (rows, columns)."""
    places = _places_of_smallest(keys)
    found, first, counts = np.unique(keys[places], return_index=True, return_counts=True)
    return RowSample(found[:KEPT_ROWS], counts[:KEPT_ROWS], values[places[first[:KEPT_ROWS]]])


def merged_samples(samples: Sequence[RowSample]) -> RowSample:
    """The sample of all batches together."""
    keys = np.concatenate([one.keys for one in samples])
    found, first, places = np.unique(keys, return_index=True, return_inverse=True)
    counts = np.zeros(len(found), np.int64)
    np.add.at(counts, places, np.concatenate([one.counts for one in samples]))
    values = np.concatenate([one.values for one in samples])
    return RowSample(found[:KEPT_ROWS], counts[:KEPT_ROWS], values[first[:KEPT_ROWS]])


def merged_cells(parts: Sequence[CellCounts]) -> CellCounts:
    """The cells of all batches together."""
    counts: Counts = np.sum([one.counts for one in parts], axis=0)
    return CellCounts(counts, merged_samples([one.sample for one in parts]))


def _mixed(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Each key as another, without collisions, so that which are small has nothing to do with what rows hold.

    The finaliser of splitmix64: Steele, Lea & Flood (2014), OOPSLA '14, 453-472.
    """
    mixed = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    found: NDArray[np.uint64] = mixed ^ (mixed >> np.uint64(31))
    return found


def _places_of_smallest(keys: NDArray[np.uint64]) -> NDArray[np.intp]:
    """The places of all rows that have one of the `KEPT_ROWS` smallest keys, and of some others."""
    wanted = KEPT_ROWS
    while wanted < len(keys):
        places = np.flatnonzero(keys <= np.partition(keys, wanted - 1)[wanted - 1])
        if len(np.unique(keys[places])) >= KEPT_ROWS:
            return places
        wanted *= 4
    return np.arange(len(keys))
