"""Row keys and splits depend on the row and the seed, and on nothing else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.data.split import hashed_shares, out_of_time, row_keys


def table(rows: int = 300) -> pd.DataFrame:
    random = np.random.default_rng(0)
    amount = random.normal(size=rows).round(1)
    amount[::7] = np.nan
    return pd.DataFrame(
        {"amount": amount, "count": random.integers(0, 3, rows), "grade": random.choice(["a", "b"], rows)}
    )


@given(seed=st.integers(0, 1000))
def test_keys_follow_the_rows(seed: int) -> None:
    rows = table().assign(mark=np.arange(300))
    shuffled = rows.sample(frac=1, random_state=seed)[["mark", "grade", "amount", "count"]]
    expected = dict(zip(rows.mark, row_keys(rows, [], "x"), strict=True))
    assert dict(zip(shuffled.mark, row_keys(shuffled, [], "x"), strict=True)) == expected


def test_equal_rows_get_different_keys_and_the_same_set_for_any_order() -> None:
    rows = pd.concat([table(50)] * 3)
    keys = row_keys(rows, [], "x")
    assert len(set(keys)) == 150
    assert set(keys) == set(row_keys(rows.sample(frac=1, random_state=1), [], "x"))


def test_a_cell_of_difference_is_another_key() -> None:
    rows = table(2)
    base = row_keys(rows, [], "x")[0]
    for name, value in (("amount", 9.0), ("count", 9), ("grade", "z")):
        assert row_keys(rows.assign(**{name: value}), [], "x")[0] != base
    assert row_keys(rows.assign(amount=np.nan), [], "x")[0] == base  # the first amount is missing anyway


def test_text_does_not_run_over_into_the_next_column() -> None:
    left = pd.DataFrame({"a": ["xy"], "b": ["z"]})
    right = pd.DataFrame({"a": ["x"], "b": ["yz"]})
    assert row_keys(left, [], "x")[0] != row_keys(right, [], "x")[0]
    assert row_keys(left, ["a", "b"], "x")[0] != row_keys(right, ["a", "b"], "x")[0]


def test_identifiers_read_as_numbers_or_text_are_the_same() -> None:
    numbers, floats, texts = ([1, 2], [1.0, 2.0], ["1", "2"])
    keys = [list(row_keys(pd.DataFrame({"id": ids}), ["id"], "x")) for ids in (numbers, floats, texts)]
    assert keys[0] == keys[1] == keys[2]


def test_shares_are_uniform_and_splits_independent() -> None:
    keys = row_keys(pd.DataFrame({"id": range(20_000)}), ["id"], "x")
    first, second = hashed_shares(keys, 1, "test"), hashed_shares(keys, 1, "validation")
    assert ((first >= 0) & (first < 1)).all()
    counts = np.histogram(first, bins=20, range=(0, 1))[0]
    assert ((counts - 1000) ** 2 / 1000).sum() < 50  # chi-square with 19 degrees of freedom: p < 0.0002 above it
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03
    assert abs(np.corrcoef(first, hashed_shares(keys, 2, "test"))[0, 1]) < 0.03


@pytest.mark.parametrize("values", [range(100), pd.date_range("2025-01-01", periods=100).strftime("%Y-%m-%d")])
def test_the_newest_quarter_is_split_off(values: object) -> None:
    newest = out_of_time(pd.Series(values, name="t").sample(frac=1, random_state=0), 0.25, "x")
    assert newest.sum() == 25


def test_rows_of_one_time_stay_together() -> None:
    times = pd.Series([1] * 10 + [2] * 10 + [3] * 10, name="t")
    assert set(times[out_of_time(times, 0.1, "x")]) == {3}
