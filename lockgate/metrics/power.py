"""Standard errors of ROC-AUCs before there are data, and the error rates that follow from a standard error.

The model is binormal with equal variances: scores of negatives are N(0, 1), of positives N(d, 1), and two models'
scores have the same correlation within both classes. Expectations are Gauss-Hermite quadratures.
"""

from __future__ import annotations

from math import pi, sqrt
from statistics import NormalDist

import numpy as np

from lockgate.metrics.scored import Floats

_NORMAL = NormalDist()
_NODES = 96


def blocked_when(truth: float, bar: float, error: float, quantile: float) -> float:
    """P(estimate - quantile * error < bar) of an estimate that is normal around `truth`; a step where error is 0."""
    if error == 0:
        return float(truth < bar)
    return _NORMAL.cdf((bar - truth) / error + quantile)


def auc_error(auc: float, prevalence: float, n: float) -> float:
    """Standard error of the ROC-AUC of n rows, of which the share `prevalence` is positive."""
    return sqrt(_placement_covariance(_separation(auc), 1.0) * _per_row(prevalence) / n)


def difference_error(auc: float, prevalence: float, n: float, score_correlation: float) -> float:
    """Standard error of the difference of the ROC-AUCs of two models equally good on the same n rows.

    `score_correlation`: Spearman's, over all rows, -1..1.
    """
    d = _separation(auc)
    within = within_class_correlation(d, prevalence, score_correlation)
    return sqrt(
        2 * max(_placement_covariance(d, 1.0) - _placement_covariance(d, within), 0.0) * _per_row(prevalence) / n
    )


def _separation(auc: float) -> float:
    return sqrt(2) * _NORMAL.inv_cdf(auc)


def _per_row(prevalence: float) -> float:
    return 1 / prevalence + 1 / (1 - prevalence)


def _placement_covariance(d: float, correlation: float) -> float:
    """Covariance of the placements of a positive under two models; that of a negative is the same by symmetry."""
    x, weight = _nodes()
    centred = _cdf(d + x) - (weight * _cdf(d + x)).sum()
    if correlation == 1.0:
        return float((weight * centred**2).sum())
    # E[g(X2) | X1] by an inner quadrature
    inner = _cdf(d + correlation * x[:, None] + sqrt(1 - correlation**2) * x[None, :]) @ weight
    return float((weight * centred * inner).sum())


def within_class_correlation(d: float, prevalence: float, spearman: float) -> float:
    """The correlation within the classes that gives the rank correlation over all rows, by bisection."""
    low, high = -1.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _rank_correlation(d, prevalence, middle) < spearman else (low, middle)
    return (low + high) / 2


def _rank_correlation(d: float, prevalence: float, correlation: float) -> float:
    x, weight = _nodes()
    product = 0.0
    for share, shift in ((prevalence, d), (1 - prevalence, 0.0)):
        outer = _mixture(x + shift, d, prevalence)
        inner = (
            _mixture(shift + correlation * x[:, None] + sqrt(1 - correlation**2) * x[None, :], d, prevalence) @ weight
        )
        product += share * float((weight * outer * inner).sum())
    return 12 * (product - 0.25)  # ranks are uniform: mean 1/2, variance 1/12


def _mixture(x: Floats, d: float, prevalence: float) -> Floats:
    shares: Floats = prevalence * _cdf(x - d) + (1 - prevalence) * _cdf(x)
    return shares


def _nodes() -> tuple[Floats, Floats]:
    x, weight = np.polynomial.hermite_e.hermegauss(_NODES)
    return x, weight / sqrt(2 * pi)


def _cdf(x: Floats) -> Floats:
    from scipy.special import ndtr

    values: Floats = ndtr(x)
    return values
