"""Where a feature moved: its bins, counted in the rows of each value of a few columns, frozen and compared value by value.

A value is compared with the training rows of the same value, so that a batch with more rows of one region is no move of the
features that differ between regions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from msgspec.structs import replace
from numpy.typing import NDArray

from lockgate.documents.document import MAX_SENTENCE
from lockgate.documents.drift_json import SegmentDrift
from lockgate.documents.profile_json import DriftRule, FeatureProfile, Segments, interval_names
from lockgate.documents.schema_json import Kind
from lockgate.documents.text import cut_middle
from lockgate.drift.bins import Codes, Counts, Floats, bin_codes, category_codes, float_values
from lockgate.drift.drift_rule import null_distribution
from lockgate.drift.exact_test import scipy_special
from lockgate.drift.family_error import SEGMENTS, psi_error
from lockgate.drift.psi import psi_terms

MAX_COLUMNS = 5
MAX_VALUES = 20  # of a column
MIN_ROWS = 30  # with a value, on either side: of fewer, most bins are empty
BANDS = 5  # of a column of numbers, as the gate slices it
MAX_COUNTS = 100_000  # numbers in all segments of a profile: half a megabyte of JSON
MAX_FOUND = 200  # moves in drift.json
SCREENED = 0.01  # by chi-square alone; the tests themselves are allowed far less
CONTRAST = 4.0  # PSI of a segment over that of the other rows, under which a feature moved everywhere, if not evenly
MAX_NAMED = 8  # features, and values, in a sentence
MAX_NAME = 60  # characters of each
ALERT_SHARE = 0.05  # of the rows: where fewer moved nobody is woken, however far they went


@dataclass(frozen=True)
class ColumnValues:
    """A column that may be counted apart: its values, or bands, in their order, and the training rows with each."""

    column: str
    kind: Kind
    edges: tuple[float, ...]
    values: Sequence[str]
    rows: Sequence[int]

    @property
    def kept(self) -> list[int]:
        """The positions of the values with the most rows, as many as a column may have."""
        enough = [at for at, rows in enumerate(self.rows) if rows >= MIN_ROWS]
        return sorted(enough, key=lambda at: -self.rows[at])[:MAX_VALUES]


@dataclass(frozen=True)
class SegmentCounts:
    """Rows with each value of a column, and of each feature with each value in each bin, shape (values, bins)."""

    rows: Counts
    bins: tuple[Counts, ...]

    def __add__(self, other: SegmentCounts) -> SegmentCounts:
        """Both batches together."""
        bins = tuple(one + more for one, more in zip(self.bins, other.bins, strict=True))
        return SegmentCounts(self.rows + other.rows, bins)

    @property
    def by_value(self) -> tuple[tuple[tuple[int, ...], ...], ...]:
        """Of each value the rows in each feature's bins, as `Segments.counts` has them."""
        return tuple(tuple(tuple(bins[at].tolist()) for bins in self.bins) for at in range(len(self.rows)))


def chosen_values(columns: Sequence[ColumnValues], features: Sequence[FeatureProfile]) -> tuple[ColumnValues, ...]:
    """The first `MAX_COLUMNS` columns with the values that are counted apart, in the bins of the features.

    Of each column those with the most rows, and of all columns as many as `MAX_COUNTS` has room for.
    """
    room = MAX_COUNTS // max(1, sum(len(one.counts) for one in features))
    columns = columns[:MAX_COLUMNS]
    most = sorted((-one.rows[at], place, at) for place, one in enumerate(columns) for at in one.kept)[:room]
    kept = [sorted(at for _, of, at in most if of == place) for place in range(len(columns))]
    return tuple(
        dataclasses.replace(one, values=[one.values[at] for at in places], rows=[one.rows[at] for at in places])
        for one, places in zip(columns, kept, strict=True)
    )


def count_segments(
    segments: Segments | ColumnValues, column: pd.Series, codes: Sequence[Codes], widths: Sequence[int]
) -> SegmentCounts:
    """The rows of a batch by the values of a column; `codes` are the bins of each feature, of which there are `widths`."""
    values, size = value_codes(column, segments), len(segments.values)
    rows = np.bincount(values[values >= 0], minlength=size)
    return SegmentCounts(
        rows, tuple(two_way_counts(values, one, size, width) for one, width in zip(codes, widths, strict=True))
    )


def frozen_segments(chosen: ColumnValues, values: int, counted: SegmentCounts) -> Segments:
    """The counts of a column's chosen values, out of so many that rows have."""
    return Segments(
        column=chosen.column,
        kind=chosen.kind,
        edges=chosen.edges,
        values=tuple(chosen.values),
        left_out=values - len(chosen.values),
        rows=tuple(chosen.rows),
        counts=counted.by_value,
    )


