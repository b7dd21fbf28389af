"""The population stability index from frozen bins: quantile edges, counts, smoothed shares and the index, in numpy.

PSI = sum over bins of (actual - expected) * ln(actual / expected). Bins are right-closed, `(a, b]`, as in `pandas.cut`:
left-closed ones put an integer on the wrong side of its own quantile. The last bin always holds the missing values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lockgate.documents.profile_json import just_below
from lockgate.drift.order_statistics import order_statistics

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

CHUNK = 65_536  # rows; 512 kB stay in the cache for every edge, and threads meet at the interpreter seldom enough
SMOOTHING = 0.5


def decile_edges(values: NDArray[Any], bins: int) -> Floats:
    """Strictly increasing inner edges that cut `values` into at most `bins` bins of equal mass; NaN is left out.

    The edges are values of the sample: the smallest with at least k/bins of the rows at or below it, k = 1..bins-1
    (Hyndman and Fan's type 1, `numpy.quantile(..., method="inverted_cdf")`). Edges that coincide are merged, so ties
    give fewer. At least one value present gives at least one edge where bins > 1; none present gives none.
    """
    return np.unique(_quantiles(_present(values), bins))


def bin_edges(values: NDArray[Any], bins: int) -> Floats:
    """`decile_edges`, and an edge just below every value that fills two quantiles or more.

    Without it a column that is 95 % ones has the single edge 1, all its rows at or below it, and a fall to 50 % ones is
    invisible. The added edge is the next smaller value of the sample, or, below the smallest, the next smaller number.
    """
    present = _present(values)
    edges, repeats = np.unique(_quantiles(present, bins), return_counts=True)
    below = []
    for heavy in edges[repeats > 1]:
        smaller = present[present < heavy]
        below.append(smaller.max() if len(smaller) else just_below(float(heavy)))
    return np.unique(np.concatenate([edges, np.asarray(below, dtype=np.float64)]))


def bin_counts(values: NDArray[Any], edges: ArrayLike) -> Counts:
    """Rows in each right-closed bin, shape (len(edges) + 2,): `(-inf, e0]`, `(e0, e1]`, ..., `(e_last, inf)`, missing.

    `values` is one-dimensional, floats or integers, and is compared as float64; `edges` increase strictly.
    """
    cuts = np.asarray(edges, dtype=np.float64)
    above = np.zeros(len(cuts) + 2, dtype=np.int64)  # rows present; rows above each edge; 0 rows above infinity
    mask = np.empty(CHUNK, dtype=np.bool_)
    for start in range(0, len(values), CHUNK):
        chunk = np.ascontiguousarray(values[start : start + CHUNK], dtype=np.float64)
        result = mask[: len(chunk)]
        np.equal(chunk, chunk, out=result)
        above[0] += np.count_nonzero(result)
        for position, cut in enumerate(cuts, start=1):
            np.greater(chunk, cut, out=result)
            above[position] += np.count_nonzero(result)
    return np.append(above[:-1] - above[1:], len(values) - above[0])


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


def _present(values: NDArray[Any]) -> Floats:
    floats = np.ascontiguousarray(values, dtype=np.float64)
    missing = np.isnan(floats)
    return floats[~missing] if missing.any() else floats


def _quantiles(present: Floats, bins: int) -> Floats:
    """The k/bins quantiles, k = 1..bins-1, of values without NaN; empty where there are none."""
    rows = len(present)
    if rows == 0 or bins < 2:
        return np.empty(0, dtype=np.float64)
    ranks = [-(-rows * k // bins) - 1 for k in range(1, bins)]  # integers: floats would misplace k * rows / bins
    return order_statistics(present, np.array(ranks, dtype=np.int64))
