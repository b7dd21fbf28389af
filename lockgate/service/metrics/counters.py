"""The numbers of what `layouts` declares, in memory that all processes share, and what counts them."""

from __future__ import annotations

import mmap
import os
from bisect import bisect_left
from collections.abc import Sequence
from itertools import product
from time import monotonic
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from lockgate.config.errors import InputError
from lockgate.documents.schema_json import Decision
from lockgate.service.metrics.layouts import (
    DECISIONS,
    DIFFERENCES,
    DURATIONS,
    OTHER,
    REASONS,
    RELOAD_RESULTS,
    RESTART_REASONS,
    ROUTES,
    SCORES,
    SERVICE,
    SHADOW_RESULTS,
    STATUSES,
    ModelLayout,
    ShadowLayout,
)

STATUS_PLACES = {status: place for place, status in enumerate(STATUSES)}
ROUTE_PLACES = {route: place for place, route in enumerate(ROUTES)}
REASON_PLACES = {reason: place for place, reason in enumerate(REASONS)}
RESTART_PLACES = {reason: place for place, reason in enumerate(RESTART_REASONS)}
RELOAD_PLACES = {result: place for place, result in enumerate(RELOAD_RESULTS)}


class Cells(Protocol):
    """Cells of a process's row, one by one."""

    def __getitem__(self, place: int, /) -> float: ...

    def __setitem__(self, place: int, value: float, /) -> None: ...


LIVE_SECONDS = 1.0  # since the last heartbeat: a worker that is busy for longer takes no connections
CELL_BYTES = 8  # of a float64, which counts exactly to 2**53
SLOTS = 2
MIN_SLOT_CELLS = 2**17  # of 10,000 features with ten bins each; a page of it takes memory once it is written


def other_slot(slot: int) -> int:
    """The slot that a bundle counts in while another one counts in `slot`."""
    return (slot + 1) % SLOTS


class SharedCounters:
    """A row of float64 for each worker and one for the supervisor, in memory that forked processes share, without locks.

    A row has the cells of the service, then `SLOTS` times the cells of a bundle: while one is replaced by another, each has a
    slot. Last come those of a challenger in the shadow, if there is one. A process writes its own row only, so nothing is lost
    between processes; a restarted worker goes on where its predecessor stopped, so no counter ever falls. Made before the first
    fork.
    """

    def __init__(self, first: ModelLayout, workers: int, shadow: ShadowLayout | None = None) -> None:
        """Counts the bundle of `first` in slot 0; one that is loaded later has to fit as well."""
        self.workers = workers
        self.shadow = shadow
        self._slot_cells = max(MIN_SLOT_CELLS, first.cells)
        self._shadow_start = SERVICE.cells + SLOTS * self._slot_cells
        self._width = self._shadow_start + (0 if shadow is None else shadow.cells)
        self._memory = mmap.mmap(-1, self._width * (workers + 1) * CELL_BYTES)
        self._rows: NDArray[np.float64] = np.frombuffer(self._memory, dtype=np.float64).reshape(-1, self._width)
        self.slots: list[ModelLayout | None] = [first, *[None] * (SLOTS - 1)]  # what this process knows of each
        self._used_cells = [first.cells, *[0] * (SLOTS - 1)]  # of each slot

    def service(self, worker: int) -> ServiceMetrics:
        """What this process counts of the service, as worker 0, 1, ..., in its row; what a predecessor left is cleared."""
        self.clear(worker)
        return ServiceMetrics(self, worker)

    def supervisor(self) -> ServiceMetrics:
        """What the supervisor counts, in a row of its own."""
        return self.service(self.workers)

    def claim(self, layout: ModelLayout, served: int) -> int:
        """The slot for a bundle that is to replace the one in the slot `served`.

        It is the slot that counts this very bundle already, so that no counter falls, else the other one, emptied: for the
        supervisor, before any worker counts there. Raises InputError where its cells do not fit.
        """
        for slot, known in enumerate(self.slots):
            if known is not None and known.digest == layout.digest:
                return slot
        if layout.cells > self._slot_cells:
            raise InputError(
                f"the bundle {layout.digest[:12]} has {layout.cells:,} counters, and there is room for {self._slot_cells:,}; "
                "restart the service to serve it"
            )
        slot = other_slot(served)
        self._rows[:, self._slot(slot, self._used_cells[slot])] = 0.0  # the others are 0, and take no memory as yet
        self.slots[slot], self._used_cells[slot] = layout, layout.cells
        return slot

    def model(self, slot: int, layout: ModelLayout, worker: int) -> ModelMetrics:
        """What a worker counts of a bundle in a slot, which this process shows from now on."""
        self.slots[slot] = layout
        return ModelMetrics(self, slot, layout, worker)

    def forget(self, slot: int) -> None:
        """Show the slot no longer, whose bundle is not going to be served."""
        self.slots[slot] = None

    def service_totals(self) -> NDArray[np.float64]:
        """The service's cells, summed over all processes."""
        return np.asarray(self._rows[:, : SERVICE.cells].sum(axis=0))

    def model_totals(self, slot: int) -> NDArray[np.float64]:
        """The cells of the bundle in a slot, summed over all workers."""
        layout = self.slots[slot]
        return np.asarray(self._rows[:, self._slot(slot, 0 if layout is None else layout.cells)].sum(axis=0))

    def shadow_totals(self) -> NDArray[np.float64]:
        """The cells of the challenger in the shadow, summed over all workers."""
        return np.asarray(self._rows[:, self._shadow_start :].sum(axis=0))

    def heartbeat(self, worker: int) -> float | None:
        """When a worker's heart last beat, by the monotonic clock; None before it began."""
        return float(self._rows[worker, SERVICE.heartbeat]) or None

    def connections_of_others(self, worker: int) -> list[float]:
        """How many connections each of the other workers has, of those that answer and whose event loop runs."""
        rows = self._rows[: self.workers]
        live = (rows[:, SERVICE.ready.first] > 0.0) & (rows[:, SERVICE.heartbeat] > monotonic() - LIVE_SECONDS)
        live[worker] = False
        return cast(list[float], rows[live, SERVICE.connections.first].tolist())

    def processes(self) -> list[int]:
        """The ids of the workers' processes, then the supervisor's; 0 for one that there is not."""
        return [int(one) for one in self._rows[:, SERVICE.process]]

    def clear(self, worker: int) -> int:
        """Clear what means nothing once a worker has gone; the rows of the decision log that went with it."""
        row = self._rows[worker]
        queued = max(0, int(row[SERVICE.queued.cells].sum()))
        for cells in SERVICE.of_a_process:
            row[cells] = 0.0
        return queued

    def cells(
        self, worker: int, slot: int | None = None, cells: int = SERVICE.cells
    ) -> tuple[Cells, NDArray[np.float64]]:
        """A worker's cells of the service or of a slot, for a memoryview, which is faster at single ones, and for numpy."""
        place = slice(0, cells) if slot is None else self._slot(slot, cells)
        start = worker * self._width
        single = memoryview(self._memory).cast("d")[start + place.start : start + place.stop]
        return cast(Cells, single), self._rows[worker, place]

    def shadow_cells(self, worker: int) -> NDArray[np.float64]:
        """A worker's cells of the challenger in the shadow."""
        return np.asarray(self._rows[worker, self._shadow_start :])

    def _slot(self, slot: int, cells: int) -> slice:
        """Where the first `cells` of a slot stand in a row."""
        start = SERVICE.cells + slot * self._slot_cells
        return slice(start, start + cells)


