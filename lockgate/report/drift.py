"""`drift.json` as the report shows it: the features that moved most first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lockgate.documents.text import NO_NAME, REASON_LIMIT, clean_reason, clean_text, fraction, records, whole, within
from lockgate.report.drift_outcomes import Label, Performance, read_label, read_performance

# The scale of credit scoring, where drift.json does not say what was configured.
_USUAL_WARN, _USUAL_ALERT = 0.10, 0.25
# PSI has no upper bound, but shares smoothed by half a row keep it far below this.
_MOST_PSI = 1000.0
MOVED = ("alert", "warn")


@dataclass(frozen=True)
class Bin:
    """One bin with its share of the reference and of the current rows, 0 to 1."""

    label: str
    expected: float
    actual: float


@dataclass(frozen=True)
class Feature:
    """One feature, or the model's score."""

    name: str
    kind: str
    psi: float | None
    threshold: float | None
    p_value: float | None
    status: str
    reason: str
    missing_reference: float | None
    missing_current: float | None
    unseen_share: float | None
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class Drift:
    """The batch's drift; `features` by PSI, largest first. `warn` and `alert` grade how bad a PSI is.

    `estimated` is the model's quality as its scores let expect it, `actual` as known labels show it.
    """

    status: str
    note: str
    n_reference: int | None
    n_current: int | None
    features: tuple[Feature, ...]
    warn: float
    alert: float
    label: Label | None
    estimated: Performance | None
    actual: Performance | None

    @property
    def moved(self) -> tuple[Feature, ...]:
        """The features that warn or alert."""
        return tuple(feature for feature in self.features if feature.status in MOVED)


def read_drift(drift: Mapping[str, Any] | None) -> Drift | None:
    """The parsed `drift.json`; None where there is none."""
    if drift is None:
        return None
    features = sorted((_feature(item) for item in records(drift.get("features"))), key=_rank)
    warn, alert = (within(drift.get(key), 0.0, _MOST_PSI) for key in ("warn", "alert"))
    return Drift(
        status=clean_text(drift.get("status"), 24) or "unknown",
        note=clean_text(drift.get("note") or drift.get("reason"), REASON_LIMIT),
        n_reference=whole(drift.get("n_reference")),
        n_current=whole(drift.get("n_current")),
        features=tuple(features),
        warn=_USUAL_WARN if warn is None else warn,
        alert=_USUAL_ALERT if alert is None else alert,
        label=read_label(drift.get("label")),
        estimated=read_performance(drift.get("estimated")),
        actual=read_performance(drift.get("actual")),
    )


def _rank(feature: Feature) -> tuple[bool, float, str]:
    return feature.psi is None, -(feature.psi or 0.0), feature.name


def _feature(item: Mapping[str, Any]) -> Feature:
    return Feature(
        name=clean_text(item.get("name")) or NO_NAME,
        kind=clean_text(item.get("kind"), 20),
        psi=within(item.get("psi"), 0.0, _MOST_PSI),
        threshold=within(item.get("threshold"), 0.0, _MOST_PSI),
        p_value=fraction(item.get("p_value")),
        status=clean_text(item.get("status"), 24) or "unknown",
        reason=clean_reason(item.get("reason"), REASON_LIMIT),
        missing_reference=fraction(item.get("missing_reference")),
        missing_current=fraction(item.get("missing_current")),
        unseen_share=fraction(item.get("unseen_share")),
        bins=tuple(_bins(item.get("bins"))),
    )


def _bins(value: object) -> list[Bin]:
    bins = []
    for item in records(value):
        expected, actual = fraction(item.get("expected")), fraction(item.get("actual"))
        if expected is not None and actual is not None:
            bins.append(Bin(clean_text(item.get("label"), 40) or NO_NAME, expected, actual))
    return bins
