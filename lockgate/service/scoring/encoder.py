"""From the values of a request to the model's input, and to the drift bins that they fall into."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lockgate.documents.profile_json import FeatureProfile, Profile
from lockgate.documents.schema_json import Feature, Schema
from lockgate.service.api.errors import Problem
from lockgate.service.api.request_validation import Row

NAN = float("nan")


@dataclass(frozen=True)
class Column:
    """A feature and where its bins stand among all: `start`, and `missing`, the last."""

    feature: Feature
    integer: bool
    codes: dict[str | None, int] | None  # of categories; None for numbers
    edges: list[float]
    cuts: NDArray[np.float64]  # the edges
    start: int
    missing: int


class EncodedRow(NamedTuple):
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
    """Bins are right-closed and compared in float64 with the value as it was given, as in `bins.bin_counts`.

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
        self._starts = np.array([[one.start] for one in self.columns], dtype=np.intp)
        self._integers = [place for place, one in enumerate(self.columns) if one.integer]
        self._categorical = np.array([[one.codes is not None] for one in self.columns])
        # The code that missing values of a categorical feature have meanwhile; NaN, equal to nothing, of numbers.
        self._missing_codes = np.array([[NAN if one.codes is None else one.codes[None]] for one in self.columns])
        self._plan = [(one.codes, one.integer, one.edges, one.start, one.missing) for one in self.columns]

    def encode_row(self, row: Row) -> EncodedRow:
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

    def encode_rows(self, rows: Sequence[Row]) -> EncodedRows:
        """Encode rows column by column: what costs a call is done for all rows of a column, or for all columns."""
        values = np.empty((len(self.columns), len(rows)))
        bins = np.empty(values.shape, dtype=np.intp)
        unseen: list[tuple[int, int]] = []
        for place, (column, given) in enumerate(zip(self.columns, zip(*rows, strict=True), strict=True)):
            if column.codes is None:
                values[place] = given  # None becomes NaN, which sorts after every edge
                bins[place] = column.cuts.searchsorted(values[place])
            else:
                codes = values[place] = bins[place] = _codes(given, column.codes)
                unseen += [(row, place) for row in np.flatnonzero(codes < 0).tolist()]
        missing = np.isnan(values)
        bins += missing  # the bin after the last
        bins += self._starts
        for row, place in unseen:
            bins[place, row] = self.bins  # one more than there are
        numbers = values[self._integers]
        fractional = (np.trunc(numbers) != numbers) & ~missing[self._integers]
        fractions = [(row, self._integers[place]) for place, row in np.argwhere(fractional).tolist()]
        values[(values == self._missing_codes) | (values < 0.0) & self._categorical] = NAN
        counted = np.bincount(bins.ravel(), minlength=self.bins + 1)[: self.bins]
        return EncodedRows(
            np.ascontiguousarray(values.T, dtype=np.float32), counted.astype(np.float64), unseen, fractions
        )

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
    return Column(
        feature, feature.integer and codes is None, codes, list(bins.edges), np.array(bins.edges), start, missing
    )


def _codes(given: Sequence[Any], codes: dict[str | None, int]) -> NDArray[np.intp]:
    """Codes of categories, -1 of those that have none."""
    try:
        return np.array(list(map(codes.__getitem__, given)), dtype=np.intp)
    except KeyError:
        return np.array([codes.get(one, -1) for one in given], dtype=np.intp)