def find_segments(
    segments: Sequence[Segments],
    features: Sequence[FeatureProfile],
    current: Sequence[SegmentCounts | None],
    everywhere: Sequence[Counts],
    rows: int,
    rule: DriftRule,
) -> tuple[SegmentDrift, ...]:
    """The moves that a part of the rows made alone, or far more than the others; the largest first.

    `features` are the profile's without the score. Of the current `rows`, `current` has each of the `segments` counted, None for a
    column that the batch lacks, and `everywhere` the rows in each feature's bins. Values with few rows on either side are left
    out. Without drift any is found with a probability of at most `rule.family_error * SEGMENTS`: each test is allowed its part
    of that. A feature that moved everywhere is in no segment: what moved has to be at most half of the rows, and to have moved
    by `CONTRAST` times as much as the others.
    """
    grids = [
        _Grid(one, counted, everywhere, rows, features)
        for one, counted in zip(segments, current, strict=True)
        if counted and one.values
    ]
    tests = sum(grid.tests for grid in grids)
    if tests == 0 or min(features[0].n, rows) < rule.min_rows:
        return ()
    error = rule.family_error * SEGMENTS / tests
    found = [one for grid in grids for one in grid.moves(rule, error)]
    # Where a move is in some values alone, those of another column have more of it only because they have more of these rows.
    located = {one.feature for one in found if one.only}
    found = [one for one in found if one.only or one.feature not in located]
    largest = sorted(found, key=lambda one: (-one.psi, one.column, one.value, one.feature))
    return tuple(_with_sentences(largest))[:MAX_FOUND]


def value_codes(column: pd.Series, segments: Segments | ColumnValues) -> Codes:
    """The position of each row's value in `segments.values`, shape (rows,), -1 for a row with none of them."""
    if segments.kind == "numeric":
        places = {name: position for position, name in enumerate(segments.values)}
        apart = np.array([*(places.get(name, -1) for name in interval_names(segments.edges)), -1], dtype=np.int32)
        return np.asarray(apart[bin_codes(float_values(column), segments.edges)])
    codes = category_codes(column, segments.values)
    return np.where(codes < len(segments.values), codes, -1).astype(np.int32)


def two_way_counts(values: Codes, codes: Codes, segments: int, bins: int) -> Counts:
    """Rows with each value in each bin, shape (segments, bins); rows with the code -1 in either are left out."""
    known = (values >= 0) & (codes >= 0)
    cells = values[known].astype(np.int64) * bins + codes[known]
    return np.bincount(cells, minlength=segments * bins).reshape(segments, bins)


