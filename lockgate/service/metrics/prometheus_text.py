"""Prometheus's text format 0.0.4 and OpenMetrics 1.0: lines that prometheus_client writes once, and numbers put into them.

The client keeps each number in an object with a lock, shares none between processes without files, and writes a page anew for
each scrape, which takes six milliseconds of the event loop for a thousand series; this takes a third of one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray
from prometheus_client import exposition
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from lockgate.service.metrics.layouts import CountedMetric, Labels, Layout

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Format:
    """A format of /metrics: its content type, how prometheus_client writes it, and its last line."""

    content_type: str
    generate: Callable[[Collector], bytes]
    end: str = ""


TEXT = Format(exposition.CONTENT_TYPE_PLAIN_0_0_4, exposition.generate_latest)
OPENMETRICS = Format(openmetrics.CONTENT_TYPE_LATEST, openmetrics.generate_latest, "# EOF\n")
FORMATS = (TEXT, OPENMETRICS)


@dataclass(frozen=True)
class MetricLines:
    """A metric as it is written: HELP and TYPE, and for each number the line up to it; every line begins with a line end."""

    head: str
    starts: Sequence[str]


class Section:
    """Metrics whose lines are the same at each scrape; `numbers` are those that they were made with, in the order of the lines."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self.numbers = np.array([sample.value for metric in metrics for sample in metric.samples], dtype=np.float64)
        self._lines = {one: [_lines(metric, one) for metric in metrics] for one in FORMATS}

    def text(self, written: Format, numbers: Numbers) -> str:
        """The section with these numbers."""
        return self.text_of_several(written, [(self, numbers)])

    @staticmethod
    def text_of_several(written: Format, sections: Sequence[tuple[Section, Numbers]]) -> str:
        """Sections of the same metrics with their numbers: the series of a metric have to stand together."""
        pieces: list[str] = []
        texts = [iter(_texts(numbers)) for _, numbers in sections]
        for metrics in zip(*(one._lines[written] for one, _ in sections), strict=True):
            pieces.append(metrics[0].head)
            for lines, its in zip(metrics, texts, strict=True):
                pieces += chain.from_iterable(zip(lines.starts, islice(its, len(lines.starts)), strict=True))
        return "".join(pieces)


def page(written: Format, sections: Sequence[str]) -> bytes:
    """The text of sections as a whole."""
    return f"{''.join(sections)[1:]}\n{written.end}".encode()


def _lines(metric: Metric, written: Format) -> MetricLines:
    """What prometheus_client writes of a metric whose samples have neither timestamps nor exemplars."""
    text = written.generate(_OneMetric(metric)).decode().removesuffix(written.end).rstrip("\n")
    lines = [f"\n{line}" for line in text.split("\n")]
    starts = [f"{line.rpartition(' ')[0]} " for line in lines if not line.startswith("\n#")]
    return MetricLines("".join(line for line in lines if line.startswith("\n#")), starts)


class _OneMetric(Collector):
    """A metric for the client to write down."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        yield self._metric


def _texts(numbers: Numbers) -> list[str]:
    """Each number as Python writes it, which both formats read: prometheus_client takes ten times as long for Go's exponents."""
    texts = list(map(repr, numbers.tolist()))
    not_finite = np.flatnonzero(~np.isfinite(numbers))
    for place, text in zip(not_finite.tolist(), map(floatToGoString, numbers[not_finite].tolist()), strict=True):
        texts[place] = text
    return texts


def gauge(name: str, text: str, labels: Sequence[Labels], values: Sequence[float]) -> Metric:
    """A gauge with a series for each of `labels`, which all have the same keys."""
    family = GaugeMetricFamily(name, text, labels=list(labels[0]))
    for one, value in zip(labels, values, strict=True):
        family.add_metric(list(one.values()), value)
    return family


def counted_section(layout: Layout) -> Section:
    """The metrics of a layout; `counted_numbers` are its numbers."""
    return Section([_counted(metric) for metric in layout.metrics])


def counted_numbers(layout: Layout, totals: Numbers) -> Numbers:
    """The number of each line of a layout's metrics, from its cells: a histogram's buckets add up, and its count is the last."""
    found = []
    for metric in layout.metrics:
        cells = totals[metric.cells].reshape(-1, metric.width)
        if metric.kind == "histogram":
            buckets = cells[:, :-1].cumsum(axis=1)
            found.append(np.hstack((buckets, buckets[:, -1:], cells[:, -1:])).ravel())
        else:
            found.append(cells.sum(axis=1))
    return np.concatenate(found)


def _counted(metric: CountedMetric) -> Metric:
    """A metric with the lines of its series, all of which are 0."""
    names = list(metric.labels[0]) if metric.labels else []
    if metric.kind == "histogram":
        histogram = HistogramMetricFamily(metric.name, metric.help, labels=names)
        buckets = [(bound, 0) for bound in map(floatToGoString, (*metric.bounds, np.inf))]
        for labels in metric.labels:
            histogram.add_metric(list(labels.values()), buckets, 0)
        return histogram
    family = (CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily)(
        metric.name, metric.help, labels=names
    )
    for labels in metric.labels:
        family.add_metric(list(labels.values()), 0)
    return family
