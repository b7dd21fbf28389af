"""The metrics as Prometheus reads them: text format 0.0.4, with every series from the first scrape on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from lockgate.documents.drift_json import DRIFT_STATUSES, DriftStatus
from lockgate.documents.profile_json import Profile
from lockgate.drift.psi import smoothed_shares
from lockgate.service.drift.nightly import Nightly
from lockgate.service.metrics.metric_layout import DECISIONS, DURATIONS, REASONS, ROUTES, SCORES, STATUSES, MetricLayout

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
Family = CounterMetricFamily | GaugeMetricFamily
FAMILIES: dict[str, type[Family]] = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}


@dataclass(frozen=True)
class Snapshot:
    """What a scrape shows: the counters' totals, whether the service is ready, and what came from outside."""

    totals: NDArray[np.float64]
    ready: bool
    nightly: Nightly
    chance: Sequence[float]  # a feature each, the score last


Values = Callable[[Snapshot], Sequence[float]]


@dataclass
class Exposition:
    """Every metric's name, labels and place, known before the first scrape; a scrape only reads the numbers.

    Prometheus's own client keeps each number in an object with a lock and cannot share it between processes without
    files; the numbers are in shared memory instead, and the client writes them down.
    """

    layout: MetricLayout
    _metrics: list[Callable[[Snapshot], Metric]] = field(default_factory=list)

    def render(self, snapshot: Snapshot) -> bytes:
        """The body of /metrics."""
        return generate_latest(_Collected([metric(snapshot) for metric in self._metrics]))

    def add(self, kind: str, name: str, text: str, labels: Sequence[dict[str, str]], values: Values) -> None:
        """Add a metric with a series for each of `labels`, which all have the same keys."""

        def metric(shown: Snapshot) -> Metric:
            family = FAMILIES[kind](name, text, labels=list(labels[0]))
            for one, value in zip(labels, values(shown), strict=True):
                family.add_metric(list(one.values()), value)
            return family

        self._metrics.append(metric)

    def add_cells(self, kind: str, name: str, text: str, labels: list[dict[str, str]], first: int) -> None:
        """Add a metric whose series are consecutive cells."""
        self.add(kind, name, text, labels, lambda shown: shown.totals[first : first + len(labels)].tolist())

    def add_histograms(
        self, name: str, text: str, labels: list[dict[str, str]], bounds: Sequence[float], first: int
    ) -> None:
        """Add a histogram for each of `labels`."""
        names = [*map(floatToGoString, bounds), "+Inf"]
        width = len(bounds) + 2

        def metric(shown: Snapshot) -> Metric:
            family = HistogramMetricFamily(name, text, labels=list(labels[0]))
            for place, one in enumerate(labels):
                cells = shown.totals[first + width * place : first + width * (place + 1)]
                buckets = zip(names, np.cumsum(cells[:-1]).tolist(), strict=True)
                family.add_metric(list(one.values()), list(buckets), float(cells[-1]))
            return family

        self._metrics.append(metric)


