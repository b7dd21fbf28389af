"""What the service's processes take: Prometheus's usual process_* metrics, each with the label `worker`.

By worker, since the processor time of a sum would fall with every worker that is replaced, and its memory would count what the
workers share once for each.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector

from lockgate.service.metrics.prometheus_text import Format, Section

SUPERVISOR = "supervisor"


class ProcessText:
    """Reads /proc at each scrape, which takes some hundredths of a millisecond a process."""

    def __init__(self) -> None:
        self._collectors: dict[int, ProcessCollector] = {}
        self._workers: list[str] | None = None  # those of the section
        self._section = Section([])

    def text(self, written: Format, processes: Sequence[int]) -> str:
        """The metrics of the processes with these ids, the supervisor's last; one that there is not, or no longer, has none."""
        names = [*map(str, range(len(processes) - 1)), SUPERVISOR]
        self._collectors = {one: self._collectors.get(one) or _collector(one) for one in processes if one}
        read = {name: list(self._collectors[one].collect()) for name, one in zip(names, processes, strict=True) if one}
        # There is nothing, or not all, where there is no /proc, and where the process ends meanwhile.
        found = {name: metrics for name, metrics in read.items() if len(metrics) == 6}
        if self._workers != list(found):
            self._section = Section([_of_all(found, place) for place in range(len(next(iter(found.values()), [])))])
            self._workers = list(found)
        numbers = [[metric.samples[0].value for metric in metrics] for metrics in found.values()]
        return self._section.text(written, np.array(numbers, dtype=np.float64).T.ravel())


def _collector(process: int) -> ProcessCollector:
    return ProcessCollector(pid=lambda: process, registry=None)


def _of_all(found: dict[str, list[Metric]], place: int) -> Metric:
    """The metric at `place` with a series for each worker."""
    one = next(iter(found.values()))[place]
    family = (CounterMetricFamily if one.type == "counter" else GaugeMetricFamily)(
        one.name, one.documentation, labels=["worker"]
    )
    for worker, metrics in found.items():
        family.add_metric([worker], metrics[place].samples[0].value)
    return family
