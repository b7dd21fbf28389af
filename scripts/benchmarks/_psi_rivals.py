"""The data and every other way to the same number; each takes two frames and returns PSI by column."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from lockgate.drift.psi import psi

BINS = 10
NUMERIC = [f"number_{position:02d}" for position in range(18)]
CATEGORICAL = [f"category_{position}" for position in range(5)]
Edges = Mapping[str, np.ndarray]


def sample(rows: int, seed: int, shift: float) -> pd.DataFrame:
    """18 numbers (normal, log-normal, uniform, whole, mostly zero; four with 5 % missing) and 5 categories."""
    random = np.random.default_rng(seed)
    columns: dict[str, object] = {}
    for position, name in enumerate(NUMERIC):
        values = random.normal(loc=shift * (position % 3 == 0), size=rows)
        if 8 <= position < 13:
            values = np.exp(values)
        elif position == 13:
            values = random.random(rows)
        elif position == 14:
            values = np.round(700 + 60 * values)
        elif position == 15:
            values = random.poisson(12, rows).astype(np.float64)
        elif position == 16:
            values = np.where(random.random(rows) < 0.6, 0.0, np.exp(values))
        if position % 5 == 1:
            values[random.random(rows) < 0.05] = np.nan
        columns[name] = values
    for position, name in enumerate(CATEGORICAL):
        levels = 3 + 3 * position
        weights = 1.0 / np.arange(1, levels + 1)
        codes = random.choice(levels, rows, p=weights / weights.sum())
        columns[name] = pd.Categorical.from_codes(codes, [f"level {level:02d}" for level in range(levels)])
    return pd.DataFrame(columns)


def quantile_edges(values: np.ndarray) -> np.ndarray:
    """Deciles by numpy, of the definition that ours has."""
    present = values[~np.isnan(values)]
    return np.unique(np.quantile(present, np.arange(1, BINS) / BINS, method="inverted_cdf"))


def categories_by_pandas(before: pd.Series, now: pd.Series) -> float:
    """PSI of a categorical column by `value_counts`."""
    rows = [column.value_counts(sort=False, dropna=False) for column in (before, now)]
    missing = [int(column.isna().sum()) for column in (before, now)]
    levels = before.cat.categories
    return psi(*([*counts.reindex(levels).to_numpy(), nothing] for counts, nothing in zip(rows, missing, strict=True)))


def cut_loop(before: pd.DataFrame, now: pd.DataFrame) -> dict[str, float]:
    """The usual loop: quantiles, then `pandas.cut` and `value_counts` of both samples, column by column."""

    def counts(values: pd.Series, edges: np.ndarray) -> list[int]:
        cut = pd.cut(values, [-np.inf, *edges, np.inf])
        return [*cut.value_counts(sort=False), int(values.isna().sum())]

    found = {}
    for name in NUMERIC:
        edges = quantile_edges(before[name].to_numpy())
        found[name] = psi(counts(before[name], edges), counts(now[name], edges))
    return found | {name: categories_by_pandas(before[name], now[name]) for name in CATEGORICAL}


def searchsorted_counts(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Right-closed counts by binary search; NaN sorts behind everything and is counted apart."""
    missing = np.isnan(values)
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    counts[-1] -= missing.sum()
    return np.append(counts, missing.sum())


def searchsorted(before: pd.DataFrame, now: pd.DataFrame) -> dict[str, float]:
    """Numpy's quantiles and `searchsorted` of both samples."""
    found = {}
    for name in NUMERIC:
        first, second = before[name].to_numpy(), now[name].to_numpy()
        edges = quantile_edges(first)
        found[name] = psi(searchsorted_counts(first, edges), searchsorted_counts(second, edges))
    return found | {name: categories_by_pandas(before[name], now[name]) for name in CATEGORICAL}


def evidently_report(before: pd.DataFrame, now: pd.DataFrame) -> object:
    """Evidently's own drift calculation with its PSI for every column; no page is written."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        definition = DataDefinition(numerical_columns=NUMERIC, categorical_columns=CATEGORICAL)
        sides = (Dataset.from_pandas(side, data_definition=definition) for side in (now, before))
        return Report([DataDriftPreset(method="psi")]).run(*sides)


def evidently_statistic(before: pd.DataFrame, now: pd.DataFrame) -> object:
    """Nothing but the function in Evidently that computes PSI, called for every column; it drops missing values."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently.legacy.calculations.stattests.psi import _psi
        from evidently.legacy.core import ColumnType

        kinds = dict.fromkeys(NUMERIC, ColumnType.Numerical) | dict.fromkeys(CATEGORICAL, ColumnType.Categorical)
        return {name: _psi(before[name].dropna(), now[name].dropna(), kind, 0.1)[0] for name, kind in kinds.items()}


def compiled_loop() -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """The counting loop compiled by numba: every edge over a chunk that stays in the cache, without masks or copies."""
    import numba

    @numba.njit(nogil=True)
    def count(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
        above = np.zeros(len(edges) + 2, dtype=np.int64)
        for start in range(0, len(values), 2_048):
            chunk = values[start : start + 2_048]
            present = 0
            for row in range(chunk.size):  # an index and a branch: the form that numba turns into vector instructions
                if chunk[row] == chunk[row]:
                    present += 1
            above[0] += present
            for position in range(len(edges)):
                cut, over = edges[position], 0
                for row in range(chunk.size):
                    if chunk[row] > cut:
                        over += 1
                above[position + 1] += over
        counts = np.empty(len(edges) + 2, dtype=np.int64)
        for position in range(len(edges) + 1):
            counts[position] = above[position] - above[position + 1]
        counts[-1] = len(values) - above[0]
        return counts

    return count


def compiled_codes() -> Callable[[np.ndarray, int], np.ndarray]:
    """Categories' codes counted by numba, missing (-1) last."""
    import numba

    @numba.njit(nogil=True)
    def count(codes: np.ndarray, levels: int) -> np.ndarray:
        counts = np.zeros(levels + 1, dtype=np.int64)
        for code in codes:
            counts[code] += 1
        return counts

    return count
