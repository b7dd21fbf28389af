"""Every metric once: its name, its title, which way is better, its range, and what it may decide."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import Literal

LOG_LOSS_CLIP = sys.float_info.epsilon  # probabilities are clipped by it, as scikit-learn does


@dataclass(frozen=True)
class Metric:
    """A metric that a threshold can be set on.

    for_slices: slices may have a floor of it. for_champions: its paired difference has an interval, so a margin can
    decide. biased: it is too large in small samples, so its interval only describes.
    """

    name: str
    title: str
    direction: Literal["higher", "lower"]
    valid_range: tuple[float, float]
    for_slices: bool = False
    for_champions: bool = False
    biased: bool = False


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("roc_auc", "ROC-AUC", "higher", (0.0, 1.0), for_slices=True, for_champions=True),
        Metric("pr_auc", "PR-AUC", "higher", (0.0, 1.0), for_slices=True, for_champions=True),
        Metric("brier", "Brier score", "lower", (0.0, 1.0), for_champions=True),
        Metric("gini", "Gini", "higher", (-1.0, 1.0)),
        Metric("ks", "KS", "higher", (0.0, 1.0), biased=True),
        Metric("ece", "Calibration error", "lower", (0.0, 1.0), biased=True),
        Metric("tjur_r2", "Tjur's R²", "higher", (-1.0, 1.0)),
        Metric("log_loss", "Log-loss", "lower", (0.0, -math.log(LOG_LOSS_CLIP))),
    )
}
FOR_SLICES = tuple(metric.name for metric in METRICS.values() if metric.for_slices)
FOR_CHAMPIONS = tuple(metric.name for metric in METRICS.values() if metric.for_champions)
BIASED = tuple(metric.name for metric in METRICS.values() if metric.biased)

# Numbers that describe the calibration line: no threshold can be set on them.
CALIBRATION_LINE = {"calibration_slope": "Calibration slope", "calibration_intercept": "Calibration intercept"}

FairnessMetric = Literal["adverse_impact_ratio", "equal_opportunity_difference", "false_positive_rate_difference"]
IMPACT_RATIO: FairnessMetric = "adverse_impact_ratio"
# What a warning about fairness goes by where the policy sets no limit of its own.
CUSTOMARY_FAIRNESS: dict[str, float] = {
    IMPACT_RATIO: 0.8,
    "equal_opportunity_difference": 0.1,
    "false_positive_rate_difference": 0.1,
}


def metric_title(name: str) -> str:
    """The field's own name of a metric; the name itself where it is none of ours."""
    return METRICS[name].title if name in METRICS else CALIBRATION_LINE.get(name, name)