class ServiceMetrics:
    """What one process counts of the service."""

    def __init__(self, counters: SharedCounters, worker: int) -> None:
        self.counters = counters
        self._worker = worker
        self._cells, _ = counters.cells(worker)
        self._cells[SERVICE.process] = float(os.getpid())

    def request(self, path: str, status: int, seconds: float | None = None) -> None:
        """Count an answer; paths and statuses that have no series of their own are `other`.

        `seconds` is None for what was answered without being run, which says nothing of how long running takes.
        """
        cells = self._cells
        route = ROUTE_PLACES.get(path, ROUTE_PLACES[OTHER])
        cells[SERVICE.requests.first + route * len(STATUSES) + STATUS_PLACES.get(status, STATUS_PLACES[OTHER])] += 1.0
        if seconds is not None:
            first = SERVICE.durations.first + route * (len(DURATIONS) + 2)
            cells[first + bisect_left(DURATIONS, seconds)] += 1.0
            cells[first + len(DURATIONS) + 1] += seconds

    def rejected(self, reason: str) -> None:
        """Count a request that was turned away before it was read or run."""
        self._cells[SERVICE.rejected.first + REASON_PLACES[reason]] += 1.0

    def in_flight(self, change: int) -> None:
        """Count a request that begins (1) or ends (-1)."""
        self._cells[SERVICE.in_flight.first] += change

    def connections(self, change: int) -> None:
        """Count a connection that is made (1) or lost (-1)."""
        self._cells[SERVICE.connections.first] += change

    def connections_beside_others(self) -> tuple[float, float | None]:
        """How many connections this worker has, and the one of the others with the fewest; None where there is no other."""
        others = self.counters.connections_of_others(self._worker)
        return self._cells[SERVICE.connections.first], min(others, default=None)

    def restarted(self, reason: str) -> None:
        """Count a worker that is replaced, by one of `RESTART_REASONS`."""
        self._cells[SERVICE.restarts.first + RESTART_PLACES[reason]] += 1.0

    def reloaded(self, result: str) -> None:
        """Count an attempt to serve another bundle, by one of `RELOAD_RESULTS`."""
        self._cells[SERVICE.reloads.first + RELOAD_PLACES[result]] += 1.0

    def queued(self, change: int, *, by_writer: bool = False) -> None:
        """Count rows that the decision log takes, or that its writing thread has done with (a negative number): a cell each."""
        self._cells[SERVICE.queued.first + by_writer] += change

    def logged(self, rows: int) -> None:
        """Count rows written to the decision log."""
        self._cells[SERVICE.logged.first] += rows

    def dropped(self, rows: int, *, by_writer: bool = False) -> None:
        """Count rows that found the decision log's queue full, or that its writing thread gave up: a cell each."""
        self._cells[SERVICE.dropped.first + by_writer] += rows

    def lost(self, rows: int) -> None:
        """Count rows of the decision log that a worker took with it."""
        self._cells[SERVICE.lost.first] += rows

    def failed_write(self) -> None:
        """Count an attempt to write a file of the decision log that failed."""
        self._cells[SERVICE.failed_writes.first] += 1.0

    def beat(self) -> None:
        """Show that this process's event loop runs."""
        self._cells[SERVICE.heartbeat] = monotonic()

    def stands_still(self, seconds: float) -> bool:
        """Whether this process's event loop, once it has begun to beat, has not for so long."""
        last = self._cells[SERVICE.heartbeat]
        return last > 0.0 and monotonic() - last > seconds

    def set_ready(self, ready: bool) -> None:
        """Say whether every endpoint of this worker answers."""
        self._cells[SERVICE.ready.first] = float(ready)

    def is_ready(self) -> bool:
        """What was said last."""
        return self._cells[SERVICE.ready.first] > 0.0


