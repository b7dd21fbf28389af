"""Rows in the cells of several partitions: the leaves of a model's trees, or the values of pairs of features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lockgate.drift.bins import Counts

Method = Literal["leaves", "pairs"]

SAMPLE_ROWS = 1_000


@dataclass(frozen=True)
class RowCells:
    """How many of `rows` are in each cell; the cells are numbered through all partitions.

    `sample` has the cells of some of the rows, evenly spaced, shape (rows, partitions).
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


def sample_places(rows: int) -> NDArray[np.int64]:
    """Which of the rows are in a sample."""
    return np.unique(np.linspace(0, max(rows - 1, 0), min(rows, SAMPLE_ROWS)).astype(np.int64))
