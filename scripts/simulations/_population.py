"""Populations whose true metrics are known by quadrature, and samples from them."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist

import numpy as np

from lockgate.metrics.power import within_class_correlation

# A calibrated score whose logit is normal: 22 % positives, ROC-AUC 0.77.
MEAN, SPREAD = -1.578, 1.151


def calibrated_sample(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities that they were drawn with."""
    score = 1 / (1 + np.exp(-(MEAN + SPREAD * rng.standard_normal(n))))
    return (rng.random(n) < score).astype(int), score


def calibrated_truth() -> dict[str, float]:
    """The metrics of the whole population, on a fine grid of the logit."""
    z = np.linspace(-9, 9, 400_001)
    mass = np.exp(-z * z / 2)
    mass /= mass.sum()
    p = 1 / (1 + np.exp(-(MEAN + SPREAD * z)))
    positive, negative = mass * p, mass * (1 - p)
    prevalence = positive.sum()
    below = np.cumsum(negative) - negative / 2
    above = np.cumsum(positive[::-1])[::-1] - positive / 2
    selected = np.cumsum(mass[::-1])[::-1] - mass / 2
    return {
        "roc_auc": float((positive * below).sum() / (prevalence * (1 - prevalence))),
        "pr_auc": float((positive * above / selected).sum() / prevalence),
        "brier": float((mass * p * (1 - p)).sum()),
        "log_loss": float(-(mass * (p * np.log(p) + (1 - p) * np.log1p(-p))).sum()),
        "calibration_slope": 1.0,
        "calibration_intercept": 0.0,
    }


def paired_sample(
    rng: np.random.Generator, n: int, prevalence: float, aucs: tuple[float, float], correlation: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels and two models' scores, binormal, of these ROC-AUCs and this correlation within the classes."""
    label = (rng.random(n) < prevalence).astype(int)
    one, other = rng.standard_normal((2, n))
    other = correlation * one + sqrt(1 - correlation**2) * other
    shifts = [sqrt(2) * NormalDist().inv_cdf(auc) for auc in aucs]
    return label, one + shifts[0] * label, other + shifts[1] * label


def correlation_within_classes(auc: float, prevalence: float, score_correlation: float) -> float:
    """The correlation for `paired_sample` that gives this rank correlation over all rows."""
    return within_class_correlation(sqrt(2) * NormalDist().inv_cdf(auc), prevalence, score_correlation)