class ModelMetrics:
    """What one worker counts of what a bundle scored."""

    def __init__(self, counters: SharedCounters, slot: int, layout: ModelLayout, worker: int) -> None:
        self.slot, self.layout = slot, layout
        self._counters = counters
        self._cells, self._row = counters.cells(worker, slot, layout.cells)

    def totals(self) -> NDArray[np.float64]:
        """Every cell summed over the workers."""
        return self._counters.model_totals(self.slot)

    def scored_row(self, bins: list[int], score: float, decision: Decision) -> None:
        """Count a scored row: its `bins` (places among all bins, the score's included), its score and decision."""
        layout, cells = self.layout, self._cells
        first = layout.bin_rows.first
        for place in bins:  # of some dozens of bins; numpy's indexing takes twice as long
            cells[first + place] += 1.0
        cells[layout.scores.first + bisect_left(SCORES, score)] += 1.0
        cells[layout.scores.first + len(SCORES) + 1] += score
        cells[layout.predictions.first + DECISIONS.index(decision)] += 1.0

    def scored_rows(
        self, bin_rows: NDArray[np.float64], scores: NDArray[np.float64], decisions: Sequence[Decision]
    ) -> None:
        """Count scored rows: rows in each bin, and the score and decision of each row."""
        layout, row = self.layout, self._row
        row[layout.bin_rows.cells] += bin_rows
        _observe(row[layout.scores.cells], SCORES, scores)
        row[layout.predictions.cells] += [decisions.count(one) for one in DECISIONS]

    def unseen_category(self, feature: int) -> None:
        """Count a value of a feature that is not one of its categories."""
        self._cells[self.layout.unseen.first + feature] += 1.0


class ShadowMetrics:
    """What one worker counts of a challenger in the shadow."""

    def __init__(self, counters: SharedCounters, layout: ShadowLayout, worker: int) -> None:
        self._layout = layout
        self._row = counters.shadow_cells(worker)

    def scored(
        self,
        served: NDArray[np.float64],
        scores: NDArray[np.float64],
        decisions: Sequence[tuple[Decision, Decision]],
    ) -> None:
        """Count scored rows: the probability that was answered, and the challenger's, and both decisions."""
        layout, row = self._layout, self._row
        self._count("scored", len(scores))
        _observe(row[layout.scores.cells], SCORES, scores)
        _observe(row[layout.differences.cells], DIFFERENCES, np.abs(scores - served))
        row[layout.decisions.cells] += [decisions.count(pair) for pair in product(DECISIONS, repeat=2)]

    def refused(self, rows: int) -> None:
        """Count rows that the challenger does not take."""
        self._count("refused", rows)

    def failed(self, rows: int) -> None:
        """Count rows that it could not score."""
        self._count("failed", rows)

    def dropped(self, rows: int, *, by_challenger: bool = False) -> None:
        """Count rows that found the queue full, or that the challenger's thread gave up: a cell each."""
        self._count("dropped", rows, thread=int(by_challenger))

    def _count(self, result: str, rows: int, thread: int = 0) -> None:
        metric = self._layout.rows
        self._row[metric.first + SHADOW_RESULTS.index(result) * metric.width + thread] += rows


def _observe(cells: NDArray[np.float64], bounds: Sequence[float], values: NDArray[np.float64]) -> None:
    """Add values to the cells of a histogram."""
    places = np.searchsorted(bounds, values, side="left")
    cells[:-1] += np.bincount(places, minlength=len(bounds) + 1)
    cells[-1] += values.sum()
