"""Frozen bins: the edges that a reference's quantiles give, and the rows of any batch counted in them.

Bins are right-closed, `(a, b]`, as in `pandas.cut`: left-closed ones put an integer on the wrong side of its own quantile.
The last bin always holds the missing values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lockgate.config.errors import InputError
from lockgate.documents.profile_json import just_below

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Codes = NDArray[np.int32]

CHUNK = 65_536  # rows; 512 kB stay in the cache for every edge, and threads meet at the interpreter seldom enough
SAMPLE = 32_768
LONG = 262_144  # shorter columns, and more ranks than MANY, are no slower with numpy alone
MANY = 16
FEW_LEVELS = 20  # up to here comparing the one-byte codes with each level is faster than `bincount`


def bin_edges(values: NDArray[Any], bins: int) -> Floats:
    """Strictly increasing inner edges: the quantiles of `values`, and one below every value that fills two or more of them.

    NaN is left out; at least one value present gives at least one edge where `bins` > 1, none present gives none.
    Without the edge below, a column that is 95 % ones has the single edge 1, all its rows at or below it, and a fall to
    50 % ones is invisible. The added edge is the next smaller value of the sample, or, below the smallest, the next smaller number.
    """
    present = _present(values)

    def smaller(heavy: float) -> float:
        found = present[present < heavy]
        return float(found.max()) if len(found) else just_below(heavy)

    return edges_of_quantiles(quantiles(present, bins), smaller)


def edges_of_quantiles(found: Floats, smaller: Callable[[float], float]) -> Floats:
    """The edges that quantiles give; `smaller` is the next smaller value of the sample, or the next smaller number."""
    edges, repeats = np.unique(found, return_counts=True)
    below = [smaller(float(heavy)) for heavy in edges[repeats > 1]]
    edges = np.unique(np.concatenate([edges, np.asarray(below, dtype=np.float64)]))
    return edges + 0.0  # -0.0 is 0.0, whichever of them stood first


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


@dataclass(frozen=True)
class CategoryCounts:
    """Rows per known category with missing last, and rows per unknown value, most frequent first."""

    counts: Counts
    unseen: dict[str, int]

    @property
    def unseen_rows(self) -> int:
        """Rows with a value that is not known."""
        return sum(self.unseen.values())

    @property
    def rows(self) -> int:
        """All rows, those with unknown values among them."""
        return int(self.counts.sum()) + self.unseen_rows


def category_counts(values: pd.Series, categories: Sequence[str]) -> CategoryCounts:
    """Rows of each of `categories`, in their order, then missing rows; other values are counted apart, as `unseen`."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        labels = values.cat.categories
        found = _code_counts(values.cat.codes.to_numpy(), len(labels))
    else:
        table = values.value_counts(sort=False)
        labels, found = table.index, table.to_numpy().astype(np.int64)
    place = {category: position for position, category in enumerate(categories)}
    counts = np.zeros(len(categories) + 1, dtype=np.int64)
    unseen: dict[str, int] = {}
    for label, rows in zip(labels, found.tolist(), strict=True):
        name = str(label)
        if name in place:
            counts[place[name]] += rows
        elif rows:
            unseen[name] = unseen.get(name, 0) + rows
    counts[-1] = len(values) - int(found.sum())
    return CategoryCounts(counts, dict(sorted(unseen.items(), key=lambda item: (-item[1], item[0]))))


def merged_categories(parts: Sequence[CategoryCounts]) -> CategoryCounts:
    """The rows of all parts."""
    unseen: dict[str, int] = {}
    for part in parts:
        for value, rows in part.unseen.items():
            unseen[value] = unseen.get(value, 0) + rows
    return CategoryCounts(
        np.sum([part.counts for part in parts], axis=0),
        dict(sorted(unseen.items(), key=lambda item: (-item[1], item[0]))),
    )


def float_values(column: pd.Series) -> Floats:
    """A column of numbers as float64 with NaN for missing; InputError naming it where it holds anything else."""
    if not pd.api.types.is_numeric_dtype(column.dtype) and not column.isna().all():
        raise InputError(
            f"column {column.name} holds {column.dtype}, not numbers as in training; correct the data's source"
        )
    # What is missing there is NaN already, which `na_value` would look for once more.
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iuf":
        return column.to_numpy(dtype=np.float64)
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def bin_codes(values: NDArray[Any], edges: ArrayLike) -> Codes:
    """The position of each value's bin in `bin_counts`, shape (rows,)."""
    cuts = np.asarray(edges, dtype=np.float64)
    codes = np.searchsorted(cuts, np.asarray(values, dtype=np.float64), side="left").astype(np.int32)
    codes[np.isnan(values)] = len(cuts) + 1
    return codes


