"""Where a feature moved: its bins, counted in the rows of each value of a few columns, frozen and compared value by value.

A value is compared with the training rows of the same value, so that a batch with more rows of one region is no move of the
features that differ between regions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lockgate.documents.profile_json import FeatureProfile, Segments, interval_names
from lockgate.documents.schema_json import Kind
from lockgate.drift.bins import Codes, Counts, bin_codes, bin_edges, category_codes, float_values

MAX_COLUMNS = 5
MAX_VALUES = 20  # of a column
MIN_ROWS = 30  # with a value, on either side: of fewer, most bins are empty
BANDS = 5  # of a column of numbers, as the gate slices it
MAX_COUNTS = 100_000  # numbers in all segments of a profile: half a megabyte of JSON


def freeze_segments(
    table: pd.DataFrame,
    columns: Mapping[str, Kind],
    features: Sequence[FeatureProfile],
    codes: Sequence[Codes],
) -> tuple[Segments, ...]:
    """The two-way counts of the first `MAX_COLUMNS` columns with the features, whose bins' `codes` are those of the table's rows.

    Of each column the values with the most rows are counted apart, and of all columns as many as `MAX_COUNTS` has room for.
    """
    widths = [len(one.counts) for one in features]
    room = MAX_COUNTS // max(1, sum(widths))
    drafts = [_draft(table[name], kind) for name, kind in list(columns.items())[:MAX_COLUMNS]]
    most = sorted((-draft.rows[at], place, at) for place, draft in enumerate(drafts) for at in draft.kept)[:room]
    frozen = []
    for place, draft in enumerate(drafts):
        kept = sorted(at for _, of, at in most if of == place)
        apart = np.full(len(draft.names) + 1, -1, dtype=np.int32)  # the last is for rows without a value
        apart[kept] = np.arange(len(kept))
        values = apart[draft.codes]
        counted = [two_way_counts(values, one, len(kept), width) for one, width in zip(codes, widths, strict=True)]
        frozen.append(
            Segments(
                column=draft.column,
                kind=draft.kind,
                edges=draft.edges,
                values=tuple(draft.names[at] for at in kept),
                left_out=sum(rows > 0 for rows in draft.rows) - len(kept),
                rows=tuple(draft.rows[at] for at in kept),
                counts=tuple(tuple(tuple(found[at].tolist()) for found in counted) for at in range(len(kept))),
            )
        )
    return tuple(frozen)


def value_codes(column: pd.Series, segments: Segments) -> Codes:
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


@dataclass(frozen=True)
class _Draft:
    """A column before it is decided which of its values are counted apart; the last of its codes is for rows without a value."""

    column: str
    kind: Kind
    edges: tuple[float, ...]
    names: Sequence[str]
    codes: Codes
    rows: list[int]

    @property
    def kept(self) -> list[int]:
        """The positions of the values with the most rows, as many as a column may have."""
        enough = [at for at, rows in enumerate(self.rows) if rows >= MIN_ROWS]
        return sorted(enough, key=lambda at: -self.rows[at])[:MAX_VALUES]


def _draft(column: pd.Series, kind: Kind) -> _Draft:
    edges: tuple[float, ...] = ()
    if kind == "numeric":
        numbers = float_values(column)
        edges = tuple(bin_edges(numbers, BANDS).tolist())
        names: Sequence[str] = interval_names(edges)
        codes = bin_codes(numbers, edges)
    else:
        names = sorted(map(str, column.dropna().unique()))
        codes = category_codes(column, names)
    rows = np.bincount(codes, minlength=len(names) + 1)[:-1].tolist()
    return _Draft(str(column.name), kind, edges, names, codes, rows)
