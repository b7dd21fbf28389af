"""From values to what the model computes with and to the bins that they fall into."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.refusals import Problem
from app.row_reader import Row
from pipeline.core.data.schema import Feature, Schema
from pipeline.core.drift.frozen_bins import FeatureProfile, Profile

NAN = float("nan")


@dataclass(frozen=True)
class Column:
    """A feature and where its bins stand among all: `start`, and `missing`, the last."""

    feature: Feature
    integer: bool
    codes: dict[str | None, int] | None  # of categories; None for numbers
    edges: list[float]
    start: int
    missing: int


@dataclass(frozen=True)
class EncodedRow:
    """One row: values for the model (NaN for missing), a bin for each value that has one, and features unseen."""

    values: list[float]
    bins: list[int]
    unseen: list[int]
    fractions: list[int]


@dataclass(frozen=True)
class EncodedRows:
    """Rows: `values` float32 of shape (rows, features), rows in each bin, and (row, feature) of what is not taken."""

    values: NDArray[np.float32]
    bin_rows: NDArray[np.float64]
    unseen: list[tuple[int, int]]
    fractions: list[tuple[int, int]]


class Encoder:
    """Bins are right-closed and compared in float64 with the value as it was given, as in `psi.bin_counts`.

    The model gets float32, as in training; the drift run counts the values before that rounding, and so does this.
    """

    def __init__(self, schema: Schema, profile: Profile) -> None:
        self.columns: list[Column] = []
        start = 0
        for feature, bins in zip(schema.features, profile.features, strict=False):
            self.columns.append(_column(feature, bins, start))
            start += len(bins.counts)
        self.score_start = start
        self.score_edges = list(profile.features[-1].edges)
        self.bins = start + len(profile.features[-1].counts)
        self._plan = [(one.codes, one.integer, one.edges, one.start, one.missing) for one in self.columns]

    def one(self, row: Row) -> EncodedRow:
        """Encode a row."""
        values: list[float] = []
        bins: list[int] = []
        unseen: list[int] = []
        fractions: list[int] = []
        for place, (value, (codes, integer, edges, start, missing)) in enumerate(zip(row, self._plan, strict=True)):
            if value is None:
                values.append(NAN)
                bins.append(missing)
            elif codes is None:
                number: float = value  # type: ignore[assignment]
                if integer and number % 1.0:
                    fractions.append(place)
                values.append(number)
                bins.append(start + bisect_left(edges, number))
            else:
                code = codes.get(value)  # type: ignore[arg-type]
                if code is None:
                    unseen.append(place)
                    values.append(NAN)
                else:
                    values.append(code)
                    bins.append(start + code)
        return EncodedRow(values, bins, unseen, fractions)

    def many(self, rows: Sequence[Row]) -> EncodedRows:
        """Encode rows column by column."""
        n = len(rows)
        values = np.empty((n, len(self.columns)), dtype=np.float32)
        bins = np.empty((len(self.columns), n), dtype=np.intp)
        unseen: list[tuple[int, int]] = []
        fractions: list[tuple[int, int]] = []
        for place, (column, given) in enumerate(zip(self.columns, zip(*rows, strict=True), strict=True)):
            if column.codes is None:
                numbers = np.array(given, dtype=np.float64)  # None becomes NaN
                bins[place] = _number_bins(numbers, column)
                values[:, place] = numbers
                if column.integer:
                    fractions += [(row, place) for row in np.flatnonzero(numbers % 1.0 > 0.0).tolist()]
            else:
                known = column.codes.get
                codes: NDArray[np.intp] = np.array([known(one, -1) for one in given], dtype=np.intp)
                absent = codes < 0
                bins[place] = np.where(absent, self.bins, codes + column.start)
                values[:, place] = np.where(absent | (codes == column.missing - column.start), NAN, codes)
                unseen += [(row, place) for row in np.flatnonzero(absent).tolist()]
        # One bin more than there are takes the unseen values, which belong to none.
        counted = np.bincount(bins.ravel(), minlength=self.bins + 1)[: self.bins]
        return EncodedRows(values, counted.astype(np.float64), unseen, fractions)

    def score_bin(self, score: float) -> int:
        """The place of a score's bin."""
        return self.score_start + bisect_left(self.score_edges, score)

    def count_scores(self, scores: NDArray[np.float64], bin_rows: NDArray[np.float64]) -> None:
        """Add the rows in each of the score's bins to `bin_rows`."""
        places = np.searchsorted(self.score_edges, scores, side="left")
        bin_rows[self.score_start :] += np.bincount(places, minlength=self.bins - self.score_start)

    def problem(self, place: int, loc: tuple[str | int, ...], *, unseen: bool) -> Problem:
        """Why the value of a feature is not taken."""
        feature = self.columns[place].feature
        message = "not one of the categories of the training rows" if unseen else "expected a whole number"
        return Problem((*loc, feature.name), message)


def _column(feature: Feature, bins: FeatureProfile, start: int) -> Column:
    codes: dict[str | None, int] | None = None
    if feature.kind == "categorical":
        codes = {category: code for code, category in enumerate(feature.categories)}
        codes[None] = len(feature.categories)
    missing = start + len(bins.counts) - 1
    return Column(feature, feature.integer and codes is None, codes, list(bins.edges), start, missing)


def _number_bins(numbers: NDArray[Any], column: Column) -> NDArray[np.intp]:
    """NaN sorts after every edge, into the last bin but one; one further is the bin of missing values."""
    places = np.searchsorted(np.asarray(column.edges), numbers, side="left")
    return np.asarray(places + np.isnan(numbers) + column.start, dtype=np.intp)
