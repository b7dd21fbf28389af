"""Counters that all workers of a service share: a block of memory with a row a worker, written without locks."""

from __future__ import annotations

import mmap
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

CELL = 8  # bytes of a float64, which counts exactly to 2**53


class Cells(Protocol):
    """A worker's row, cell by cell."""

    def __getitem__(self, place: int, /) -> float: ...

    def __setitem__(self, place: int, value: float, /) -> None: ...


class SharedCounters:
    """`workers` rows of `cells` float64 in memory that forked processes share.

    A worker writes its own row only, so nothing is lost between processes; a restarted one goes on where its
    predecessor stopped, so no counter ever falls.
    """

    def __init__(self, cells: int, workers: int) -> None:
        self._memory = mmap.mmap(-1, max(cells, 1) * workers * CELL)
        self.rows: NDArray[np.float64] = np.frombuffer(self._memory, dtype=np.float64).reshape(workers, cells)

    def view(self, worker: int) -> Cells:
        """A worker's row for single cells, which a memoryview reads and writes faster than numpy."""
        cells = self.rows.shape[1]
        return cast(Cells, memoryview(self._memory).cast("d")[worker * cells : (worker + 1) * cells])

    def totals(self) -> NDArray[np.float64]:
        """The sum over the workers."""
        return np.asarray(self.rows.sum(axis=0))
