"""The files of `reports/plots/`: curves as records, as `dvc plots` and the report read them."""

from __future__ import annotations

from typing import Any

import numpy as np

from lockgate.metrics.curves import (
    Columns,
    calibration_points,
    precision_recall_points,
    roc_points,
    score_distribution,
)


def plot_records(
    y_true: np.ndarray, y_score: np.ndarray, weight: np.ndarray | None, confidence: float
) -> dict[str, list[dict[str, Any]]]:
    """Records by the name of their file: roc, precision_recall, calibration, scores."""
    scores = score_distribution(y_true, y_score, weight)
    return {
        "roc": _records(roc_points(y_true, y_score, weight)),
        "precision_recall": _records(precision_recall_points(y_true, y_score, weight)),
        "calibration": _records(calibration_points(y_true, y_score, weight, confidence=confidence)),
        "scores": [
            {"score": (low + high) / 2, "class": name, "share": share}
            for name in ("negative", "positive")
            for low, high, share in zip(scores["low"], scores["high"], scores[name], strict=True)
        ],
    }


def _records(columns: Columns) -> list[dict[str, Any]]:
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