class _Grid:
    """One column's values by every feature's bins, of the reference and of the current rows."""

    def __init__(
        self,
        segments: Segments,
        current: SegmentCounts,
        everywhere: Sequence[Counts],
        rows: int,
        features: Sequence[FeatureProfile],
    ) -> None:
        self._segments, self._features = segments, features
        self._rows, self._current_rows = current.rows, rows
        self._current, self._everywhere = current.bins, everywhere
        self._compared = self._rows >= MIN_ROWS
        # By a feature's position; the column's own bins would say nothing but how many rows have the value.
        self._reference = {
            at: np.array([bins[at] for bins in segments.counts])
            for at, one in enumerate(features)
            if one.name != segments.column
        }

    @property
    def tests(self) -> int:
        """How many pairs of a value and a feature are compared."""
        return int(np.count_nonzero(self._compared)) * len(self._reference)

    def moves(self, rule: DriftRule, error: float) -> Iterator[SegmentDrift]:
        """What moved in some of the values, by features; `error` is what each test is allowed."""
        for at in self._reference:
            yield from self._moves_of(at, rule, error)

    def _moves_of(self, at: int, rule: DriftRule, error: float) -> Iterator[SegmentDrift]:
        reference, current = self._reference[at], self._current[at]
        psi = psi_terms(reference, current).sum(axis=-1)
        screened = _screen(reference, current, psi) & self._compared & (psi >= rule.warn)
        candidates = sorted(np.flatnonzero(screened).tolist(), key=lambda value: -psi[value])
        p_values = {}
        for value in self._standing_out(at, candidates, psi):
            chance = null_distribution(tuple(reference[value].tolist()), int(current[value].sum()))
            p_value = chance.p_value(float(psi[value]))
            if p_value <= error:
                p_values[value] = p_value
        moved = self._standing_out(at, list(p_values), psi)
        if not moved:
            return
        elsewhere, is_stable = self._elsewhere(at, moved, rule)
        for value in moved:
            yield self._describe(at, value, float(psi[value]), elsewhere, p_values[value], is_stable, rule, error)

    def _standing_out(self, at: int, values: list[int], psi: Floats) -> list[int]:
        """As many of `values`, from the largest PSI on, as are half of the rows at most and moved far more than the rest."""
        reference = np.asarray(self._features[at].counts) - np.cumsum(self._reference[at][values], axis=0)
        current = self._everywhere[at] - np.cumsum(self._current[at][values], axis=0)
        rest = psi_terms(reference, current).sum(axis=-1)
        few = np.cumsum(self._rows[values]) <= self._current_rows / 2
        few &= (
            np.minimum(reference.sum(axis=-1), current.sum(axis=-1)) >= MIN_ROWS
        )  # else there is nothing to stand out from
        stands_out = np.flatnonzero(few & (psi[values] >= CONTRAST * rest))
        return values[: int(stands_out[-1]) + 1] if len(stands_out) else []

    def _elsewhere(self, at: int, moved: list[int], rule: DriftRule) -> tuple[float, bool]:
        """The PSI of all rows with none of the `moved` values, and whether it is what chance gives."""
        reference = np.asarray(self._features[at].counts) - self._reference[at][moved].sum(axis=0)
        current = self._everywhere[at] - self._current[at][moved].sum(axis=0)
        psi = float(psi_terms(reference, current).sum())
        chance = null_distribution(tuple(reference.tolist()), int(current.sum()))
        limit = chance.threshold(psi_error(rule.family_error, len(self._features) + 1))
        return psi, psi < max(rule.effect_floor, limit)

    def _describe(
        self,
        at: int,
        value: int,
        psi: float,
        elsewhere: float,
        p_value: float,
        only: bool,
        rule: DriftRule,
        error: float,
    ) -> SegmentDrift:
        share = int(self._rows[value]) / self._current_rows
        return SegmentDrift(
            column=self._segments.column,
            value=self._segments.values[value],
            feature=self._features[at].name,
            rows=int(self._rows[value]),
            share=share,
            psi=psi,
            psi_elsewhere=elsewhere,
            p_value=p_value,
            error=error,
            only=only,
            status="alert" if psi >= rule.alert and share >= ALERT_SHARE else "warn",
            reason="",
        )


def _with_sentences(found: Sequence[SegmentDrift]) -> Iterator[SegmentDrift]:
    """The same moves, each with the sentence of all that moved in the same values: one feed has many features."""
    features: dict[tuple[str, str, bool], list[str]] = {}
    for one in found:
        features.setdefault((one.column, one.value, one.only), []).append(one.feature)
    order = list(dict.fromkeys(one.feature for one in found))
    together = {place: tuple(sorted(names, key=order.index)) for place, names in features.items()}
    shares: dict[tuple[str, bool, tuple[str, ...]], dict[str, float]] = {}
    for one in found:
        names = together[one.column, one.value, one.only]
        shares.setdefault((one.column, one.only, names), {})[one.value] = one.share
    for one in found:
        names = together[one.column, one.value, one.only]
        yield replace(one, reason=_sentence(one, names, shares[one.column, one.only, names])[:MAX_SENTENCE])


def _sentence(one: SegmentDrift, features: Sequence[str], shares: Mapping[str, float]) -> str:
    names = _listed([f"`{cut_middle(name, MAX_NAME)}`" for name in features])
    values = _listed([cut_middle(value, MAX_NAME) for value in shares])
    where = f"in `{cut_middle(one.column, MAX_NAME)}` = {values}, {100 * sum(shares.values()):.2g} % of rows"
    return f"{names}: only {where}; elsewhere stable" if one.only else f"{names}: far more {where}, than elsewhere"


def _listed(names: Sequence[str]) -> str:
    more = [f"{len(names) - MAX_NAMED:,} more"] if len(names) > MAX_NAMED else []
    *first, last = [*names[:MAX_NAMED], *more]
    return f"{', '.join(first)} and {last}" if first else last


def _screen(reference: Counts, current: Counts, psi: Floats) -> NDArray[np.bool_]:
    """Which rows of counts are worth simulating their null distribution, by the chi-square that it is near."""
    before, now = reference.sum(axis=-1), current.sum(axis=-1)
    bins = np.count_nonzero(reference + current, axis=-1)
    measured = (before > 0) & (now > 0)
    scaled = psi / np.where(measured, 1 / np.maximum(before, 1) + 1 / np.maximum(now, 1), 1.0)
    return np.asarray(measured & (scipy_special().chdtrc(np.maximum(bins - 1, 1), scaled) <= SCREENED))
