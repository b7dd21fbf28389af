"""What is counted: each metric with its name, help and labels, and its numbers in memory that all workers share.

A new counter is declared in `MetricLayout` and counted with a method of `Metrics`; /metrics shows it from then on.
"""

from __future__ import annotations

import mmap
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from lockgate.documents.profile_json import Profile
from lockgate.documents.schema_json import FAVOURABLE, UNFAVOURABLE, Decision

OTHER = "other"
ROUTES = (
    "/predict",
    "/predict/batch",
    "/explain",
    "/drift",
    "/metrics",
    "/health",
    "/ready",
    "/docs",
    "/openapi.json",
    OTHER,
)
STATUSES = (200, 400, 401, 404, 405, 408, 413, 415, 422, 431, 500, 503, OTHER)
REASONS = ("overload", "too-large", "slow-request", "invalid-http")
DECISIONS = (FAVOURABLE, UNFAVOURABLE)
# Seconds: one row takes a tenth of a millisecond, a batch of 1,000 about ten, a queue under load more.
DURATIONS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
SCORES = tuple(place / 20 for place in range(1, 20))  # twenty buckets, with the one up to infinity

STATUS_PLACES = {status: place for place, status in enumerate(STATUSES)}
ROUTE_PLACES = {route: place for place, route in enumerate(ROUTES)}
REASON_PLACES = {reason: place for place, reason in enumerate(REASONS)}

Kind = Literal["counter", "gauge", "histogram"]
Labels = dict[str, str]


@dataclass(frozen=True)
class CountedMetric:
    """A metric whose numbers are cells from `first` on, `width` for each of `labels`.

    A counter or gauge has a cell a thread that counts; their sum is its value. A histogram has a cell a bucket of
    `bounds`, one up to infinity, and one for the sum.
    """

    kind: Kind
    name: str
    help: str
    labels: tuple[Labels, ...]
    first: int
    width: int = 1
    bounds: tuple[float, ...] = ()

    @property
    def cells(self) -> slice:
        """Where all its numbers stand."""
        return slice(self.first, self.first + self.width * len(self.labels))


class MetricLayout:
    """Every metric that is counted, known before the first request, and the cell of each number."""

    def __init__(self, profile: Profile) -> None:
        self.cells = 0
        self.metrics: list[CountedMetric] = []
        features = [one.name for one in profile.features]
        self.requests = self._add(
            "counter", "lockgate_requests_total", "Answers by route and status.", _labels(route=ROUTES, status=STATUSES)
        )
        self.durations = self._add(
            "histogram",
            "lockgate_request_duration_seconds",
            "From the whole request being there to its answer.",
            _labels(route=ROUTES),
            bounds=DURATIONS,
        )
        self.in_flight = self._add("gauge", "lockgate_requests_in_flight", "Requests being answered.")
        self.rejected = self._add(
            "counter",
            "lockgate_rejected_requests_total",
            "Requests turned away before they were read or run.",
            _labels(reason=REASONS),
        )
        self.predictions = self._add(
            "counter", "lockgate_predictions_total", "Rows scored, by decision.", _labels(decision=DECISIONS)
        )
        self.scores = self._add("histogram", "lockgate_score", "Probabilities of the positive class.", bounds=SCORES)
        self.unseen = self._add(
            "counter",
            "lockgate_unseen_categories_total",
            "Values that are no category of the training rows, whether refused or taken as missing.",
            _labels(feature=features[:-1]),  # the last is the score
        )
        self.logged = self._add("counter", "lockgate_decision_log_rows_total", "Rows written.")
        self.dropped = self._add(
            "counter", "lockgate_decision_log_dropped_rows_total", "Rows that were not written.", threads=2
        )
        self.failed_writes = self._add(
            "counter",
            "lockgate_decision_log_failed_writes_total",
            "Attempts to write a file of the decision log that failed; its rows wait for the next.",
        )
        self.bin_rows = self._add(
            "counter",
            "lockgate_feature_bin_rows_total",
            "Rows in each frozen bin.",
            [{"feature": one.name, "bin": label} for one in profile.features for label in one.bin_names],
        )
        self.ready = self._claim(1)  # shown as whether all workers are, and none is draining

    def _add(
        self,
        kind: Kind,
        name: str,
        text: str,
        labels: Sequence[Labels] = ({},),
        *,
        bounds: tuple[float, ...] = (),
        threads: int = 1,
    ) -> CountedMetric:
        """Declare a metric with a series for each of `labels`, which all have the same keys."""
        width = len(bounds) + 2 if kind == "histogram" else threads
        metric = CountedMetric(kind, name, text, tuple(labels), self._claim(width * len(labels)), width, bounds)
        self.metrics.append(metric)
        return metric

    def _claim(self, cells: int) -> int:
        start = self.cells
        self.cells += cells
        return start


