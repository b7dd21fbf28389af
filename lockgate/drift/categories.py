"""Rows per category of a column, with those that nobody had seen before kept apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lockgate.drift.psi import Counts

FEW_LEVELS = 20  # up to here comparing the one-byte codes with each level is faster than `bincount`


@dataclass(frozen=True)
class CategoryCounts:
    """Rows per known category with missing last, and rows per unknown value, most frequent first."""

    counts: Counts
    unseen: dict[str, int]


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


def _code_counts(codes: NDArray[Any], levels: int) -> Counts:
    """Rows with each code 0..levels-1; a missing value's -1 is left out."""
    if levels <= FEW_LEVELS:
        return np.array([np.count_nonzero(codes == level) for level in range(levels)], dtype=np.int64)
    return np.bincount(codes.astype(np.intp) + 1, minlength=levels + 1)[1:].astype(np.int64)
