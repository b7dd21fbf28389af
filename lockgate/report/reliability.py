"""How far the verdict can be relied on: error rates, reuse of the test set, slices, the champion."""

from __future__ import annotations

from dataclasses import dataclass

from lockgate.config.metric_names import metric_title
from lockgate.documents.gate_check import EXPECTED_FEATURE
from lockgate.documents.gate_json import ErrorRates, GateResult, Reuse, SliceRow
from lockgate.documents.text import REASON_LIMIT, clean_text


@dataclass(frozen=True)
class SliceMetric:
    """A metric on a slice with its interval."""

    label: str
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ShownSlice:
    """A slice with its metrics, or a note why there are none."""

    name: str
    n: int
    positives: int
    metrics: tuple[SliceMetric, ...]
    note: str


@dataclass(frozen=True)
class Reliability:
    """Everything above; empty where there is no gate.json.

    weight: the column by which rows count, empty where all count equally. expected: the features that the policy expects to
    be strong, each with the ROC-AUC that it has alone.
    """

    operating: tuple[ErrorRates, ...] = ()
    reuse: Reuse | None = None
    slices: tuple[ShownSlice, ...] = ()
    worst: ShownSlice | None = None
    slice_confidence: float | None = None
    first_model: bool = False
    weight: str = ""
    expected: tuple[tuple[str, float | None], ...] = ()

    @property
    def slice_metrics(self) -> tuple[str, ...]:
        """The labels of all metrics that a slice has."""
        return tuple(dict.fromkeys(found.label for row in self.slices for found in row.metrics))


def show_reliability(gate: GateResult | None) -> Reliability:
    """What gate.json says about its own reliability."""
    if gate is None:
        return Reliability()
    rows = tuple(map(_shown, gate.slices.rows)) if gate.slices else ()
    worst = clean_text(gate.slices.worst) if gate.slices else ""
    return Reliability(
        operating=gate.operating,
        reuse=gate.test_set,
        slices=rows,
        worst=next((row for row in rows if worst and row.name == worst and row.metrics), None),
        slice_confidence=gate.slices.confidence_each if gate.slices else None,
        first_model=gate.first_model,
        weight=clean_text(gate.weight),
        expected=tuple(
            (clean_text(check.slice), check.value) for check in gate.checks if check.name == EXPECTED_FEATURE
        ),
    )


def _shown(row: SliceRow) -> ShownSlice:
    metrics = tuple(
        SliceMetric(metric_title(clean_text(name)), found.value, found.low, found.high)
        for name, found in row.metrics.items()
    )
    return ShownSlice(clean_text(row.slice), row.n, row.positives, metrics, clean_text(row.note, REASON_LIMIT))
