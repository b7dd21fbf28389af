"""Drift results for tests that show, publish or count them: ordinary ones, changed where a test says so."""

from __future__ import annotations

from datetime import date
from typing import Any

from msgspec.structs import replace

from lockgate.documents.drift_json import (
    BinShares,
    DriftResult,
    EstimatedPerformance,
    FeatureDrift,
    FeatureEffect,
    JudgedMetric,
    MetricDrift,
    MetricInterval,
    ModelDrift,
    PerformanceDrift,
    SegmentDrift,
)

MODEL = "a" * 64
MEASURED = MetricInterval(0.7773, 0.7628, 0.7911)


def feature_drift(name: str = "income", psi: float = 0.4, status: Any = "alert", **changes: Any) -> FeatureDrift:
    """One numeric feature with two bins."""
    fields: dict[str, Any] = {
        "name": name,
        "kind": "numeric",
        "psi": psi,
        "threshold": 0.02,
        "p_value": 0.4,
        "status": status,
        "rule": None,
        "reason": "",
        "missing_reference": 0.01,
        "missing_current": 0.02,
        "unseen_share": 0.0,
        "bins": (BinShares("(-inf, 1.0]", 0.4, 0.6), BinShares("(1.0, inf)", 0.6, 0.4)),
    }
    return FeatureDrift(**{**fields, **changes})


def drift_result(*features: FeatureDrift, status: Any = "alert", **changes: Any) -> DriftResult:
    """A batch of 5,000 rows, of which no label is known."""
    fields: dict[str, Any] = {
        "status": status,
        "model": MODEL,
        "current": None,
        "n_reference": 9_000,
        "n_current": 5_000,
        "warn": 0.1,
        "alert": 0.25,
        "note": None,
        "label": None,
        "estimated": None,
        "features": features,
    }
    return DriftResult(**{**fields, **changes})


def interval(value: float) -> MetricInterval:
    """The value and 0.02 on either side."""
    return MetricInterval(value, value - 0.02, value + 0.02)


def metric_drift(metric: JudgedMetric, value: float, **changes: Any) -> MetricDrift:
    """A metric that is worse than at registration, and beyond the gate's threshold."""
    fields: dict[str, Any] = {
        "metric": metric,
        "value": value,
        "low": value - 0.02,
        "high": value + 0.02,
        "threshold": 0.7,
        "reference": 0.79,
        "change": value - 0.79,
        "change_low": value - 0.83,
        "change_high": value - 0.75,
        "p_value": 0.001,
        "error": 0.0025,
        "status": "alert",
        "rule": "both",
        "reason": "it no longer ranks",
    }
    return MetricDrift(**{**fields, **changes})


def with_every_part(result: DriftResult) -> DriftResult:
    """`result` of a dead model: labels refute the estimate, the model and a segment have moved, each feature does something."""
    effect = FeatureEffect(score=0.01, score_error=0.001, favourable=-0.02, favourable_error=0.002, events=0.003)
    return replace(
        result,
        newest=date(2026, 11, 24),
        features=tuple(replace(one, effect=effect) for one in result.features),
        performance=PerformanceDrift(
            n=5_071,
            positives=900,
            confidence=0.95,
            status="alert",
            reason="the model no longer ranks",
            metrics=(
                metric_drift("roc_auc", 0.577),
                metric_drift("pr_auc", 0.3, threshold=None),
                metric_drift("brier", 0.31, threshold=0.2, reference=0.12),
                metric_drift("calibration_intercept", -1.4, threshold=None, reference=0.0),
                metric_drift("calibration_slope", 0.3, threshold=None, reference=1.0),
            ),
        ),
        estimated=EstimatedPerformance(
            n=5_071,
            expected_positives=880.0,
            confidence=0.95,
            evidence="ok",
            roc_auc=interval(0.78),
            brier=interval(0.12),
            assumes="the scores are still calibrated",
            status="warn",
            reason="below the floor",
            refuted=True,
        ),
        model_drift=ModelDrift(
            method="leaves",
            n_reference=4_000,
            statistic=0.5,
            expected=0.1,
            limit=0.2,
            p_value=0.0001,
            status="warn",
            reason="rows go through the model otherwise",
            features=("income",),
            unseen="nothing",
        ),
        segments=(
            SegmentDrift(
                column="region",
                value="west",
                feature="income",
                rows=400,
                share=0.08,
                psi=2.0,
                psi_elsewhere=0.001,
                p_value=0.0001,
                error=0.0001,
                only=True,
                status="warn",
                reason="only in west",
            ),
        ),
    )
