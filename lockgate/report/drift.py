"""`drift.json` as the report shows it: what changes the score most first, and every text from the data made harmless."""

from __future__ import annotations

from msgspec.structs import replace

from lockgate.config.metric_names import metric_title
from lockgate.documents.drift_json import (
    DriftResult,
    EstimatedPerformance,
    FeatureDrift,
    FeatureEffect,
    LabelDrift,
    MetricDrift,
    MetricInterval,
    ModelDrift,
    PerformanceDrift,
    SegmentDrift,
)
from lockgate.documents.text import NO_NAME, REASON_LIMIT, clean_reason, clean_text

BIN_LIMIT = 40  # characters of a bin's name
MAX_TABLE_ROWS = 30


def shown_drift(result: DriftResult) -> DriftResult:
    """The same result, with the features by what their moves do; an estimate without any metric is left out."""
    return replace(
        result,
        note=clean_text(result.note, REASON_LIMIT) or None,
        label=None if result.label is None else _shown_label(result.label),
        estimated=_shown_estimate(result.estimated),
        performance=None if result.performance is None else _shown_performance(result.performance),
        segments=tuple(map(_shown_segment, result.segments)),
        model_drift=None if result.model_drift is None else _shown_model(result.model_drift),
        features=tuple(map(_shown_feature, result.by_effect)),
    )


def _shown_feature(feature: FeatureDrift) -> FeatureDrift:
    return replace(
        feature,
        name=clean_text(feature.name) or NO_NAME,
        reason=clean_reason(feature.reason, REASON_LIMIT),
        bins=tuple(replace(one, label=clean_text(one.label, BIN_LIMIT) or NO_NAME) for one in feature.bins),
    )


def _shown_segment(segment: SegmentDrift) -> SegmentDrift:
    names = {key: clean_text(getattr(segment, key)) or NO_NAME for key in ("column", "value", "feature")}
    return replace(segment, reason=clean_reason(segment.reason, REASON_LIMIT), **names)


def _shown_label(label: LabelDrift) -> LabelDrift:
    return replace(label, name=clean_text(label.name) or NO_NAME, reason=clean_text(label.reason, REASON_LIMIT))


def _shown_estimate(estimated: EstimatedPerformance | None) -> EstimatedPerformance | None:
    if estimated is None or (estimated.roc_auc.value is None and estimated.brier.value is None):
        return None
    return replace(estimated, reason=clean_reason(estimated.reason, REASON_LIMIT))


def _shown_performance(performance: PerformanceDrift) -> PerformanceDrift:
    return replace(
        performance,
        reason=clean_reason(performance.reason, REASON_LIMIT),
        metrics=tuple(replace(one, reason=clean_reason(one.reason, REASON_LIMIT)) for one in performance.metrics),
    )


def _shown_model(found: ModelDrift) -> ModelDrift:
    return replace(
        found,
        reason=clean_reason(found.reason, REASON_LIMIT),
        features=tuple(clean_text(name) or NO_NAME for name in found.features),
        unseen=clean_text(found.unseen, REASON_LIMIT),
    )


def drift_table(result: DriftResult) -> list[str]:
    """The result for a terminal: performance, model, where something moved, features by what they do, label, estimate."""
    rows = result.by_effect[:MAX_TABLE_ROWS]
    width = max((len(row.name) for row in rows), default=0)
    lines = [f"drift: {result.status}  ({result.n_current:,} current rows, {result.n_reference:,} reference rows)"]
    if result.performance:
        lines.append(f"performance: {result.performance.status}, {result.performance.reason}")
        lines += [_metric_line(one) for one in result.performance.metrics]
    lines += [f"decisions of {one.month}: {one.status}, {one.reason}" for one in result.vintages]
    if result.selection:
        lines.append(result.selection)
    if result.model_drift:
        lines.append(f"model: {result.model_drift.status}, {result.model_drift.reason}")
    lines += [f"segment: {status}, {reason}" for status, reason in result.where[:MAX_TABLE_ROWS]]
    for row in rows:
        does = f"; {effect_words(row.effect)}" if row.moved and row.effect else ""
        lines.append(f"  {row.name:<{width}}  PSI {row.psi:>7.4f}  {row.status:<17} {row.reason}{does}")
    if result.label:
        lines.append(f"label {result.label.name}: {result.label.status}, {result.label.reason}")
    if result.estimated:
        lines.append(_estimate_line(result.estimated))
    if result.note:
        lines.append(result.note)
    return lines


def effect_words(effect: FeatureEffect | None) -> str:
    """What a move does, all else going along; empty where it is not known."""
    if effect is None:
        return ""
    if effect.is_nil:
        return "does nothing: mean score and decisions change by no more than chance"
    words = f"mean score {effect.score:+.3f}"
    if effect.favourable is not None and effect.events is not None:
        words += f", favourable decisions {100 * effect.favourable:+.1f} points"
        words += f", events expected among them {100 * effect.events:+.2f} points"
    return words


def _metric_line(found: MetricDrift) -> str:
    value = _interval(MetricInterval(found.value, found.low, found.high))
    before = "" if found.reference is None else f", {found.reference:.4f} before"
    asked = "" if found.threshold is None else f", threshold {found.threshold:g}"
    return f"  {metric_title(found.metric)} {value}{before}{asked}  {found.status}"


def _estimate_line(found: EstimatedPerformance) -> str:
    metrics = f"ROC-AUC {_interval(found.roc_auc)}, Brier {_interval(found.brier)}"
    judged = f"  {found.status}" if found.status != "stable" else ""
    reason = f"; {found.reason}" if found.reason else ""
    return f"estimated without labels: {metrics}{judged}{reason}"


def _interval(found: MetricInterval) -> str:
    if found.value is None:
        return "not defined"
    return f"{found.value:.4f} [{found.low:.4f}, {found.high:.4f}]"
