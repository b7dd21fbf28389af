"""Fisher's exact test against SciPy's hypergeometric distribution."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom

from lockgate.drift.exact_test import exact_tails


@given(st.integers(1, 300), st.integers(1, 300), st.data())
def test_tails_are_scipys(rows: int, other_rows: int, data: st.DataObject) -> None:
    hits, other_hits = data.draw(st.integers(0, rows)), data.draw(st.integers(0, other_rows))
    chance = hypergeom(rows + other_rows, hits + other_hits, other_rows)
    expected = (chance.cdf(other_hits), chance.sf(other_hits - 1))
    assert exact_tails(hits, rows, other_hits, other_rows) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("hits", "other_hits"), [(2_000, 2_040), (100_000, 99_000), (3, 40)])
def test_so_are_those_of_many_rows(hits: int, other_hits: int) -> None:
    rows, other_rows = 1_000_000, 900_000
    chance = hypergeom(rows + other_rows, hits + other_hits, other_rows)
    expected = (chance.cdf(other_hits), chance.sf(other_hits - 1))
    assert exact_tails(hits, rows, other_hits, other_rows) == pytest.approx(expected, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(
    ("hits", "rows", "other_hits", "other_rows"), [(0, 0, 3, 9), (1, 5, 0, 0), (0, 5, 0, 9), (5, 5, 9, 9)]
)
def test_where_nothing_can_differ_both_are_one(hits: int, rows: int, other_hits: int, other_rows: int) -> None:
    assert exact_tails(hits, rows, other_hits, other_rows) == (1.0, 1.0)
