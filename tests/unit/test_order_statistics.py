"""The selected values are exactly numpy's, whatever the order, the ties and the luck of the sample."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lockgate.drift import bins as module
from lockgate.drift.bins import LONG, MANY, SAMPLE, order_statistics

ROWS = LONG + 12_345
RANDOM = np.random.default_rng(7)
STEP = ROWS // SAMPLE
COLUMNS = {
    "log-normal": RANDOM.lognormal(size=ROWS),
    "increasing": np.sort(RANDOM.normal(size=ROWS)),
    "decreasing": -np.arange(ROWS, dtype=np.float64),
    "few values": RANDOM.poisson(3, ROWS).astype(np.float64),
    "mostly zero": np.where(RANDOM.random(ROWS) < 0.7, 0.0, RANDOM.normal(size=ROWS)),
    "constant": np.full(ROWS, 3.0),
    "infinite ends": np.concatenate([[np.inf, -np.inf], RANDOM.normal(size=ROWS - 2)]),
    "a sample that sees one value only": np.where(np.arange(ROWS) % STEP == 0, 0.0, RANDOM.normal(size=ROWS)),
    "a sample that sees large values only": np.where(np.arange(ROWS) % STEP == 0, 9.0, RANDOM.normal(size=ROWS)),
}
DECILES = np.array([-(-ROWS * k // 10) - 1 for k in range(1, 10)])


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("ranks", [DECILES, np.array([0, 1, ROWS - 1]), np.array([ROWS // 2]), DECILES[:1]])
def test_equal_to_a_sort(name: str, ranks: np.ndarray) -> None:
    values = COLUMNS[name]
    before = values.copy()
    assert order_statistics(values, ranks).tolist() == np.sort(values)[ranks].tolist()
    assert np.array_equal(values, before)


@pytest.mark.parametrize("rows", [1, 10, 1_000])
def test_short_columns(rows: int) -> None:
    values = RANDOM.normal(size=rows)
    ranks = np.unique(np.array([0, rows // 2, rows - 1]))
    assert order_statistics(values, ranks).tolist() == np.sort(values)[ranks].tolist()


def test_many_ranks() -> None:
    values = COLUMNS["log-normal"]
    ranks = np.arange(0, ROWS, ROWS // (2 * MANY))
    assert order_statistics(values, ranks).tolist() == np.sort(values)[ranks].tolist()


def test_the_sample_usually_suffices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise all of the above would pass on numpy's answer, and the column would be no faster."""
    longest = 0
    partition = np.partition

    def watched(values: np.ndarray, ranks: np.ndarray) -> np.ndarray:
        nonlocal longest
        longest = max(longest, len(values))
        return partition(values, ranks)

    monkeypatch.setattr(module.np, "partition", watched)
    order_statistics(COLUMNS["log-normal"], DECILES)
    assert 0 < longest < 0.25 * ROWS


@pytest.mark.parametrize("ranks", [DECILES, np.array([0, 100, ROWS - 1])])
def test_only_what_lies_within_three_deviations_of_a_rank_is_partitioned(
    ranks: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the numbers 0, 1, 2, ... every STEP-th is the sample, so that what a bracket holds can be counted."""
    rows = STEP * (ROWS // STEP) + 1
    ranks = np.minimum(ranks, rows - 1)
    sampled = rows // STEP + 1
    held: set[int] = set()
    for rank in ranks.tolist():
        share = (rank + 0.5) / rows
        error = 3 * math.sqrt(sampled * share * (1 - share)) + 1
        first, last = (min(max(share * sampled + side * error, 0), sampled - 1) for side in (-1, 1))
        held |= set(range(int(first) * STEP, int(last) * STEP + 1))
    sizes: list[int] = []
    partition = np.partition
    monkeypatch.setattr(module.np, "partition", lambda values, at: sizes.append(len(values)) or partition(values, at))
    assert order_statistics(np.arange(rows, dtype=np.float64), ranks).tolist() == ranks.tolist()
    assert sizes == [len(held)]
