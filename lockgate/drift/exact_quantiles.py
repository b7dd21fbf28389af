"""Exact quantiles of columns that are larger than the memory, by passes over the rows that only count.

The bits of a float64, read as an integer with those of negative numbers turned round, are in the order of the numbers. A pass
counts the rows by their leading bits: by as many as leave few different ones. The cells that a wanted rank is in are counted anew,
by more bits, until all 64 are known. Columns of few values are known after the first pass, others after the second or third; what
comes out is the same whatever the parts are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lockgate.config.errors import InputError
from lockgate.documents.profile_json import just_below
from lockgate.drift.bins import Counts, Floats, edges_of_quantiles, quantile_ranks

Keys = NDArray[np.int64]

PART_CELLS = 16_384  # that a part of the rows is counted in: a quarter of a megabyte for each column
MAX_CELLS = 131_072  # that all parts together are
TABLE_BITS = 16  # 64 kB stay in the cache
_TURNED = np.int64(0x7FFF_FFFF_FFFF_FFFF)


@dataclass(frozen=True)
class Cells:
    """Numbers counted by their leading bits: `keys`, which increase, are theirs without the last `shift`.

    `missing` counts the NaN.
    """

    shift: int
    keys: Keys
    counts: Counts
    missing: int = 0


class CellCounter:
    """Adds up a column's numbers, and cells of them that others counted, in at most `limit` cells.

    Of the numbers those count whose bits are in one of the intervals that `bounds` begin and end, each end being the first
    after it; all where there are no bounds.
    """

    def __init__(self, limit: int, bounds: Keys | None = None) -> None:
        self._limit = limit
        self._inside = None if bounds is None else _Inside(bounds)
        self._shift = 0
        self._found: list[Cells] = []

    def add_numbers(self, values: Floats) -> None:
        """Count these too."""
        is_missing = np.isnan(values)
        missing = int(np.count_nonzero(is_missing))
        bits = ordered_bits(values[~is_missing] if missing else values)
        if self._inside is not None:
            bits = self._inside.of(bits)
        keys, counts = _counted(bits >> self._shift)
        self.add_cells(Cells(self._shift, keys, counts, missing))

    def add_cells(self, cells: Cells) -> None:
        """Count what these cells count too."""
        self._found.append(cells)
        if len(cells.keys) > self._limit or sum(len(one.keys) for one in self._found) > 16 * self._limit:
            self._found = [self.cells()]

    def cells(self) -> Cells:
        """All that was counted."""
        shift = max((one.shift for one in self._found), default=0)
        merged = [one.keys >> (shift - one.shift) for one in self._found]
        keys, counts = np.empty(0, np.int64), np.empty(0, np.int64)
        if merged:
            keys, counts = _counted(np.concatenate(merged), np.concatenate([one.counts for one in self._found]))
        if len(keys) > self._limit:
            # As many cells as neighbours that differ in a bit which is kept, and one.
            differ = np.sort((keys[1:] ^ keys[:-1]).view(np.uint64))
            bits = int(differ[-self._limit]).bit_length()
            keys, counts = _counted(keys >> bits, counts)
            shift += bits
        self._shift = shift
        return Cells(shift, keys, counts, sum(one.missing for one in self._found))


class _Inside:
    """Picks the bits that are in one of some intervals; a table of leading bits leaves few to be looked up."""

    def __init__(self, bounds: Keys) -> None:
        self._bounds = bounds
        width = int(bounds[-1]) - int(bounds[0])
        self._shift = max(width.bit_length() - TABLE_BITS, 0)
        leading = bounds >> self._shift
        self._least = leading[0]
        steps = np.zeros(int(leading[-1] - leading[0]) + 3, dtype=np.int64)
        np.add.at(steps, leading[::2] - leading[0], 1)
        np.add.at(
            steps, leading[1::2] - leading[0] + 1, -1
        )  # an end that is within its leading bits has some of them inside
        self._touched = np.cumsum(steps) > 0

    def of(self, bits: Keys) -> Keys:
        """Those inside, in their order."""
        places = (bits >> self._shift) - self._least
        outside = np.uint64(len(self._touched) - 1)
        touched = bits[self._touched[np.minimum(places.view(np.uint64), outside)]]
        inside: Keys = touched[np.searchsorted(self._bounds, touched, side="right") % 2 == 1]
        return inside


class ExactQuantiles:
    """The k/bins quantiles of a column, for each number of `bins` that is wanted, while more and more of its bits are known.

    `bounds` say what to count, and `take` takes it, until `is_known`; then `edges` and `bin_counts` are as those of
    `lockgate.drift.bins` for the whole column.
    """

    def __init__(self, bins: Sequence[int]) -> None:
        self._bins = tuple(bins)
        self._missing = 0
        self._begun = False
        self._first, self._shift, self._counts = (np.empty(0, np.int64) for _ in range(3))
        self._open = np.empty(0, np.int64)

    @property
    def is_known(self) -> bool:
        """Whether nothing is left to count."""
        return self._begun and not len(self._open)

    @property
    def bounds(self) -> Keys | None:
        """Of the intervals whose numbers are to be counted, the first bits and the first after it, in their order; None for all."""
        if not self._begun:
            return None
        first = self._first[self._open]
        after = (first | self._masks(self._open)) + 1
        ends = np.stack([first, after], axis=1).ravel()
        touching = np.flatnonzero(ends[1:-1:2] == ends[2::2])
        return np.delete(ends, np.concatenate([2 * touching + 1, 2 * touching + 2]))

    def take(self, cells: Cells) -> None:
        """What was counted within the bounds. Raises InputError where it is another number than the last time."""
        first = cells.keys << cells.shift
        shift = np.full(len(first), cells.shift)
        if not self._begun:
            self._begun, self._missing = True, cells.missing
            self._first, self._shift, self._counts = first, shift, cells.counts
        else:
            if cells.counts.sum() != self._counts[self._open].sum() or cells.missing != self._missing:
                raise InputError("the training rows changed while they were read; run the command again")
            kept = np.delete(np.arange(len(self._first)), self._open)
            first = np.concatenate([self._first[kept], first])
            order = np.argsort(first)
            self._first = first[order]
            self._shift = np.concatenate([self._shift[kept], shift])[order]
            self._counts = np.concatenate([self._counts[kept], cells.counts])[order]
        self._open = self._unknown()

    def edges(self, bins: int) -> Floats:
        """As `bins.bin_edges` of the column."""
        places = self._places(bins)
        values = numbers_of(self._first[places])

        def smaller(heavy: float) -> float:
            place = int(places[np.searchsorted(values, heavy)])
            return float(numbers_of(self._first[[place - 1]])[0]) if place else just_below(heavy)

        return edges_of_quantiles(values, smaller)

    def bin_counts(self, edges: Floats) -> Counts:
        """As `bins.bin_counts` of the column, for edges that are its own."""
        upto = np.append(0, np.cumsum(self._counts))
        below = upto[np.searchsorted(self._first, ordered_bits(edges), side="right")]
        return np.concatenate([np.diff(below, prepend=0, append=upto[-1]), [self._missing]])

    def _places(self, bins: int) -> NDArray[np.intp]:
        """The cells that the ranks are in."""
        upto = np.cumsum(self._counts)
        ranks = quantile_ranks(int(upto[-1]) if len(upto) else 0, bins)
        return np.searchsorted(upto, ranks, side="right")

    def _unknown(self) -> NDArray[np.int64]:
        """The cells of which more bits are needed: where a rank is, and before a value that fills several bins."""
        wanted = [np.empty(0, np.int64)]
        for bins in self._bins:
            places, repeats = np.unique(self._places(bins), return_counts=True)
            wanted += [places, places[(repeats > 1) & (places > 0)] - 1]
        found = np.unique(np.concatenate(wanted))
        return found[self._shift[found] > 0]

    def _masks(self, places: NDArray[np.int64]) -> Keys:
        return np.array([(1 << int(shift)) - 1 for shift in self._shift[places]], dtype=np.int64)


def ordered_bits(values: Floats) -> Keys:
    """An integer for each number, in the same order: both zeros have the same."""
    bits = (values + 0.0).view(np.int64)  # -0.0 + 0.0 is 0.0
    return bits ^ ((bits >> 63) & _TURNED)


def numbers_of(bits: Keys) -> Floats:
    """The numbers that have these `ordered_bits`."""
    return (bits ^ ((bits >> 63) & _TURNED)).view(np.float64)


def _counted(keys: Keys, counts: Counts | None = None) -> tuple[Keys, Counts]:
    """The different keys in increasing order, and how often each is there, or what its `counts` add up to."""
    if not len(keys):
        return keys, np.empty(0, np.int64)
    least, most = int(keys.min()), int(keys.max())
    if most - least < 4 * len(keys):
        # As weights the counts are floats, which are exact as long as a document can count them.
        found = np.bincount(keys - least, weights=counts)
        places = np.flatnonzero(found)
        return places + least, found[places].astype(np.int64)
    if counts is None:
        keys = np.sort(keys)
    else:
        order = np.argsort(keys)
        keys, counts = keys[order], counts[order]
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    summed = np.diff(starts, append=len(keys)) if counts is None else np.add.reduceat(counts, starts)
    return keys[starts], summed
