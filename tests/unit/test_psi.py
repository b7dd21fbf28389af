"""Edges, counts and PSI against pandas, numpy and the definition written out."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.documents.profile_json import just_below
from lockgate.drift.bins import CHUNK, bin_counts, bin_edges, category_counts, quantiles
from lockgate.drift.psi import psi, psi_terms, smoothed_shares

numbers = st.floats(-1e6, 1e6) | st.integers(-5, 5).map(float)
with_missing = numbers | st.just(math.nan)


def decile_edges(values: np.ndarray, bins: int) -> np.ndarray:
    """Edges without the ones that set values of many rows apart."""
    return np.unique(quantiles(values[~np.isnan(values)], bins))


def cut_counts(values: np.ndarray, edges: np.ndarray) -> list[int]:
    """The same counts by `pandas.cut`, missing last."""
    bins = pd.cut(pd.Series(values, dtype="float64"), [-np.inf, *edges, np.inf], labels=False)
    rows = [int((bins == position).sum()) for position in range(len(edges) + 1)]
    return [*rows, int(bins.isna().sum())]


@given(st.lists(with_missing, max_size=60), st.integers(2, 12))
def test_edges_are_the_distinct_quantiles_of_the_values_present(values: list[float], bins: int) -> None:
    array = np.array(values, dtype=np.float64)
    present = array[~np.isnan(array)]
    edges = decile_edges(array, bins)
    if len(present) == 0:
        assert len(edges) == 0
        return
    ordered = np.sort(present)
    expected = [ordered[math.ceil(len(present) * k / bins - 1e-9) - 1] for k in range(1, bins)]
    assert edges.tolist() == np.unique(expected).tolist()


@given(st.integers(1, 400), st.integers(0, 2**32 - 1))
def test_deciles_equal_numpys_inverted_distribution_function(rows: int, seed: int) -> None:
    values = np.random.default_rng(seed).lognormal(size=rows)
    quantiles = np.quantile(values, np.arange(1, 8) / 8, method="inverted_cdf")  # eighths, which floats hold exactly
    assert decile_edges(values, 8).tolist() == np.unique(quantiles).tolist()


@given(
    st.lists(with_missing, max_size=80),
    st.lists(numbers, max_size=8, unique=True),
    st.sampled_from([np.float64, np.float32]),
)
def test_counts_equal_those_of_pandas_cut(values: list[float], edges: list[float], kind: type) -> None:
    array, cuts = np.array(values, dtype=kind), np.array(sorted({*edges} - {-0.0} | ({0.0} & {*edges})))
    counts = bin_counts(array, cuts)
    assert counts.dtype == np.int64
    assert counts.tolist() == cut_counts(array, cuts)


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=80))
def test_counts_of_integers_on_their_own_edges(values: list[int]) -> None:
    array = np.array(values, dtype=np.int64)
    edges = bin_edges(array, 10)
    positions = np.searchsorted(edges, array, side="left")
    assert bin_counts(array, edges)[:-1].tolist() == np.bincount(positions, minlength=len(edges) + 1).tolist()


def test_counts_across_several_chunks_and_not_contiguous() -> None:
    table = np.random.default_rng(3).normal(size=(2 * CHUNK + 17, 2))
    table[::50, 1] = np.nan
    edges = decile_edges(table[:, 1], 10)
    assert bin_counts(table[:, 1], edges).tolist() == cut_counts(table[:, 1], edges)


@pytest.mark.parametrize(
    ("values", "edges", "expected"),
    [
        ([], [], [0, 0]),
        ([], [1.0], [0, 0, 0]),
        ([1.0, math.nan], [], [1, 1]),
        ([math.nan, math.nan], [0.0, 1.0], [0, 0, 0, 2]),
        ([0.5, 1.0, 1.5], [1.0], [2, 1, 0]),
    ],
)
def test_counts_at_the_borders(values: list[float], edges: list[float], expected: list[int]) -> None:
    assert bin_counts(np.array(values, dtype=np.float64), edges).tolist() == expected


def test_float32_values_are_compared_as_float64() -> None:
    edges = [just_below(0.0), 0.0, float(np.nextafter(0.5, 0.0))]
    assert bin_counts(np.array([0.0, 0.5], dtype=np.float32), edges).tolist() == [0, 1, 0, 1, 0]


def test_a_value_that_fills_several_quantiles_has_a_bin_of_its_own() -> None:
    reference = np.repeat([0, 1], [500, 9_500])
    current = np.repeat([0, 1], [5_000, 5_000])
    plain, isolated = decile_edges(reference, 10), bin_edges(reference, 10)
    assert psi(bin_counts(reference, plain), bin_counts(current, plain)) < 1e-3
    assert psi(bin_counts(reference, isolated), bin_counts(current, isolated)) > 1.0


@pytest.mark.parametrize("moved_to", [-999, 999])
def test_a_constant_column_is_seen_to_move_either_way(moved_to: int) -> None:
    reference, current = np.full(1_000, 7), np.full(1_000, moved_to)
    edges = bin_edges(reference, 10)
    assert psi(bin_counts(reference, edges), bin_counts(current, edges)) > 1.0


def test_right_closed_bins_see_integers_move_by_a_fraction_and_left_closed_ones_do_not() -> None:
    reference = np.arange(10_000) % 10
    current = reference + 0.2
    edges = decile_edges(reference, 10)
    left_closed = [
        np.bincount(np.searchsorted(edges, rows, side="right"), minlength=len(edges) + 1)
        for rows in (reference, current)
    ]
    assert psi(*left_closed) == 0.0
    assert psi(bin_counts(reference, edges), bin_counts(current, edges)) > 0.25


@pytest.mark.parametrize("kind", ["str", "category", "object"])
def test_categories_are_counted_in_the_schemas_order(kind: str) -> None:
    values = pd.Series(["b", "a", None, "crypto", "b", "gold", "crypto"], dtype=kind)
    found = category_counts(values, ["a", "b", "z"])
    assert found.counts.tolist() == [1, 2, 0, 1]
    assert list(found.unseen.items()) == [("crypto", 2), ("gold", 1)]


def test_a_declared_but_absent_category_is_not_unseen() -> None:
    found = category_counts(pd.Series(pd.Categorical(["a"], categories=["a", "never"])), ["a"])
    assert found.unseen == {}
    assert found.counts.tolist() == [1, 0]


def test_shares_and_psi_as_defined() -> None:
    expected, actual = [60, 40, 0], [10, 70, 20]
    first = [60.5 / 101.5, 40.5 / 101.5, 0.5 / 101.5]
    second = [10.5 / 101.5, 70.5 / 101.5, 20.5 / 101.5]
    assert smoothed_shares(expected).tolist() == pytest.approx(first, rel=1e-15)
    by_hand = sum((b - a) * math.log(b / a) for a, b in zip(first, second, strict=True))
    assert psi(expected, actual) == pytest.approx(by_hand, rel=1e-12)
    assert psi_terms(expected, [actual, expected]).sum(axis=-1) == pytest.approx([by_hand, 0.0])


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=2, max_size=40))
def test_psi_is_symmetric_finite_and_zero_only_for_equal_shares(pairs: list[tuple[int, int]]) -> None:
    first, second = (list(side) for side in zip(*pairs, strict=True))
    assert psi(first, first) == 0.0
    assert 0.0 <= psi(first, second) < math.inf
    assert psi(first, second) == pytest.approx(psi(second, first))


def test_a_side_without_rows_measures_nothing() -> None:
    assert psi([10, 20, 0], [0, 0, 0]) == 0.0


def test_each_row_of_counts_is_measured_by_itself() -> None:
    some, none = [3, 7, 0], [0, 0, 0]
    found = psi_terms([some, some, none, none], [[5, 5, 1], none, [5, 5, 1], none])
    assert found.tolist() == [psi_terms(some, [5, 5, 1]).tolist(), [0.0] * 3, [0.0] * 3, [0.0] * 3]
    assert found[0].sum() > 0


@pytest.mark.parametrize("levels", [1, 20, 21, 40])
def test_categories_are_counted_by_their_codes_however_many_there_are(levels: int) -> None:
    names = [f"v{level:02}" for level in range(levels)]
    drawn = [*(names[level] for level in range(levels - 1) for _ in range(level + 1)), None, None, None]
    found = category_counts(pd.Series(pd.Categorical(drawn, categories=names)), names)
    assert found.counts.tolist() == [*range(1, levels), 0, 3]
    assert found.unseen == {}
