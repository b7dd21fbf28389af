"""Drift results for tests that show, publish or count them: ordinary ones, changed where a test says so."""

from __future__ import annotations

from typing import Any

from lockgate.documents.drift_json import BinShares, DriftResult, FeatureDrift, MetricInterval

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
        "actual": None,
        "features": features,
    }
    return DriftResult(**{**fields, **changes})
