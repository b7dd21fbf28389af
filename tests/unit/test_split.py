"""Row keys and splits depend on the row and the seed, and on nothing else."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.config.errors import InputError
from lockgate.config.params import Prepare
from lockgate.data.dataset import prepare
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


@given(copies=st.lists(st.integers(1, 4), min_size=1, max_size=60), seed=st.integers(0, 1000))
def test_copies_of_a_row_are_on_the_same_side_of_every_split(copies: list[int], seed: int) -> None:
    rows = table(len(copies)).assign(mark=np.arange(len(copies)))
    repeated = rows.loc[np.repeat(rows.index, copies)].sample(frac=1, random_state=seed)
    keys = row_keys(repeated, [], "x")
    assert len(set(keys)) == len(keys)
    for purpose in ("test", "validation"):
        shares = pd.Series(hashed_shares(keys, seed, purpose)).groupby(repeated.mark.to_numpy())
        assert (shares.nunique() == 1).all()
        first = hashed_shares(row_keys(rows, [], "x"), seed, purpose)
        assert list(shares.first()) == list(first)  # a row is where it would be without its copies


def test_no_row_that_is_trained_on_is_tested_on_where_every_row_is_there_twice() -> None:
    random = np.random.default_rng(3)
    rows = pd.DataFrame({"a": random.normal(size=1000), "b": random.choice(["x", "y"], 1000), "z": range(1000)})
    rows["default"] = (random.random(1000) < 0.4).astype(int)
    once, twice = (prepare(frame, Prepare(kinds={"z": "drop"})) for frame in (rows, pd.concat([rows, rows])))
    assert set(twice.train.a) & set(twice.test.a) == set()
    assert (set(once.train.a), set(once.test.a)) == (set(twice.train.a), set(twice.test.a))
    assert len(twice.train) == 2 * len(once.train)


def test_the_keys_of_rows_without_copies_are_what_they_have_always_been() -> None:
    rows = pd.DataFrame({"amount": [1.5, np.nan], "grade": ["a", None]})
    assert list(row_keys(rows, [], "x")) == ["180a6bbb6ec7866bb968d5fd5380c884", "fa863e1a4eb4dc527c9e3ce102ec4ea5"]


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


@pytest.mark.parametrize(
    "late",
    ["2026-11-27", "2099-01-01T00:00:00+02:00", pd.Timestamp("2026-11-27"), pd.Timestamp("2099-01-01", tz="UTC")],
)
def test_a_row_of_the_future_does_not_lead_the_test_set(late: object) -> None:
    times = pd.Series([*pd.date_range("2026-11-01", periods=26).astype(object), late], name="applied")
    if isinstance(late, str):
        times = times.map(lambda time: time if isinstance(time, str) else f"{time:%Y-%m-%d}")
    else:
        times = pd.to_datetime(times, utc=True)
    with pytest.raises(InputError, match=r"loans.csv: time column `applied` row 27 is of 20\d\d.*future_times: accept"):
        out_of_time(times, 0.25, "loans.csv", date(2026, 11, 26))
    assert out_of_time(times, 0.25, "loans.csv")[26]
    assert out_of_time(times[:26], 0.25, "loans.csv", date(2026, 11, 26)).sum() == 6


def test_numbers_may_be_of_any_time() -> None:
    assert out_of_time(pd.Series(range(3000), name="t"), 0.25, "x", date(2026, 11, 26)).sum() == 750


def test_rows_of_one_time_stay_together() -> None:
    times = pd.Series([1] * 10 + [2] * 10 + [3] * 10, name="t")
    assert set(times[out_of_time(times, 0.1, "x")]) == {3}
