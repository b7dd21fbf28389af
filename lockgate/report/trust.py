"""How far the verdict can be trusted, as the report states it: error rates, wear of the test set, slices, champion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lockgate.config.metric_names import metric_title
from lockgate.documents.text import REASON_LIMIT, clean_text, fraction, number, records, whole


@dataclass(frozen=True)
class Operating:
    """Chances, 0 to 1, that the rule blocks a good model and passes one `worse_by` worse, on test sets like this."""

    rule: str
    metric: str
    blocks_good: float | None
    passes_worse: float | None
    worse_by: float | None
    score_correlation: float | None


@dataclass(frozen=True)
class Wear:
    """How many different models the test set has judged, and for how many it is good; None: not known."""

    models: int | None
    supported: int | None
    tolerance: float | None
    worn: bool


@dataclass(frozen=True)
class Measured:
    """A metric on a slice with its interval."""

    label: str
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class SliceRow:
    """A slice with its metrics, or a note why there are none."""

    name: str
    n: int | None
    positives: int | None
    metrics: tuple[Measured, ...]
    note: str


@dataclass(frozen=True)
class Trust:
    """Everything above; empty where gate.json does not have it."""

    operating: tuple[Operating, ...]
    wear: Wear | None
    slices: tuple[SliceRow, ...]
    slice_metrics: tuple[str, ...]
    worst: SliceRow | None
    slice_confidence: float | None
    first_model: bool
    champion: str


def read_trust(gate: Mapping[str, Any] | None) -> Trust:
    """What a parsed `gate.json` says about its own reliability. Never raises on its content."""
    gate = gate or {}
    slices = _mapping(gate.get("slices"))
    rows = tuple(_slice(item) for item in records(slices.get("rows")))
    worst = clean_text(slices.get("worst"))
    return Trust(
        operating=tuple(_operating(item) for item in records(gate.get("operating"))),
        wear=_wear(gate.get("test_set")),
        slices=rows,
        slice_metrics=tuple(dict.fromkeys(found.label for row in rows for found in row.metrics)),
        worst=next((row for row in rows if worst and row.name == worst and row.metrics), None),
        slice_confidence=fraction(slices.get("confidence_each")),
        first_model=gate.get("first_model") is True,
        champion=clean_text(gate.get("champion"), 80),
    )


def _operating(item: Mapping[str, Any]) -> Operating:
    correlation = number(item.get("score_correlation"))
    return Operating(
        rule=clean_text(item.get("rule"), 20),
        metric=metric_title(clean_text(item.get("metric"))),
        blocks_good=fraction(item.get("blocks_good")),
        passes_worse=fraction(item.get("passes_worse")),
        worse_by=number(item.get("worse_by")),
        score_correlation=correlation,
    )


def _wear(value: object) -> Wear | None:
    if not isinstance(value, Mapping):
        return None
    return Wear(
        models=whole(value.get("models")),
        supported=whole(value.get("supported")),
        tolerance=number(value.get("tolerance")),
        worn=value.get("worn") is not False,
    )


def _slice(item: Mapping[str, Any]) -> SliceRow:
    found = _mapping(item.get("metrics"))
    return SliceRow(
        name=clean_text(item.get("slice")),
        n=whole(item.get("n")),
        positives=whole(item.get("positives")),
        metrics=tuple(_measured(clean_text(name), value) for name, value in found.items()),
        note=clean_text(item.get("note"), REASON_LIMIT),
    )


def _measured(name: str, value: object) -> Measured:
    record = _mapping(value)
    return Measured(metric_title(name), *(number(record.get(key)) for key in ("value", "low", "high")))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
