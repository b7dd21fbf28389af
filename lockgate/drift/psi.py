"""The population stability index of frozen bins: smoothed shares and the index, in numpy.

PSI = sum over bins of (actual - expected) * ln(actual / expected).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

SMOOTHING = 0.5


def smoothed_shares(counts: ArrayLike) -> Floats:
    """`(count + 0.5) / (n + 0.5 * bins)` along the last axis: positive shares that sum to 1, also for empty bins."""
    rows = np.asarray(counts, dtype=np.float64)
    total = rows.sum(axis=-1, keepdims=True)
    return np.asarray((rows + SMOOTHING) / (total + SMOOTHING * rows.shape[-1]), dtype=np.float64)


def psi_terms(expected_counts: ArrayLike, actual_counts: ArrayLike) -> Floats:
    """Each bin's share of the PSI, at least 0, shapes broadcast; all 0 where a side has no rows to measure."""
    expected, actual = smoothed_shares(expected_counts), smoothed_shares(actual_counts)
    terms = (actual - expected) * np.log(actual / expected)
    measured = (np.sum(expected_counts, axis=-1, keepdims=True) > 0) & (
        np.sum(actual_counts, axis=-1, keepdims=True) > 0
    )
    return np.where(measured, terms, 0.0)


def psi(expected_counts: ArrayLike, actual_counts: ArrayLike) -> float:
    """The index of two rows of counts over the same bins: 0 for equal shares, without an upper bound."""
    return float(psi_terms(expected_counts, actual_counts).sum())
