"""Labels, scores and weights, checked once and brought into an order that does not depend on the order of the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lockgate.config.errors import InputError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True)
class Tally:
    """Everything a metric needs to know of a scored sample, one entry a distinct score, ascending.

    `positive` and `negative` are sums of weights, `squared` of squared weights, `rows` counts of rows.
    """

    score: Floats
    positive: Floats
    negative: Floats
    squared: Floats
    rows: Integers
    positives: int

    @property
    def n(self) -> int:
        """Rows of positive weight."""
        return int(self.rows.sum())

    @property
    def weight(self) -> Floats:
        """Weight of both classes at each distinct score."""
        return self.positive + self.negative


def tally(y_true: ArrayLike, y_score: ArrayLike, weight: ArrayLike | None = None, *, probability: bool = True) -> Tally:
    """Group a scored sample by distinct score; shuffled rows give the same bits.

    Raises InputError as `checked` does.
    """
    label, (score,), row_weight = checked(y_true, (y_score,), weight, probability=probability)
    if row_weight is None:  # sums of ones are exact in any order, so the cheaper sort will do
        order = np.argsort(score)
        row_weight = np.ones(len(score))
    else:
        order = np.lexsort((row_weight, label, score))
    score, label, row_weight = score[order], label[order], row_weight[order]
    del order
    starts = group_starts(score)
    rows, score = np.diff(starts, append=len(score)), score[starts]
    mass = np.where(label, row_weight, 0.0)
    positive = np.add.reduceat(mass, starts)
    np.subtract(
        row_weight, mass, out=mass
    )  # whoever judges millions of rows has room for few columns of them at a time
    negative = np.add.reduceat(mass, starts)
    np.multiply(row_weight, row_weight, out=mass)
    squared = np.add.reduceat(mass, starts)
    return Tally(score, positive, negative, squared, rows, int(label.sum()))


def group_starts(ordered: NDArray[Any]) -> Integers:
    """Where each group of equal values begins in ordered ones, of which there is at least one."""
    return np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))


def equal_mass_bins(rows: Tally, bins: int) -> Integers:
    """The bin, 0 to `bins` - 1, of each distinct score: the one in which the middle of its mass falls.

    Equal scores share a bin, so bins of tied scores are unequal and may be empty. Without ties and weights, and with
    n a multiple of `bins`, every bin holds n / `bins` rows.
    """
    mass = rows.weight
    end = np.cumsum(mass)
    middle = (end - mass / 2) * bins / end[-1]  # multiplied first: exact where it is a whole number
    chosen: Integers = np.minimum(middle.astype(np.int64), bins - 1)
    return chosen


def checked(
    y_true: ArrayLike, scores: tuple[ArrayLike, ...], weight: ArrayLike | None, *, probability: bool
) -> tuple[Booleans, tuple[Floats, ...], Floats | None]:
    """Labels as booleans, scores and weights as float64, rows of weight zero left out (as scikit-learn does).

    Weights are scaled by a power of two, which changes no metric by a bit and keeps sums finite.
    Raises InputError, naming the argument and how to fix it: no rows, lengths that differ, labels other than 0 and 1,
    one class only, scores that are missing, infinite or (with `probability`) outside 0..1, weights that are
    missing, infinite, negative or all zero.
    """
    label = _numbers(y_true, "y_true")
    columns = [_numbers(score, "y_score") for score in scores]
    row_weight = None if weight is None else _numbers(weight, "weight")
    _check_lengths(label, columns, row_weight)
    refuse(~((label == 0) | (label == 1)), "y_true", "other than 0 and 1", "code the target as 0 and 1")
    for column in columns:
        refuse(~np.isfinite(column), "y_score", "missing or infinite", "score every row")
        if probability:
            refuse((column < 0) | (column > 1), "y_score", "outside 0..1", "give probabilities of the positive class")
    positive = label == 1
    if row_weight is not None:
        refuse(~np.isfinite(row_weight), "weight", "missing or infinite", "weigh every row")
        refuse(row_weight < 0, "weight", "negative", "weights are zero or more")
        if not row_weight.any():
            raise InputError("weight is zero in every row; give at least one row of each class a weight")
        row_weight = np.ldexp(row_weight, -np.frexp(row_weight.max())[1])
        kept = row_weight > 0
        positive, row_weight, columns = positive[kept], row_weight[kept], [column[kept] for column in columns]
    if positive.all() or not positive.any():
        raise InputError(f"y_true holds one class only ({int(positive[0])}); a sample with both classes is needed")
    return positive, tuple(column + 0.0 for column in columns), row_weight  # + 0.0 turns -0.0 into 0.0


def _numbers(values: ArrayLike, name: str) -> Floats:
    array = np.asarray(values)
    try:
        if array.dtype.kind not in "biufO":
            raise TypeError
        numbers: Floats = array.astype(np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} is not a column of numbers; give numbers without missing values") from None
    if numbers.ndim != 1:
        raise InputError(f"{name} has {numbers.ndim} dimensions; give one number a row")
    return numbers


def _check_lengths(label: Floats, columns: list[Floats], weight: Floats | None) -> None:
    if not len(label):
        raise InputError("y_true has no rows; give at least one row of each class")
    named = [("y_score", column) for column in columns] + ([] if weight is None else [("weight", weight)])
    for name, column in named:
        if len(column) != len(label):
            raise InputError(f"{name} has {len(column)} rows and y_true has {len(label)}; give one value a row")


def refuse(wrong: Booleans, name: str, what: str, how_to_fix: str) -> None:
    """Raises InputError where a value of the argument `name` is wrong."""
    if wrong.any():
        count = int(wrong.sum())
        values = "value" if count == 1 else "values"
        raise InputError(f"{name} holds {count} {values} {what}, the first in row {int(wrong.argmax())}; {how_to_fix}")
