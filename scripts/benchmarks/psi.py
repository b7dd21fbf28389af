"""PSI of two large samples and of one against a frozen profile, beside the other ways to compute it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from benchmarks import _psi_rivals as rivals
from benchmarks._timing import Timed, peak_megabytes, print_table, ratio, timed

from lockgate.drift.bins import bin_counts, bin_edges, category_counts
from lockgate.drift.profile import map_threads
from lockgate.drift.psi import psi

TARGET_ROWS = 1_000_000
TARGETS = {"Evidently": 50.0, "pandas.cut": 4.0, "numba": 3.0}
Counts = dict[str, np.ndarray]


def ours(before: pd.DataFrame, now: pd.DataFrame, threads: int) -> dict[str, float]:
    """Both samples, edges included."""

    def measure(name: str) -> float:
        if name in rivals.CATEGORICAL:
            levels = before[name].cat.categories.tolist()
            return psi(*(category_counts(side[name], levels).counts for side in (before, now)))
        first, second = before[name].to_numpy(), now[name].to_numpy()
        edges = bin_edges(first, rivals.BINS)
        return psi(bin_counts(first, edges), bin_counts(second, edges))

    names = [*rivals.NUMERIC, *rivals.CATEGORICAL]
    return dict(zip(names, map_threads(measure, names, threads), strict=True))


def count_with(
    now: pd.DataFrame, edges: rivals.Edges, count: Callable[[np.ndarray, np.ndarray], np.ndarray],
    count_codes: Callable[[pd.Series], np.ndarray], threads: int = 1,
) -> Counts:  # fmt: skip
    """The current sample in frozen bins."""

    def one(name: str) -> np.ndarray:
        return count(now[name].to_numpy(), edges[name]) if name in edges else count_codes(now[name])

    return dict(zip(now.columns, map_threads(one, list(now.columns), threads), strict=True))


def levels_by_ours(column: pd.Series) -> np.ndarray:
    """Counts by `category_counts`."""
    return category_counts(column, column.cat.categories.tolist()).counts


def levels_by_numpy(column: pd.Series) -> np.ndarray:
    """Counts by `numpy.bincount`, missing last."""
    return np.roll(np.bincount(column.cat.codes.to_numpy() + 1, minlength=len(column.cat.categories) + 1), -1)


def two_samples(before: pd.DataFrame, now: pd.DataFrame, runs: int, evidently: bool) -> list[tuple[str, float, float]]:
    """Time, print, and return the targets' names, their limits and what was reached."""
    threads = min(2, os.cpu_count() or 1)
    fast = timed("Lockgate, 1 thread", lambda: ours(before, now, 1), runs)
    double = timed(f"Lockgate, {threads} threads", lambda: ours(before, now, threads), runs)
    ours_peak = peak_megabytes()
    numpy_way = timed("numpy quantile + searchsorted", lambda: rivals.searchsorted(before, now), 3)
    cut = timed("loop of pandas.cut", lambda: rivals.cut_loop(before, now), 3)
    rows = [fast, double, numpy_way, cut]
    if evidently:
        rivals.evidently_report(before.head(2_000), now.head(2_000))  # its import is not its speed
        rows.append(timed("Evidently, PSI function", lambda: rivals.evidently_statistic(before, now), 1))
        rows.append(timed("Evidently, drift report", lambda: rivals.evidently_report(before, now), 1))
    print_table(f"two samples of {len(before):,} rows x {before.shape[1]} columns, edges included", rows, fast)
    print(f"peak memory: {ours_peak:,.0f} MB with the data after ours, {peak_megabytes():,.0f} MB after all")
    agree(fast.result, {row.name: row.result for row in (double, numpy_way, cut)}, before)
    reached = [("loop of pandas.cut", TARGETS["pandas.cut"], ratio(cut, fast))]
    return reached + ([("Evidently", TARGETS["Evidently"], ratio(rows[-1], fast))] if evidently else [])


def frozen_profile(before: pd.DataFrame, now: pd.DataFrame, runs: int) -> tuple[Timed, Timed]:
    """Time and print; returns ours and numba's."""
    edges = {name: bin_edges(before[name].to_numpy(), rivals.BINS) for name in rivals.NUMERIC}
    count, count_codes = rivals.compiled_loop(), rivals.compiled_codes()

    def levels_by_numba(column: pd.Series) -> np.ndarray:
        return count_codes(column.cat.codes.to_numpy(), len(column.cat.categories))

    count_with(now.head(100), edges, count, levels_by_numba)  # compiles
    numba = timed("numba loop, 1 thread", lambda: count_with(now, edges, count, levels_by_numba), runs)
    single = timed("Lockgate, 1 thread", lambda: count_with(now, edges, bin_counts, levels_by_ours), runs)
    double = timed("Lockgate, 2 threads", lambda: count_with(now, edges, bin_counts, levels_by_ours, 2), runs)
    by_numpy = timed(
        "numpy searchsorted", lambda: count_with(now, edges, rivals.searchsorted_counts, levels_by_numpy), 3
    )
    rows = [numba, single, double, by_numpy]
    title = f"against the frozen profile: the current {len(now):,} rows only, which is less work"
    print_table(title, rows, numba)
    for row in rows[1:]:
        for name in now.columns:
            if not np.array_equal(row.result[name], numba.result[name]):
                sys.exit(f"error: {row.name} and numba count {name} differently")
    print("the counts are the same in all four")
    return single, numba


def agree(found: Mapping[str, float], others: Mapping[str, Mapping[str, float]], before: pd.DataFrame) -> None:
    """Stop where a rival with the same bins has another PSI; columns whose ties we isolate have other bins."""
    values = {name: before[name].to_numpy() for name in rivals.NUMERIC}
    other_bins = [
        name
        for name, column in values.items()
        if not np.array_equal(bin_edges(column, rivals.BINS), rivals.quantile_edges(column))
    ]
    for rival, results in others.items():
        for name in found.keys() - set(other_bins):
            if abs(found[name] - results[name]) > 1e-12:
                sys.exit(f"error: {name}: {rival} says {results[name]!r}, Lockgate {found[name]!r}")
    same = len(found) - len(other_bins)
    print(f"PSI agrees to 1e-12 in the {same} columns with the same bins (ties isolated by ours only: {other_bins})")


def main() -> None:
    """Parse, run, print the targets; exit 1 where one is missed at the rows it is for."""
    parser = argparse.ArgumentParser(prog="scripts/bench psi", description=__doc__)
    parser.add_argument("--rows", type=int, default=TARGET_ROWS, help="rows of each sample (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=7, help="repetitions of the fast ones (default: %(default)s)")
    parser.add_argument("--without-evidently", action="store_true", help="leave the slowest out")
    arguments = parser.parse_args()
    before, now = rivals.sample(arguments.rows, 1, 0.0), rivals.sample(arguments.rows, 2, 0.2)
    print(f"peak memory with the two samples made: {peak_megabytes():,.0f} MB")
    targets = two_samples(before, now, arguments.runs, not arguments.without_evidently)
    single, numba = frozen_profile(before, now, arguments.runs)
    print(f"\ntargets (for {TARGET_ROWS:,} rows)")
    missed = 0
    for name, least, reached in targets:
        print(f"  at least {least:g} times as fast as {name}: {reached:.1f}")
        missed += reached < least
    print(f"  at most {TARGETS['numba']:g} times numba's time: {ratio(single, numba):.2f}")
    missed += ratio(single, numba) > TARGETS["numba"]
    sys.exit(1 if missed and arguments.rows >= TARGET_ROWS else 0)


if __name__ == "__main__":
    main()
