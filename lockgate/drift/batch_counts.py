"""What measuring drift has to know of a batch: counts, which add up over the parts of a table, and a few numbers a row.

A table in memory is one part. What is measured is the same however its rows are cut into parts: counts are integers, the sample of
rows depends on what they hold (`cells`), and what is made of scores and labels does not depend on their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lockgate.config.errors import InputError
from lockgate.documents.profile_json import SCORE, FeatureProfile, PairCounts, Segments
from lockgate.drift.bins import CategoryCounts, Floats, float_values, merged_categories
from lockgate.drift.cells import CellCounts, merged_cells
from lockgate.drift.feature_pairs import pair_cells
from lockgate.drift.profile import count_rows, map_threads, row_codes
from lockgate.drift.segments import SegmentCounts, count_segments
from lockgate.metrics.sorted_rows import Numbers


@dataclass(frozen=True)
class CountedColumns:
    """Which columns of a batch are counted, and how: the features, the score's bins last where rows have scores; the columns whose
    values are counted apart; the pairs of features, None where the leaves of a model are counted; and the column of labels."""

    features: tuple[FeatureProfile, ...]
    segments: tuple[Segments, ...] = ()
    pairs: PairCounts | None = None
    target: str | None = None


@dataclass(frozen=True)
class FeatureCounts:
    """Rows in a feature's bins; where all numbers are in one bin, `ends` are the least and the greatest of them."""

    found: CategoryCounts
    ends: tuple[float, float] | None = None


@dataclass(frozen=True)
class BatchCounts:
    """A batch of `rows`, counted. `cells` are those of the model's leaves, or of the pairs of features.

    `segments` has None for a column that the batch lacks. `scores` and `labels` (0, 1, or NaN where not known) are those of the
    rows in their order, None where there are none, in the fewest bits that hold them: labels in 16, and 32 hold what ONNX gives.
    """

    rows: int
    features: tuple[FeatureCounts, ...]
    segments: tuple[SegmentCounts | None, ...]
    cells: CellCounts | None
    scores: Numbers | None
    labels: Numbers | None


def count_batch(
    columns: CountedColumns,
    rows: pd.DataFrame,
    scores: ArrayLike | None,
    leaves: CellCounts | None = None,
    threads: int = 1,
) -> BatchCounts:
    """The rows, which have the `columns`, in any order; `leaves` are their cells where a model has leaves.

    Raises InputError naming a column that is absent, that no longer holds numbers, or that holds labels other than 0 and 1.
    """
    values = None if scores is None else np.asarray(scores, dtype=np.float64)
    counted = count_rows(columns.features, rows, values, threads)
    plain = [one for one in columns.features if one.kind != SCORE]
    cells, segments = leaves, tuple[SegmentCounts | None, ...](None for _ in columns.segments)
    if columns.segments or columns.pairs:
        codes = row_codes(plain, rows, threads)
        widths = [len(one.counts) for one in plain]

        def count(segment: Segments) -> SegmentCounts | None:
            there = segment.column in rows.columns
            return count_segments(segment, rows[segment.column], codes, widths) if there else None

        segments = tuple(map_threads(count, columns.segments, threads))
        if columns.pairs:
            # A value of no bin is to the model as a missing one, whose bin is the last.
            known = [np.where(found < 0, width - 1, found) for found, width in zip(codes, widths, strict=True)]
            cells = pair_cells(columns.pairs, dict(zip([one.name for one in plain], known, strict=True)))
    return BatchCounts(
        rows=len(rows),
        features=tuple(
            _with_ends(feature, found, rows, values) for feature, found in zip(columns.features, counted, strict=True)
        ),
        segments=segments,
        cells=cells,
        scores=None if values is None else _narrow(values),
        labels=_labels(rows, columns.target),
    )


def merged_counts(parts: Iterable[BatchCounts]) -> BatchCounts | None:
    """All parts of a batch together, None where there is none; a part may lack labels that others have.

    The parts are taken one after the other, and nothing is kept of them but their sums and the numbers of their rows.
    """
    together: BatchCounts | None = None
    rows, scores, labels = list[int](), list[Numbers | None](), list[Numbers | None]()
    for part in parts:
        rows.append(part.rows)
        scores.append(part.scores)
        labels.append(part.labels)
        together = part if together is None else _sum(together, part)
    if together is None:
        return None
    return replace(together, scores=_joined(scores, rows), labels=_joined(labels, rows))


def _sum(one: BatchCounts, other: BatchCounts) -> BatchCounts:
    """Both together, without the numbers of their rows."""
    cells = [counted for counted in (one.cells, other.cells) if counted is not None]
    return BatchCounts(
        rows=one.rows + other.rows,
        features=tuple(map(_merged_features, zip(one.features, other.features, strict=True))),
        segments=tuple(a and b and a + b for a, b in zip(one.segments, other.segments, strict=True)),
        cells=merged_cells(cells) if cells else None,
        scores=None,
        labels=None,
    )


def _merged_features(parts: Sequence[FeatureCounts]) -> FeatureCounts:
    found = merged_categories([one.found for one in parts])
    ends = [one.ends for one in parts if one.ends]
    if not ends or not _is_in_one_bin(found):
        return FeatureCounts(found)
    return FeatureCounts(found, (min(least for least, _ in ends), max(most for _, most in ends)))


def _with_ends(
    feature: FeatureProfile, found: CategoryCounts, rows: pd.DataFrame, scores: Floats | None
) -> FeatureCounts:
    if feature.kind == "categorical" or not _is_in_one_bin(found):
        return FeatureCounts(found)
    numbers = float_values(rows[feature.name]) if feature.kind != SCORE else np.asarray(scores)
    return FeatureCounts(found, (float(np.nanmin(numbers)), float(np.nanmax(numbers))))


def _is_in_one_bin(found: CategoryCounts) -> bool:
    return int(np.count_nonzero(found.counts[:-1])) == 1


def _narrow(values: Floats) -> Numbers:
    """The same numbers in 32 bits each, if those hold every one."""
    narrow = values.astype(np.float32)
    return narrow if np.array_equal(narrow, values) else values


def _joined(parts: Sequence[Numbers | None], rows: Sequence[int]) -> Numbers | None:
    """The numbers of all rows, NaN for those of a part that has none; None where no part has any."""
    if all(part is None for part in parts):
        return None
    return np.concatenate(
        [np.full(size, np.nan, np.float16) if part is None else part for part, size in zip(parts, rows, strict=True)]
    )


def _labels(rows: pd.DataFrame, target: str | None) -> Numbers | None:
    if target is None or target not in rows.columns:
        return None
    labels = float_values(rows[target])
    wrong = ~(np.isnan(labels) | (labels == 0.0) | (labels == 1.0))
    if wrong.any():
        raise InputError(
            f"the current data's labels in column {target} hold {int(wrong.sum()):,} values other than 0, 1 and missing; "
            "run `lockgate prepare` on the batch, or leave the column out"
        )
    return labels.astype(np.float16)
