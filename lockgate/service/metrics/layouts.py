"""What is counted: each metric with its name, help and labels, and the cells of memory that hold its numbers.

A new counter is declared in `ServiceLayout` and counted with a method of `ServiceMetrics`, or in `ModelLayout` and with one
of `ModelMetrics` where it is about what a bundle scored (`counters.py`); /metrics shows it from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from lockgate.documents.profile_json import Profile
from lockgate.documents.schema_json import FAVOURABLE, UNFAVOURABLE

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
RESTART_REASONS = ("killed", "ended", "hung")  # by a signal, by itself, or killed since its event loop stood still
# refused: not a bundle to serve; failed: a worker could not take it in time; unchanged: it is served already
RELOAD_RESULTS = ("switched", "unchanged", "refused", "failed")
DECISIONS = (FAVOURABLE, UNFAVOURABLE)
# Seconds: one row takes a tenth of a millisecond, a batch of 1,000 about ten, a queue under load more.
DURATIONS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
SCORES = tuple(place / 20 for place in range(1, 20))  # twenty buckets, with the one up to infinity

# refused: /predict would answer 422, were the challenger served.
SHADOW_RESULTS = ("scored", "refused", "failed", "dropped")
DIFFERENCES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5)  # of two probabilities

Kind = Literal["counter", "gauge", "histogram"]
Labels = dict[str, str]


@dataclass(frozen=True)
class CountedMetric:
    """A metric whose numbers are cells from `first` on, `width` for each of `labels`.

    A counter or gauge has a cell for each thread that counts; their sum is its value. A histogram has a cell for each bucket
    of `bounds`, one up to infinity, and one for the sum.
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


class Layout:
    """Metrics that are counted, and the cell of each number."""

    def __init__(self) -> None:
        self.cells = 0
        self.metrics: list[CountedMetric] = []

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


class ServiceLayout(Layout):
    """What is counted of the service, whichever bundle it serves."""

    def __init__(self) -> None:
        super().__init__()
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
        self.connections = self._add("gauge", "lockgate_connections_open", "Connections of clients.")
        self.ready = self._add("gauge", "lockgate_workers_ready", "Workers whose every endpoint answers.")
        self.rejected = self._add(
            "counter",
            "lockgate_rejected_requests_total",
            "Requests turned away before they were read or run.",
            _labels(reason=REASONS),
        )
        self.restarts = self._add(
            "counter",
            "lockgate_worker_restarts_total",
            "Workers that were replaced, by why.",
            _labels(reason=RESTART_REASONS),
        )
        self.reloads = self._add(
            "counter", "lockgate_reloads_total", "Attempts to serve another bundle.", _labels(result=RELOAD_RESULTS)
        )
        self.logged = self._add("counter", "lockgate_decision_log_rows_total", "Rows written.")
        self.queued = self._add(
            "gauge", "lockgate_decision_log_queued_rows", "Rows that wait for their file.", threads=2
        )
        self.dropped = self._add(
            "counter", "lockgate_decision_log_dropped_rows_total", "Rows that were not written.", threads=2
        )
        self.lost = self._add(
            "counter", "lockgate_decision_log_lost_rows_total", "Rows that waited in a worker that was killed."
        )
        self.failed_writes = self._add(
            "counter",
            "lockgate_decision_log_failed_writes_total",
            "Attempts to write a file of the decision log that failed; its rows wait for the next.",
        )
        self.heartbeat = self._claim(1)  # seconds of the monotonic clock, which all processes share
        self.process = self._claim(1)  # its id; 0 where there is none

    @property
    def of_a_process(self) -> list[slice]:
        """The cells that mean nothing once the process that wrote them has gone."""
        cells = [one.cells for one in (self.in_flight, self.connections, self.ready, self.queued)]
        return [*cells, *(slice(one, one + 1) for one in (self.heartbeat, self.process))]


class ModelLayout(Layout):
    """What is counted of what one bundle scored; each series has the bundle's digest as a label."""

    def __init__(self, profile: Profile, digest: str) -> None:
        super().__init__()
        self.digest = digest
        features = [one.name for one in profile.features]
        self.predictions = self._add(
            "counter",
            "lockgate_predictions_total",
            "Rows scored, by decision.",
            _labels(digest=[digest], decision=DECISIONS),
        )
        self.scores = self._add(
            "histogram",
            "lockgate_score",
            "Probabilities of the positive class.",
            _labels(digest=[digest]),
            bounds=SCORES,
        )
        self.unseen = self._add(
            "counter",
            "lockgate_unseen_categories_total",
            "Values that are no category of the training rows, whether refused or taken as missing.",
            _labels(digest=[digest], feature=features[:-1]),  # the last is the score
        )
        self.bin_rows = self._add(
            "counter",
            "lockgate_feature_bin_rows_total",
            "Rows in each frozen bin.",
            [
                {"digest": digest, "feature": one.name, "bin": label}
                for one in profile.features
                for label in one.bin_names
            ],
        )


class ShadowLayout(Layout):
    """What is counted of a challenger in the shadow; each series has the challenger's digest as a label."""

    def __init__(self, digest: str) -> None:
        super().__init__()
        self.rows = self._add(
            "counter",
            "lockgate_shadow_rows_total",
            "Rows for the challenger in the shadow, by what came of them.",
            _labels(digest=[digest], result=SHADOW_RESULTS),
            threads=2,
        )
        self.decisions = self._add(
            "counter",
            "lockgate_shadow_decisions_total",
            "Rows by the decision that was answered, and the challenger's.",
            _labels(digest=[digest], served=DECISIONS, shadow=DECISIONS),
        )
        self.scores = self._add(
            "histogram",
            "lockgate_shadow_score",
            "Probabilities that the challenger gave.",
            _labels(digest=[digest]),
            bounds=SCORES,
        )
        self.differences = self._add(
            "histogram",
            "lockgate_shadow_score_difference",
            "How far apart the two probabilities of a row are, without sign.",
            _labels(digest=[digest]),
            bounds=DIFFERENCES,
        )


def _labels(**values: Sequence[str | int]) -> list[Labels]:
    """A label set for every combination of the values, the last label changing fastest."""
    return [dict(zip(values, map(str, one), strict=True)) for one in product(*values.values())]


SERVICE = ServiceLayout()
