"""What `drift.json` says of outcomes as the report shows it: the label's rate, and the model's quality today."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lockgate.documents.text import NO_NAME, REASON_LIMIT, clean_text, fraction, whole


@dataclass(frozen=True)
class Label:
    """The label's drift, in a status and in words."""

    name: str
    status: str
    reason: str


@dataclass(frozen=True)
class Measure:
    """A metric with its interval, both 0 to 1; None for what was not measured."""

    label: str
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Performance:
    """The metrics of `n` rows, estimated from scores or measured with labels; `few` where a class has hardly any row."""

    n: int | None
    measures: tuple[Measure, ...]
    assumes: str
    few: bool


def read_label(value: object) -> Label | None:
    """The parsed `label` of `drift.json`; None where no labels are known."""
    if not isinstance(value, Mapping):
        return None
    status = clean_text(value.get("status"), 24) or "unknown"
    return Label(clean_text(value.get("name")) or NO_NAME, status, clean_text(value.get("reason"), REASON_LIMIT))


def read_performance(value: object) -> Performance | None:
    """The parsed `estimated` or `actual` of `drift.json`; None where it holds no metric."""
    if not isinstance(value, Mapping):
        return None
    titles = (("roc_auc", "ROC-AUC"), ("brier", "Brier score"))
    found = (_measure(title, value.get(name)) for name, title in titles)
    measures = tuple(one for one in found if one is not None)
    if not measures:
        return None
    assumes = clean_text(value.get("assumes"), REASON_LIMIT)
    return Performance(whole(value.get("n")), measures, assumes, value.get("status") == "small-class")


def _measure(title: str, item: Any) -> Measure | None:
    value = fraction(item.get("value")) if isinstance(item, Mapping) else None
    if value is None:
        return None
    return Measure(title, value, fraction(item.get("low")), fraction(item.get("high")))
