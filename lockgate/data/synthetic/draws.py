"""Random numbers that stay the same on every CPU and every numpy release, one independent stream a column.

Only the raw 64-bit output of PCG64 is used, which numpy promises never to change; `Generator`'s distributions carry no
such promise, and their rejection loops would let one last-bit difference shift every later draw. Everything else is an
inverse transform, one uniform a row.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Draws:
    """The random streams of one table: named columns of `rows` values, each independent of all others."""

    rows: int
    seed: int
    stream: str

    def uniform(self, name: str) -> FloatArray:
        """`rows` values in the open interval (0, 1), the same at each call with the same name."""
        entropy = hashlib.sha256(f"{self.seed}/{self.stream}/{name}".encode()).digest()
        raw = np.random.PCG64(int.from_bytes(entropy, "big")).random_raw(self.rows)
        return (np.asarray(raw >> np.uint64(12), dtype=np.float64) + 0.5) * 2.0**-52

    def normal(self, name: str) -> FloatArray:
        """`rows` standard normal values."""
        from scipy.special import ndtri

        return np.asarray(ndtri(self.uniform(name)), dtype=np.float64)

    def pick(self, name: str, weights: Mapping[str, FloatArray | float]) -> pd.Categorical:
        """`rows` categories; a weight is a number or one number a row; a row's weights may have any positive sum."""
        columns = [np.broadcast_to(np.asarray(weight, dtype=np.float64), self.rows) for weight in weights.values()]
        target = self.uniform(name) * np.sum(columns, axis=0)
        code = np.zeros(self.rows, dtype=np.int64)
        passed = np.zeros(self.rows)
        for column in columns[:-1]:
            passed = passed + column
            code += target > passed
        return categorical(code, weights)


def mixed(parts: Sequence[tuple[float, FloatArray]], noise: FloatArray) -> FloatArray:
    """A standard normal: loadings on independent standard normals, and `noise` for the variance they leave.

    The squared loadings must sum to less than 1.
    """
    left = 1.0 - sum(loading**2 for loading, _ in parts)
    total = noise * math.sqrt(left)
    for loading, factor in parts:
        total = total + loading * factor
    return total


def count(latent: FloatArray, shares: Sequence[float]) -> IntArray:
    """0, 1, 2, ... with these shares, rising with a standard normal `latent` (the last count takes what is left)."""
    from scipy.special import ndtri

    return np.asarray(np.searchsorted(ndtri(np.cumsum(shares)), latent), dtype=np.int64)


def categorical(codes: IntArray, names: Iterable[str]) -> pd.Categorical:
    """Categories from their positions in `names`."""
    return cast(pd.Categorical, pd.Categorical.from_codes(codes, categories=pd.Index(list(names))))


def per_category(categories: pd.Categorical, table: Mapping[str, float]) -> FloatArray:
    """The table's number for each row's category."""
    numbers = np.asarray([table[name] for name in categories.categories], dtype=np.float64)
    return np.asarray(numbers[np.asarray(categories.codes)], dtype=np.float64)


def rounded_to(values: FloatArray, step: float) -> FloatArray:
    """Whole multiples of a whole `step`."""
    return np.asarray(np.round(values / step) * step, dtype=np.float64)


def rounded(values: FloatArray, decimals: int) -> FloatArray:
    """Few enough decimals that a last-bit difference of `exp` on another CPU does not show."""
    return np.asarray(np.round(values, decimals), dtype=np.float64)
