"""Counting what a worker does: a few cells of shared memory a request."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

from lockgate.service.metrics.metric_layout import DURATIONS, OTHER, REASONS, ROUTES, SCORES, STATUSES, MetricLayout
from lockgate.service.metrics.shared_counters import SharedCounters

STATUS_PLACES = {status: place for place, status in enumerate(STATUSES)}
ROUTE_PLACES = {route: place for place, route in enumerate(ROUTES)}
REASON_PLACES = {reason: place for place, reason in enumerate(REASONS)}


class Metrics:
    """The counters of one worker, and through `totals` the sum over all of them."""

    def __init__(self, layout: MetricLayout, counters: SharedCounters, worker: int) -> None:
        self.layout = layout
        self._counters = counters
        self._cells = counters.view(worker)
        self._row = counters.rows[worker]
        self._cells[layout.in_flight] = 0.0  # of a predecessor that was killed
        self._cells[layout.ready] = 0.0

    def totals(self) -> NDArray[np.float64]:
        """Every cell summed over the workers."""
        return self._counters.totals()

    def request(self, path: str, status: int, seconds: float | None = None) -> None:
        """Count an answer; paths and statuses that have no series of their own are `other`.

        `seconds` is None for what was answered without being run, which says nothing of how long running takes.
        """
        cells, layout = self._cells, self.layout
        route = ROUTE_PLACES.get(path, ROUTE_PLACES[OTHER])
        cells[layout.requests + route * len(STATUSES) + STATUS_PLACES.get(status, STATUS_PLACES[OTHER])] += 1.0
        if seconds is not None:
            first = layout.durations + route * (len(DURATIONS) + 2)
            cells[first + bisect_left(DURATIONS, seconds)] += 1.0
            cells[first + len(DURATIONS) + 1] += seconds

    def row(self, bins: list[int], score: float, favourable: bool) -> None:
        """Count a scored row: its `bins` (places among all bins, the score's included), its score and decision."""
        layout = self.layout
        self._row[[layout.bin_rows + place for place in bins]] += 1.0  # one operation; the bins are distinct
        cells = self._cells
        cells[layout.scores + bisect_left(SCORES, score)] += 1.0
        cells[layout.scores + len(SCORES) + 1] += score
        cells[layout.predictions + (not favourable)] += 1.0

    def rows(self, bin_rows: NDArray[np.float64], scores: NDArray[np.float64], favourable: int) -> None:
        """Count scored rows: rows in each bin, the scores, and how many decisions were favourable."""
        layout, row = self.layout, self._row
        row[layout.bin_rows : layout.bin_rows + len(bin_rows)] += bin_rows
        buckets = np.bincount(np.searchsorted(SCORES, scores, side="left"), minlength=len(SCORES) + 1)
        row[layout.scores : layout.scores + len(SCORES) + 1] += buckets
        row[layout.scores + len(SCORES) + 1] += scores.sum()
        row[layout.predictions] += favourable
        row[layout.predictions + 1] += len(scores) - favourable

    def unseen(self, feature: int, rows: int = 1) -> None:
        """Count rows whose value of a feature is not one of its categories."""
        self._cells[self.layout.unseen + feature] += rows

    def rejected(self, reason: str) -> None:
        """Count a request that was turned away before it was read or run."""
        self._cells[self.layout.rejected + REASON_PLACES[reason]] += 1.0

    def in_flight(self, change: int) -> None:
        """Count a request that begins (1) or ends (-1)."""
        self._cells[self.layout.in_flight] += change

    def logged(self, rows: int) -> None:
        """Count rows written to the decision log."""
        self._cells[self.layout.logged] += rows

    def dropped(self, rows: int) -> None:
        """Count rows that found the decision log's queue full."""
        self._cells[self.layout.dropped] += rows

    def dropped_by_log(self, rows: int) -> None:
        """Count rows that it gave up in the end; a cell of its own, since another thread counts."""
        self._cells[self.layout.given_up] += rows

    def set_ready(self, ready: bool) -> None:
        """Say whether this worker answers."""
        self._cells[self.layout.ready] = float(ready)

    def all_ready(self) -> bool:
        """Whether every worker of the service answers."""
        return bool(self._counters.rows[:, self.layout.ready].all())