def category_codes(values: pd.Series, categories: Sequence[str]) -> Codes:
    """The position of each value in `category_counts`, missing last, and -1 for values that are none of `categories`."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes, labels = values.cat.codes.to_numpy(), values.cat.categories
    else:
        codes, labels = pd.factorize(values)
    place = {category: position for position, category in enumerate(categories)}
    # A missing value's code is -1, so the last of these places is for it.
    places = np.array([*(place.get(str(label), -1) for label in labels), len(categories)], dtype=np.int32)
    return np.asarray(places[codes], dtype=np.int32)


def _code_counts(codes: NDArray[Any], levels: int) -> Counts:
    """Rows with each code 0..levels-1; a missing value's -1 is left out."""
    if levels <= FEW_LEVELS:
        return np.array([np.count_nonzero(codes == level) for level in range(levels)], dtype=np.int64)
    return np.bincount(codes.astype(np.intp) + 1, minlength=levels + 1)[1:].astype(np.int64)


def _present(values: NDArray[Any]) -> Floats:
    floats = np.ascontiguousarray(values, dtype=np.float64)
    missing = np.isnan(floats)
    return floats[~missing] if missing.any() else floats


def quantiles(present: Floats, bins: int) -> Floats:
    """The k/bins quantiles, k = 1..bins-1, of values without NaN; empty where there are none.

    Each is a value of the sample, the smallest with at least k/bins of the rows at or below it (Hyndman and Fan's type 1,
    `numpy.quantile(..., method="inverted_cdf")`).
    """
    ranks = quantile_ranks(len(present), bins)
    return order_statistics(present, ranks) if len(ranks) else np.empty(0, dtype=np.float64)


def quantile_ranks(rows: int, bins: int) -> Counts:
    """The places that the k/bins quantiles of so many rows have among them, from 0 on; none where there are no rows."""
    ranks = [-(-rows * k // bins) - 1 for k in range(1, bins)]  # integers: floats would misplace k * rows / bins
    return np.array(ranks if rows else [], dtype=np.int64)


def order_statistics(values: Floats, ranks: Counts) -> Floats:
    """`numpy.sort(values)[ranks]` for increasing ranks in 0..len(values)-1; `values` has no NaN and is not changed.

    Exact, in about half the time of `numpy.partition`, after Floyd and Rivest (1975): an evenly spaced sample brackets
    each rank within three standard deviations of its own rank's error; one pass counts what lies below each bracket and
    collects what lies inside, about a tenth of the values; only those are partitioned. A rank that its bracket missed is
    noticed by the counts, and numpy does the whole again.
    """
    if len(values) < LONG or len(ranks) > MANY:
        return np.partition(values, ranks)[ranks]
    low, high, bracket = _brackets(values, ranks)
    below, size, inside = _collect(values, low, high)
    offset = ranks - below[bracket]
    if np.any((offset < 0) | (offset >= size[bracket])):
        return np.partition(values, ranks)[ranks]
    found = low[bracket]
    wide = (low < high)[bracket]
    collected = np.where(low < high, size, 0)
    places = (offset + (np.cumsum(collected) - collected)[bracket])[wide]
    if len(places):
        found[wide] = np.partition(inside, places)[places]
    return found


def _brackets(values: Floats, ranks: Counts) -> tuple[Floats, Floats, Counts]:
    """Disjoint closed intervals in increasing order, and for each rank the one that should hold it."""
    sample = np.sort(values[:: len(values) // SAMPLE])
    share = (ranks + 0.5) / len(values)
    error = 3.0 * np.sqrt(len(sample) * share * (1.0 - share)) + 1.0
    first = np.clip(share * len(sample) - error, 0, len(sample) - 1).astype(np.int64)
    last = np.clip(share * len(sample) + error, 0, len(sample) - 1).astype(np.int64)
    low, high = sample[first], sample[last]
    starts = np.append(True, low[1:] > high[:-1])  # intervals that touch become one
    return low[starts], high[np.append(starts[1:], True)], np.cumsum(starts) - 1


def _collect(values: Floats, low: Floats, high: Floats) -> tuple[Counts, Counts, Floats]:
    """Values below each interval, values inside it, and the latter themselves where it is wider than one value."""
    below, size = np.zeros(len(low), dtype=np.int64), np.zeros(len(low), dtype=np.int64)
    parts = []
    inside, mask = np.empty(CHUNK, dtype=np.bool_), np.empty(CHUNK, dtype=np.bool_)
    for start in range(0, len(values), CHUNK):
        chunk = values[start : start + CHUNK]
        chosen, result = inside[: len(chunk)], mask[: len(chunk)]
        chosen.fill(False)
        for position, (least, most) in enumerate(zip(low, high, strict=True)):
            np.greater_equal(chunk, least, out=result)
            reached = np.count_nonzero(result)
            below[position] += len(chunk) - reached
            if least < most:  # a value is inside where it passed one end and not the other
                np.logical_xor(chosen, result, out=chosen)
            np.greater(chunk, most, out=result)
            size[position] += reached - np.count_nonzero(result)
            if least < most:
                np.logical_xor(chosen, result, out=chosen)
        parts.append(chunk[chosen])
    return below, size, np.concatenate(parts)
