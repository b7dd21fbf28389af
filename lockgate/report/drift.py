"""`drift.json` as the report shows it: the features that moved most first, and every text from the data made harmless."""

from __future__ import annotations

from typing import TypeVar

from msgspec.structs import replace

from lockgate.documents.drift_json import (
    DRIFT_STATUSES,
    ActualPerformance,
    DriftResult,
    EstimatedPerformance,
    FeatureDrift,
    LabelDrift,
    MetricInterval,
)
from lockgate.documents.text import NO_NAME, REASON_LIMIT, clean_reason, clean_text

BIN_LIMIT = 40  # characters of a bin's name
MAX_TABLE_ROWS = 30

Performance = TypeVar("Performance", EstimatedPerformance, ActualPerformance)


def shown_drift(result: DriftResult) -> DriftResult:
    """The same result, with the features by PSI, largest first; a performance without any metric is left out."""
    return replace(
        result,
        note=clean_text(result.note, REASON_LIMIT) or None,
        label=None if result.label is None else _shown_label(result.label),
        estimated=_shown_performance(result.estimated),
        actual=_shown_performance(result.actual),
        features=tuple(sorted(map(_shown_feature, result.features), key=lambda one: (-one.psi, one.name))),
    )


def _shown_feature(feature: FeatureDrift) -> FeatureDrift:
    return replace(
        feature,
        name=clean_text(feature.name) or NO_NAME,
        reason=clean_reason(feature.reason, REASON_LIMIT),
        bins=tuple(replace(one, label=clean_text(one.label, BIN_LIMIT) or NO_NAME) for one in feature.bins),
    )


def _shown_label(label: LabelDrift) -> LabelDrift:
    return replace(label, name=clean_text(label.name) or NO_NAME, reason=clean_text(label.reason, REASON_LIMIT))


def _shown_performance(performance: Performance | None) -> Performance | None:
    if performance is None or (performance.roc_auc.value is None and performance.brier.value is None):
        return None
    return performance


def drift_table(result: DriftResult) -> list[str]:
    """The features as a table for a terminal, worst first."""
    rows = sorted(result.features, key=lambda row: (-DRIFT_STATUSES.index(row.status), -row.psi))[:MAX_TABLE_ROWS]
    width = max((len(row.name) for row in rows), default=0)
    lines = [f"drift: {result.status}  ({result.n_current:,} current rows, {result.n_reference:,} reference rows)"]
    lines += [f"  {row.name:<{width}}  PSI {row.psi:>7.4f}  {row.status:<17} {row.reason}" for row in rows]
    if result.label:
        lines.append(f"label {result.label.name}: {result.label.status}, {result.label.reason}")
    lines += [
        f"{title}: ROC-AUC {_interval(found.roc_auc)}, Brier {_interval(found.brier)}"
        for title, found in (
            ("estimated without labels", result.estimated),
            ("measured where labels are known", result.actual),
        )
        if found
    ]
    if result.note:
        lines.append(result.note)
    return lines


def _interval(found: MetricInterval) -> str:
    if found.value is None:
        return "not defined"
    return f"{found.value:.4f} [{found.low:.4f}, {found.high:.4f}]"
