"""Rows in the cells of several partitions: the leaves of a model's trees, or the values of pairs of features."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lockgate.drift.bins import Counts

Method = Literal["leaves", "pairs"]

SAMPLE_ROWS = 1_000
SEED = 20_240_229


@dataclass(frozen=True)
class RowCells:
    """How many of `rows` are in each cell; the cells are numbered through all partitions.

    `sample` has the cells of some of the rows, as `sample_places` chooses them, shape (rows, partitions).
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


def row_keys(columns: Iterable[NDArray[np.int32]]) -> NDArray[np.uint64]:
    """A number a row that is equal for equal rows and says nothing else of them; `columns` have a row's values side by side.

    A column may be a matrix, whose columns each count for themselves.
    """
    random = np.random.Generator(np.random.PCG64(SEED))
    keys: NDArray[np.uint64] | None = None
    for column in columns:
        factors = random.integers(2**63, size=column.shape[1:], dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        summed = column.astype(np.uint64) @ factors if column.ndim > 1 else column.astype(np.uint64) * factors
        keys = summed if keys is None else keys + summed
    return np.empty(0, np.uint64) if keys is None else keys


def sample_places(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The places of a sample of rows, which depends on what the rows hold and not on the order in which they stand."""
    rows = len(keys)
    chosen = np.unique(np.linspace(0, max(rows - 1, 0), min(rows, SAMPLE_ROWS)).astype(np.int64))
    found: NDArray[np.int64] = np.argsort(keys, kind="stable")[chosen]
    return found
