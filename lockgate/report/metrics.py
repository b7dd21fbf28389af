"""Metrics on the test data, from `metrics.json` and from what the gate measured itself."""

from __future__ import annotations

from dataclasses import dataclass
from math import isclose

from lockgate.config.metric_names import METRICS, metric_title
from lockgate.documents.metrics_json import Metrics
from lockgate.documents.text import NO_NAME, clean_text, number
from lockgate.report.verdict import ShownCheck, ShownVerdict

_NOT_METRICS = ("n", "positives")
_MAX_ROWS = 60


@dataclass(frozen=True)
class ShownMetric:
    """A metric on the test data, with its interval where the gate computed one."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None


def show_metrics(metrics: Metrics | None, verdict: ShownVerdict) -> tuple[ShownMetric, ...]:
    """Well-known metrics first, then others by name.

    What the gate measured itself is shown as the gate has it. Where `metrics.json` is missing, or of another run, that is all.
    """
    gated = _gated(verdict)
    if metrics is None or disagreeing(metrics, verdict):
        return tuple(ShownMetric(label, check.value, check.low, check.high) for label, check in gated.items())
    others = sorted(name for name in metrics if name not in METRICS and name not in _NOT_METRICS)
    rows = []
    for name in [*(name for name in METRICS if name in metrics), *others][:_MAX_ROWS]:
        label, check = metric_label(name), gated.get(metric_label(name))
        rows.append(
            ShownMetric(label, check.value, check.low, check.high)
            if check is not None and check.value is not None
            else ShownMetric(label, number(metrics[name]))
        )
    return tuple(rows)


def disagreeing(metrics: Metrics | None, verdict: ShownVerdict) -> tuple[str, ...]:
    """What `metrics.json` has other values of than the gate: it is from another run, and nothing of it is shown."""
    labelled = {metric_title(name): number(value) for name, value in (metrics or {}).items()}
    pairs: list[tuple[str, float | None, float | None]]
    pairs = [(check.metric, check.value, labelled.get(label)) for label, check in _gated(verdict).items()]
    counts = {"rows": (verdict.n, "n"), "positives": (verdict.positives, "positives")}
    pairs += [(words, count, number((metrics or {}).get(name))) for words, (count, name) in counts.items()]
    return tuple(
        what for what, value, stated in pairs if value is not None and stated is not None and not _agree(value, stated)
    )


def metric_label(name: str) -> str:
    """A metric's title as text that can be shown."""
    return clean_text(metric_title(name)) or NO_NAME


def _gated(verdict: ShownVerdict) -> dict[str, ShownCheck]:
    return {check.metric: check for check in verdict.checks if check.kind in {"floor", "ceiling"} and not check.slice}


def _agree(first: float, second: float) -> bool:
    """Whether two values read the same at the four decimals that a report shows."""
    return isclose(first, second, rel_tol=0, abs_tol=5e-5)
