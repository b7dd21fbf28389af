"""Metrics on the test data, from `metrics.json` and from what the gate measured itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isclose
from typing import Any

from lockgate.config.metric_names import METRICS, metric_title
from lockgate.documents.gate_json import Verdict
from lockgate.documents.text import NO_NAME, clean_text, number

_NOT_METRICS = ("n", "positives", "schema")
_MOST_ROWS = 60


@dataclass(frozen=True)
class Metric:
    """A metric on the test data, with its interval where the gate computed one."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None


def read_metrics(metrics: Mapping[str, Any] | None, verdict: Verdict) -> tuple[Metric, ...]:
    """Well-known metrics first, then others by name; without `metrics.json`, what the gate's own checks measured."""
    gated = {check.metric: check for check in verdict.checks if check.kind in {"floor", "ceiling"} and not check.slice}
    if metrics is None:
        return tuple(Metric(label, check.value, check.low, check.high) for label, check in gated.items())
    others = sorted(str(key) for key in metrics if key not in METRICS and key not in _NOT_METRICS)
    rows = []
    for key in [*(key for key in METRICS if key in metrics), *others][:_MOST_ROWS]:
        label = clean_text(metric_title(key)) or NO_NAME
        check, value = gated.get(label), number(metrics[key])
        if isinstance(metrics[key], int | float):
            # An interval around another value than this one would be another run's.
            same = check is not None and check.value is not None and value is not None and _agree(check.value, value)
            rows.append(Metric(label, value, check.low, check.high) if check and same else Metric(label, value))
    return tuple(rows)


def disagreeing(metrics: Mapping[str, Any] | None, verdict: Verdict) -> tuple[str, ...]:
    """The metrics whose value in the gate is not that in `metrics.json`: one of the two is from another run."""
    labelled = {metric_title(str(key)): number(value) for key, value in (metrics or {}).items()}
    pairs = [(check, labelled.get(check.metric)) for check in verdict.checks if check.kind in {"floor", "ceiling"}]
    return tuple(
        check.metric
        for check, value in pairs
        if not check.slice and check.value is not None and value is not None and not _agree(check.value, value)
    )


def _agree(first: float, second: float) -> bool:
    """Whether two values read the same at the four decimals that a report shows."""
    return isclose(first, second, rel_tol=0, abs_tol=5e-5)