def _labels(**values: Sequence[str | int]) -> list[Labels]:
    """A label set for every combination of the values, the last label changing fastest."""
    return [dict(zip(values, map(str, one), strict=True)) for one in product(*values.values())]


class Cells(Protocol):
    """A worker's row, cell by cell."""

    def __getitem__(self, place: int, /) -> float: ...

    def __setitem__(self, place: int, value: float, /) -> None: ...


CELL_BYTES = 8  # of a float64, which counts exactly to 2**53


class SharedCounters:
    """`workers` rows of `cells` float64 in memory that forked processes share, written without locks.

    A worker writes its own row only, so nothing is lost between processes; a restarted one goes on where its
    predecessor stopped, so no counter ever falls.
    """

    def __init__(self, cells: int, workers: int) -> None:
        self._memory = mmap.mmap(-1, max(cells, 1) * workers * CELL_BYTES)
        self.rows: NDArray[np.float64] = np.frombuffer(self._memory, dtype=np.float64).reshape(workers, cells)

    def view(self, worker: int) -> Cells:
        """A worker's row for single cells, which a memoryview reads and writes faster than numpy."""
        cells = self.rows.shape[1]
        return cast(Cells, memoryview(self._memory).cast("d")[worker * cells : (worker + 1) * cells])

    def totals(self) -> NDArray[np.float64]:
        """The sum over the workers."""
        return np.asarray(self.rows.sum(axis=0))


class Metrics:
    """The counters of one worker, and through `totals` the sum over all of them."""

    def __init__(self, layout: MetricLayout, counters: SharedCounters, worker: int) -> None:
        self.layout = layout
        self._counters = counters
        self._cells = counters.view(worker)
        self._row = counters.rows[worker]
        self._cells[layout.in_flight.first] = 0.0  # of a predecessor that was killed
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
        cells[layout.requests.first + route * len(STATUSES) + STATUS_PLACES.get(status, STATUS_PLACES[OTHER])] += 1.0
        if seconds is not None:
            first = layout.durations.first + route * (len(DURATIONS) + 2)
            cells[first + bisect_left(DURATIONS, seconds)] += 1.0
            cells[first + len(DURATIONS) + 1] += seconds

    def scored_row(self, bins: list[int], score: float, decision: Decision) -> None:
        """Count a scored row: its `bins` (places among all bins, the score's included), its score and decision."""
        layout = self.layout
        first = layout.bin_rows.first
        self._row[[first + place for place in bins]] += 1.0  # one operation; the bins are distinct
        cells = self._cells
        cells[layout.scores.first + bisect_left(SCORES, score)] += 1.0
        cells[layout.scores.first + len(SCORES) + 1] += score
        cells[layout.predictions.first + DECISIONS.index(decision)] += 1.0

    def scored_rows(
        self, bin_rows: NDArray[np.float64], scores: NDArray[np.float64], decisions: Sequence[Decision]
    ) -> None:
        """Count scored rows: rows in each bin, and the score and decision of each row."""
        layout, row = self.layout, self._row
        row[layout.bin_rows.cells] += bin_rows
        first = layout.scores.first
        row[first : first + len(SCORES) + 1] += np.bincount(
            np.searchsorted(SCORES, scores, side="left"), minlength=len(SCORES) + 1
        )
        row[first + len(SCORES) + 1] += scores.sum()
        row[layout.predictions.cells] += [decisions.count(one) for one in DECISIONS]

    def unseen_category(self, feature: int) -> None:
        """Count a value of a feature that is not one of its categories."""
        self._cells[self.layout.unseen.first + feature] += 1.0

    def rejected(self, reason: str) -> None:
        """Count a request that was turned away before it was read or run."""
        self._cells[self.layout.rejected.first + REASON_PLACES[reason]] += 1.0

    def in_flight(self, change: int) -> None:
        """Count a request that begins (1) or ends (-1)."""
        self._cells[self.layout.in_flight.first] += change

    def logged(self, rows: int) -> None:
        """Count rows written to the decision log."""
        self._cells[self.layout.logged.first] += rows

    def dropped(self, rows: int, *, by_writer: bool = False) -> None:
        """Count rows that found the decision log's queue full, or that its writing thread gave up: a cell each."""
        self._cells[self.layout.dropped.first + by_writer] += rows

    def failed_write(self) -> None:
        """Count an attempt to write a file of the decision log that failed."""
        self._cells[self.layout.failed_writes.first] += 1.0

    def set_ready(self, ready: bool) -> None:
        """Say whether this worker answers."""
        self._cells[self.layout.ready] = float(ready)

    def all_ready(self) -> bool:
        """Whether every worker of the service answers."""
        return bool(self._counters.rows[:, self.layout.ready].all())
