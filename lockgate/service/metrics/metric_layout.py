"""Where each number of the metrics stands in the shared block: every series there is, known before the first request."""

from __future__ import annotations

from lockgate.documents.profile_json import Profile

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
STATUSES = (200, 400, 404, 405, 408, 413, 415, 422, 431, 500, 503, OTHER)
REASONS = ("overload", "too-large", "slow-request", "invalid-http")
DECISIONS = ("favourable", "unfavourable")
# Seconds: one row takes a tenth of a millisecond, a batch of 1,000 about ten, a queue under load more.
DURATIONS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
SCORES = tuple(place / 20 for place in range(1, 20))  # twenty buckets, with the one up to infinity


class MetricLayout:
    """The first cell of each group. A histogram has a cell a bucket, the last up to infinity, then the sum."""

    def __init__(self, profile: Profile) -> None:
        self.cells = 0
        self.requests = self._claim(len(ROUTES) * len(STATUSES))
        self.durations = self._claim(len(ROUTES) * (len(DURATIONS) + 2))
        self.scores = self._claim(len(SCORES) + 2)
        self.predictions = self._claim(len(DECISIONS))
        self.rejected = self._claim(len(REASONS))
        self.unseen = self._claim(len(profile.features) - 1)
        self.bin_rows = self._claim(sum(len(one.counts) for one in profile.features))
        self.in_flight = self._claim(1)
        self.ready = self._claim(1)
        self.logged = self._claim(1)
        self.dropped = self._claim(1)
        self.given_up = self._claim(1)

    @property
    def bin_slice(self) -> slice:
        """The cells of the bins, in the profile's order."""
        return slice(self.bin_rows, self.in_flight)

    @property
    def unseen_slice(self) -> slice:
        """A cell for each feature but the score."""
        return slice(self.unseen, self.bin_rows)

    def _claim(self, cells: int) -> int:
        start = self.cells
        self.cells += cells
        return start
