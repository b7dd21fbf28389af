"""`metrics.json`: a flat object of metric to number, as `dvc metrics` reads it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from lockgate.documents.document import read_value, value_to_bytes

MetricKey = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,39}$")]
Metrics = Annotated[Mapping[MetricKey, int | float | None], Meta(max_length=100)]


def read_metrics(content: bytes, where: str | Path) -> Metrics:
    """The metrics by name; None where one is not defined. Raises InputError where `content` is something else."""
    metrics: Metrics = read_value(content, Metrics, where, "run `lockgate evaluate` again")
    return metrics


def metrics_to_bytes(metrics: Mapping[str, float]) -> bytes:
    """The file; raises ValueError on NaN and infinity."""
    return value_to_bytes(dict(metrics), Metrics)
