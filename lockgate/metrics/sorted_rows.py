"""Scores in ascending order, gone through a block at a time: what they need beside themselves is a sorted copy and a block.

Sums over a sample of one block have the bits of sums over arrays of all its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import fsum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lockgate.metrics.scored import Booleans, Floats, Integers, group_starts, refuse

BLOCK = 2**18  # rows; a column of them is two megabytes

# Half of the memory where 32 bits hold every score, a quarter where 16 hold every label.
Numbers = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class ScoreCounts:
    """Distinct scores of a block, ascending, with the rows of each class at them, and the rows in blocks of lower scores."""

    score: Floats
    positive: Floats
    negative: Floats
    positive_below: int
    negative_below: int

    @property
    def negative_beaten(self) -> Floats:
        """Negatives of the sample that each score beats, ties counting half."""
        beaten: Floats = self.negative_below + (np.cumsum(self.negative) - self.negative / 2)
        return beaten

    @property
    def positive_up_to(self) -> Floats:
        """Positives of the sample with at most each score."""
        found: Floats = self.positive_below + np.cumsum(self.positive)
        return found

    @property
    def negative_up_to(self) -> Floats:
        """Negatives of the sample with at most each score."""
        found: Floats = self.negative_below + np.cumsum(self.negative)
        return found


@dataclass(frozen=True)
class SortedRows:
    """Rows whose label is known, in ascending order of score; of equal scores the negatives come first."""

    score: Numbers
    label: Booleans

    @property
    def rows(self) -> int:
        return len(self.label)

    @property
    def positives(self) -> int:
        return int(np.count_nonzero(self.label))

    @property
    def negatives(self) -> int:
        return self.rows - self.positives

    def counts(self) -> Iterator[ScoreCounts]:
        """All rows, a block at a time."""
        positive_below = negative_below = 0
        for part in tied_blocks(self.score):
            starts = group_starts(self.score[part])
            rows = np.diff(starts, append=part.stop - part.start)
            positive = np.add.reduceat(self.label[part], starts, dtype=np.int64)
            yield ScoreCounts(
                score=distinct_scores(self.score[part], starts),
                positive=positive.astype(np.float64),
                negative=(rows - positive).astype(np.float64),
                positive_below=positive_below,
                negative_below=negative_below,
            )
            positive_below += int(positive.sum())
            negative_below += int((rows - positive).sum())


def sorted_rows(labels: ArrayLike, scores: ArrayLike) -> SortedRows:
    """Rows with a label of 0 or 1, and a probability each; those whose label is NaN are left out. The same for shuffled rows.

    Raises InputError for other labels, and where a score of any row is no probability.
    """
    label, score = as_floats(labels), as_floats(scores)
    refuse(
        ~((label == 0) | (label == 1) | np.isnan(label)), "y_true", "other than 0 and 1", "code the target as 0 and 1"
    )
    refuse(~((score >= 0) & (score <= 1)), "y_score", "outside 0..1", "give probabilities of the positive class")
    negative, positive = (np.sort(score[label == value]) for value in (0, 1))
    place = np.searchsorted(negative, positive, side="right")
    place += np.arange(len(positive))
    is_positive = np.zeros(len(negative) + len(positive), dtype=np.bool_)
    is_positive[place] = True
    del place
    ordered = np.empty(len(is_positive), dtype=score.dtype)
    ordered[is_positive] = positive
    ordered[~is_positive] = negative
    return SortedRows(ordered, is_positive)


def as_floats(values: ArrayLike) -> Numbers:
    """The values themselves where they are floats of any width, else as float64."""
    column: Numbers = np.asarray(values)
    return column if column.dtype.kind == "f" else np.asarray(values, dtype=np.float64)


def blocks(rows: int) -> Iterator[slice]:
    """Slices of so many rows."""
    return (slice(start, min(start + BLOCK, rows)) for start in range(0, rows, BLOCK))


def tied_blocks(ordered: Numbers) -> Iterator[slice]:
    """Slices of ascending scores, none of them with a score that another has too."""
    start = 0
    while start < len(ordered):
        last = ordered[min(start + BLOCK, len(ordered)) - 1]
        stop = int(np.searchsorted(ordered, last, side="right"))
        yield slice(start, stop)
        start = stop


def distinct_scores(ordered: Numbers, starts: Integers) -> Floats:
    """The score of each group of equal ones."""
    return ordered[starts].astype(np.float64) + 0.0  # turns -0.0 into 0.0


def row_sums(of_rows: Callable[..., tuple[Floats, ...]], *columns: NDArray[Any]) -> tuple[float, ...]:
    """Sums over all rows of what `of_rows` makes of a block of the columns, which it is given as float64."""
    found = [
        [
            float(values.sum())
            for values in of_rows(*(column[part].astype(np.float64, copy=False) for column in columns))
        ]
        for part in blocks(len(columns[0]))
    ]
    return tuple(map(fsum, zip(*found, strict=True)))
