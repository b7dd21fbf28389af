"""The body of /metrics: Prometheus's text format 0.0.4, with every series from the first scrape on.

What is counted is declared in `counters.py`, and what the last night found in `nightly_gauges.py`; here stands what a scrape shows
beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from lockgate.documents.profile_json import Profile
from lockgate.drift.psi import smoothed_shares
from lockgate.service.drift.nightly import Nightly
from lockgate.service.metrics.counters import SERVICE, CountedMetric, Labels, SharedCounters
from lockgate.service.metrics.nightly_gauges import NightlyGauge, nightly_gauges

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Snapshot:
    """What a scrape shows: the counters, whether the service is ready, and what came from outside."""

    counters: SharedCounters
    ready: bool
    nightly: Nightly
    chance: Sequence[float]  # a feature each, the score last


class PrometheusText:
    """Every metric's name, labels and place, known before the first scrape; a scrape only reads the numbers.

    Prometheus's own client keeps each number in an object with a lock and cannot share it between processes without
    files; the numbers are in shared memory instead, and the client writes them down.
    """

    def __init__(self, profile: Profile, model: Labels) -> None:
        """`model` are the labels of lockgate_model_info."""
        self._metrics: list[Callable[[Snapshot], Metric]] = []
        self._add_gauge("lockgate_model_info", "The bundle that is served.", [model], lambda _: [1.0])
        self._add_gauge("lockgate_ready", "Whether /ready says 200.", [{}], lambda shown: [float(shown.ready)])
        self._add_reference(profile, {"digest": model["digest"]})
        self._add_nightly(profile)

    def render(self, snapshot: Snapshot) -> bytes:
        """The body of /metrics."""
        counters = snapshot.counters
        totals = counters.service_totals()
        shown = [_counted([metric], [totals]) for metric in SERVICE.metrics]
        models = [(one, counters.model_totals(slot)) for slot, one in enumerate(counters.slots) if one is not None]
        for metrics in zip(*(one.metrics for one, _ in models), strict=True):
            shown.append(_counted(metrics, [totals for _, totals in models]))
        if counters.shadow is not None:
            totals = counters.shadow_totals()
            shown += [_counted([metric], [totals]) for metric in counters.shadow.metrics]
        return generate_latest(_Collected([*shown, *[metric(snapshot) for metric in self._metrics]]))

    def _add_gauge(
        self, name: str, text: str, labels: Sequence[Labels], values: Callable[[Snapshot], Sequence[float]]
    ) -> None:
        """Add a gauge with a series for each of `labels`, which all have the same keys."""

        def metric(shown: Snapshot) -> Metric:
            family = GaugeMetricFamily(name, text, labels=list(labels[0]))
            for one, value in zip(labels, values(shown), strict=True):
                family.add_metric(list(one.values()), value)
            return family

        self._metrics.append(metric)

    def _add_reference(self, profile: Profile, digest: Labels) -> None:
        """What the rules of live drift compare the counted bins with."""
        features = [{**digest, "feature": one.name} for one in profile.features]
        bins = [{**digest, "feature": one.name, "bin": label} for one in profile.features for label in one.bin_names]
        shares = np.concatenate([smoothed_shares(one.counts) for one in profile.features]).tolist()
        rows = [float(one.n) for one in profile.features]
        expected = "Smoothed share of the reference rows in each bin."
        self._add_gauge("lockgate_feature_bin_expected_share", expected, bins, lambda _: shares)
        reference = "Rows that the profile was made from."
        self._add_gauge("lockgate_feature_reference_rows", reference, features, lambda _: rows)
        settings = {name: float(getattr(profile.rule, name)) for name in profile.rule.__struct_fields__}
        names, values = [{**digest, "setting": name} for name in settings], list(settings.values())
        setting = "The drift settings that the bundle was trained with."
        self._add_gauge("lockgate_drift_setting", setting, names, lambda _: values)
        chance = "The PSI that unchanged rows reach by chance, times n*m/(n+m)."
        self._add_gauge("lockgate_feature_psi_chance", chance, features, lambda shown: shown.chance)

    def _add_nightly(self, profile: Profile) -> None:
        """What the last nightly drift run found, and when it was."""

        def values(gauge: NightlyGauge) -> Callable[[Snapshot], Sequence[float]]:
            return lambda shown: gauge.values(shown.nightly.result)

        for gauge in nightly_gauges(profile):
            self._add_gauge(gauge.name, gauge.help, gauge.labels, values(gauge))
        time = "When that run was."
        self._add_gauge("lockgate_nightly_drift_timestamp_seconds", time, [{}], lambda shown: [shown.nightly.time])
        matches = "Whether that run was about the model served here."
        self._add_gauge(
            "lockgate_nightly_drift_matches_model", matches, [{}], lambda shown: [shown.nightly.matches_model]
        )
        up = "Whether the drift source could be read the last time."
        self._add_gauge("lockgate_drift_source_up", up, [{}], lambda shown: [shown.nightly.up])


class _Collected(Collector):
    """Metrics that are there already, for the client to write down."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        return iter(self._metrics)


def _counted(metrics: Sequence[CountedMetric], totals: Sequence[NDArray[np.float64]]) -> Metric:
    """The metrics of one name, of which each bundle has one, with their numbers."""
    first = metrics[0]
    names = list(first.labels[0]) if first.labels else []
    if first.kind == "histogram":
        histogram = HistogramMetricFamily(first.name, first.help, labels=names)
        bounds = [*map(floatToGoString, first.bounds), "+Inf"]
        for metric, cells in zip(metrics, totals, strict=True):
            for labels, numbers in zip(metric.labels, cells[metric.cells].reshape(-1, metric.width), strict=True):
                buckets = zip(bounds, np.cumsum(numbers[:-1]).tolist(), strict=True)
                histogram.add_metric(list(labels.values()), list(buckets), float(numbers[-1]))
        return histogram
    family = (CounterMetricFamily if first.kind == "counter" else GaugeMetricFamily)(
        first.name, first.help, labels=names
    )
    for metric, cells in zip(metrics, totals, strict=True):
        values = cells[metric.cells].reshape(-1, metric.width).sum(axis=1).tolist()
        for labels, value in zip(metric.labels, values, strict=True):
            family.add_metric(list(labels.values()), value)
    return family
