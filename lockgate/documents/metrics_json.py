"""`metrics.json`: a flat object of metric to number, as `dvc metrics` reads it, with the number of its form among them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from lockgate.config.errors import InputError
from lockgate.documents.document import read_value, value_to_bytes

SCHEMA = 1
HOW_TO_FIX = "run `lockgate evaluate` again"

MetricKey = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,39}$")]
Metrics = Annotated[Mapping[MetricKey, int | float | None], Meta(max_length=100)]


def read_metrics(content: bytes, where: str | Path) -> Metrics:
    """The metrics by name; None where one is not defined.

    Raises InputError where `content` is something else, or of another form than this kit's.
    """
    found: Metrics = read_value(content, Metrics, where, HOW_TO_FIX)
    metrics = dict(found)
    number = metrics.pop("schema", None)
    if number != SCHEMA:
        raise InputError(f"{where} has `schema` {number}, and this version of Lockgate reads {SCHEMA}; {HOW_TO_FIX}")
    return metrics


def metrics_to_bytes(metrics: Mapping[str, float]) -> bytes:
    """The file; raises ValueError on NaN and infinity."""
    return value_to_bytes({"schema": SCHEMA, **metrics}, Metrics)