class _Collected(Collector):
    """Metrics that are there already, for the client to write down."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        return iter(self._metrics)


def make_exposition(layout: MetricLayout, profile: Profile, model: dict[str, str]) -> Exposition:
    """All metrics of a service; `model` labels lockgate_model_info."""
    shown = Exposition(layout)
    _add_requests(shown)
    _add_predictions(shown, profile)
    _add_drift(shown, profile)
    shown.add("gauge", "lockgate_model_info", "The bundle that is served.", [model], lambda _: [1.0])
    shown.add("gauge", "lockgate_ready", "Whether /ready says 200.", [{}], lambda one: [float(one.ready)])
    return shown


def _add_requests(shown: Exposition) -> None:
    layout = shown.layout
    routes = [{"route": route} for route in ROUTES]
    both = [{"route": route, "status": str(status)} for route in ROUTES for status in STATUSES]
    shown.add_cells("counter", "lockgate_requests_total", "Answers by route and status.", both, layout.requests)
    shown.add_histograms(
        "lockgate_request_duration_seconds",
        "From the whole request being there to its answer.",
        routes,
        DURATIONS,
        layout.durations,
    )
    shown.add_cells("gauge", "lockgate_requests_in_flight", "Requests being answered.", [{}], layout.in_flight)
    shown.add_cells(
        "counter",
        "lockgate_rejected_requests_total",
        "Requests turned away before they were read or run.",
        [{"reason": reason} for reason in REASONS],
        layout.rejected,
    )


def _add_predictions(shown: Exposition, profile: Profile) -> None:
    layout = shown.layout
    decisions = [{"decision": decision} for decision in DECISIONS]
    features = [{"feature": one.name} for one in profile.features]
    shown.add_cells("counter", "lockgate_predictions_total", "Rows scored, by decision.", decisions, layout.predictions)
    shown.add_histograms("lockgate_score", "Probabilities of the positive class.", [{}], SCORES, layout.scores)
    shown.add_cells(
        "counter",
        "lockgate_unseen_categories_total",
        "Values that are no category of the training rows, whether refused or taken as missing.",
        features[:-1],
        layout.unseen,
    )
    shown.add_cells("counter", "lockgate_decision_log_rows_total", "Rows written.", [{}], layout.logged)
    dropped = [layout.dropped, layout.given_up]
    shown.add(
        "counter",
        "lockgate_decision_log_dropped_rows_total",
        "Rows that were not written.",
        [{}],
        lambda one: [float(one.totals[dropped].sum())],
    )


def _add_drift(shown: Exposition, profile: Profile) -> None:
    features = [{"feature": one.name} for one in profile.features]
    bins = [{"feature": one.name, "bin": label} for one in profile.features for label in one.bin_names]
    shares = np.concatenate([smoothed_shares(one.counts) for one in profile.features]).tolist()
    rows = [float(one.n) for one in profile.features]
    shown.add_cells(
        "counter", "lockgate_feature_bin_rows_total", "Rows in each frozen bin.", bins, shown.layout.bin_rows
    )
    expected = "Smoothed share of the reference rows in each bin."
    shown.add("gauge", "lockgate_feature_bin_expected_share", expected, bins, lambda _: shares)
    reference = "Rows that the profile was made from."
    shown.add("gauge", "lockgate_feature_reference_rows", reference, features, lambda _: rows)
    chance = "The PSI that unchanged rows reach by chance, times n*m/(n+m)."
    shown.add("gauge", "lockgate_feature_psi_chance", chance, features, lambda one: one.chance)
    settings = {name: float(getattr(profile.rule, name)) for name in profile.rule.__struct_fields__}
    names, values = [{"setting": name} for name in settings], list(settings.values())
    setting = "The drift settings that the bundle was trained with."
    shown.add("gauge", "lockgate_drift_setting", setting, names, lambda _: values)
    nightly = "PSI of the last nightly drift run."
    shown.add("gauge", "lockgate_nightly_psi", nightly, features, lambda one: one.nightly.psi)
    threshold = "The PSI from which that run calls it drift."
    shown.add("gauge", "lockgate_nightly_psi_threshold", threshold, features, lambda one: one.nightly.thresholds)
    shown.add(
        "gauge",
        "lockgate_nightly_drift_status",
        "1 for the status of the last nightly drift run.",
        [{"status": status} for status in DRIFT_STATUSES],
        lambda one: [float(_status(one.nightly) == status) for status in DRIFT_STATUSES],
    )
    for name, text, value in (
        ("timestamp_seconds", "When that run was.", lambda one: one.nightly.time),
        ("matches_model", "Whether that run was about the model served here.", lambda one: one.nightly.matches_model),
    ):
        shown.add("gauge", f"lockgate_nightly_drift_{name}", text, [{}], _single(value))
    up = "Whether the drift source could be read the last time."
    shown.add("gauge", "lockgate_drift_source_up", up, [{}], lambda one: [one.nightly.up])


def _status(nightly: Nightly) -> DriftStatus | None:
    return None if nightly.result is None else nightly.result.status


def _single(value: Callable[[Snapshot], float]) -> Values:
    return lambda shown: [value(shown)]
