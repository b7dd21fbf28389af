"""The numbers and names of a Mermaid chart, in the little syntax that cannot be broken by a name."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from lockgate.documents.drift_json import DriftResult, FeatureDrift
from lockgate.documents.text import cut_middle

_MAX_BARS = 12
_LABEL_LIMIT = 22
_ROOM_ABOVE = 1.1


@dataclass(frozen=True)
class BarChart:
    """Values as Mermaid reads them; `labels` differ, and hold letters, digits, spaces and `_-.…` only.

    The value is in the label because Mermaid's own data labels lie over the names of short bars.
    """

    labels: tuple[str, ...]
    values: tuple[str, ...]
    warn: str
    alert: str
    top: str
    height: int


def psi_chart(drift: DriftResult) -> BarChart | None:
    """The PSIs of the first features; None where nothing was measured."""
    measured = drift.features[:_MAX_BARS]
    if not measured:
        return None
    highest = max(drift.alert, *(feature.psi for feature in measured)) * _ROOM_ABOVE
    return BarChart(
        labels=_distinct([f"{_label(feature)} {feature.psi:.3f}" for feature in measured]),
        values=tuple(_plain(feature.psi) for feature in measured),
        warn=_plain(drift.warn),
        alert=_plain(drift.alert),
        top=_plain(highest),
        height=120 + 32 * len(measured),
    )


def _label(feature: FeatureDrift) -> str:
    kept = [c if unicodedata.category(c)[0] in "LN" or c in " _-." else " " for c in feature.name]
    return cut_middle(" ".join("".join(kept).split()), _LABEL_LIMIT) or "unnamed"


def _distinct(labels: Sequence[str]) -> tuple[str, ...]:
    """Mermaid draws bars of one label over each other: later ones get a number."""
    distinct: dict[str, None] = {}
    for label in labels:
        candidate, suffix = label, 2
        while candidate in distinct:
            candidate, suffix = f"{label} {suffix}", suffix + 1
        distinct[candidate] = None
    return tuple(distinct)


def _plain(value: float) -> str:
    """Without an exponent, which Mermaid's grammar does not read."""
    return f"{min(max(value, 0.0), 1e6):.4f}"
