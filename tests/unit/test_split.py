"""Row keys and splits depend on the row and the seed, and on nothing else."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.config.errors import InputError
from lockgate.config.params import Prepare
from lockgate.data.dataset import prepare
from lockgate.data.source_table import SourceTable, source_of_frame
from lockgate.data.split import (
    content_keys,
    count_copies,
    hashed_shares,
    identifier_keys,
    out_of_time,
    require_past,
)


def table(rows: int = 300) -> pd.DataFrame:
    random = np.random.default_rng(0)
    amount = random.normal(size=rows).round(1)
    amount[::7] = np.nan
    return pd.DataFrame(
        {"amount": amount, "count": random.integers(0, 3, rows), "grade": random.choice(["a", "b"], rows)}
    )


def keys_of(rows: pd.DataFrame) -> list[str]:
    """The keys of rows without identifiers."""
    keys: list[str] = content_keys(source_of_frame(rows, "x").columns).to_pylist()
    return keys


def keys_by(names: list[str], **columns: object) -> list[str]:
    """The keys of rows with these identifiers."""
    keys: list[str] = identifier_keys(SourceTable(pa.table(columns), "loans.csv"), names).to_pylist()
    return keys


@given(seed=st.integers(0, 1000))
def test_keys_follow_the_rows(seed: int) -> None:
    rows = table().assign(mark=np.arange(300))
    shuffled = rows.sample(frac=1, random_state=seed)[["mark", "grade", "amount", "count"]]
    expected = dict(zip(rows.mark, keys_of(rows), strict=True))
    assert dict(zip(shuffled.mark, keys_of(shuffled), strict=True)) == expected


def test_equal_rows_get_different_keys_and_the_same_set_for_any_order() -> None:
    rows = pd.concat([table(50).assign(mark=range(50))] * 3)
    keys = keys_of(rows)
    assert len(set(keys)) == 150
    assert set(keys) == set(keys_of(rows.sample(frac=1, random_state=1)))
    assert count_copies(pa.chunked_array([keys])) == 100


@given(copies=st.lists(st.integers(1, 4), min_size=1, max_size=60), seed=st.integers(0, 1000))
def test_copies_of_a_row_are_on_the_same_side_of_every_split(copies: list[int], seed: int) -> None:
    rows = table(len(copies)).assign(mark=np.arange(len(copies)))
    repeated = rows.loc[np.repeat(rows.index, copies)].sample(frac=1, random_state=seed)
    keys = keys_of(repeated)
    assert len(set(keys)) == len(keys)
    for purpose in ("test", "validation"):
        shares = pd.Series(hashed_shares(keys, seed, purpose)).groupby(repeated.mark.to_numpy())
        assert (shares.nunique() == 1).all()
        first = hashed_shares(keys_of(rows), seed, purpose)
        assert list(shares.first()) == list(first)  # a row is where it would be without its copies


def test_no_row_that_is_trained_on_is_tested_on_where_every_row_is_there_twice() -> None:
    random = np.random.default_rng(3)
    rows = pd.DataFrame({"a": random.normal(size=1000), "b": random.choice(["x", "y"], 1000), "z": range(1000)})
    rows["default"] = (random.random(1000) < 0.4).astype(int)
    once, twice = (prepare(frame, Prepare(kinds={"z": "drop"})) for frame in (rows, pd.concat([rows, rows])))
    assert set(twice.train.a) & set(twice.test.a) == set()
    assert (set(once.train.a), set(once.test.a)) == (set(twice.train.a), set(twice.test.a))
    assert len(twice.train) == 2 * len(once.train)


def test_what_a_column_is_declared_to_be_and_whether_it_is_dropped_moves_no_row() -> None:
    rows = table(600).assign(note=[f"n{number}" for number in range(600)], default=[0, 1] * 300)
    as_it_comes = prepare(rows, Prepare())
    for settings in (
        Prepare(kinds={"note": "drop"}),
        Prepare(kinds={"count": "categorical"}),
        Prepare(unavailable_at_decision=["amount"], audit_columns=["grade"]),
        Prepare(rename={"note": "remark", "amount": "size"}),
    ):
        dataset = prepare(rows, settings)
        assert list(dataset.train.row_key) == list(as_it_comes.train.row_key)
        assert list(dataset.test.row_key) == list(as_it_comes.test.row_key)


def test_a_column_that_is_added_gives_every_row_another_key() -> None:
    assert not set(keys_of(table())) & set(keys_of(table().assign(new=1)))


def test_the_keys_of_rows_without_copies_are_what_they_have_always_been() -> None:
    rows = pd.DataFrame({"amount": [1.5, np.nan], "grade": ["a", None]})
    assert keys_of(rows) == ["180a6bbb6ec7866bb968d5fd5380c884", "fa863e1a4eb4dc527c9e3ce102ec4ea5"]


def test_a_cell_of_difference_is_another_key() -> None:
    rows = table(2)
    base = keys_of(rows)[0]
    for name, value in (("amount", 9.0), ("count", 9), ("grade", "z")):
        assert keys_of(rows.assign(**{name: value}))[0] != base
    assert keys_of(rows.assign(amount=np.nan))[0] == base  # the first amount is missing anyway


@pytest.mark.parametrize("kind", [pa.int64(), pa.uint64()])
def test_whole_numbers_that_share_a_float_are_different_rows_and_move_no_other(kind: pa.DataType) -> None:
    before = content_keys(pa.table({"n": pa.array([1, 2**53], kind)})).to_pylist()
    keys = content_keys(pa.table({"n": pa.array([1, 2**53, 2**53 + 1, 2**62, 2**62 + 1], kind)})).to_pylist()
    assert keys[:2] == before
    assert len({key.partition("-")[0] for key in keys}) == 5


def test_whole_numbers_that_only_unsigned_ones_hold_are_content_too() -> None:
    numbers = pa.array([2**64 - 1, 2**64 - 2, 2**63, 1, None], pa.uint64())
    assert len(set(content_keys(pa.table({"n": numbers})).to_pylist())) == 5
    small = pa.table({"n": pa.array([1, None], pa.uint64())})
    assert content_keys(pa.table({"n": numbers})).to_pylist()[3:] == content_keys(small).to_pylist()


def test_lists_and_bytes_are_content_too() -> None:
    lists = pa.table({"tags": [["a"], ["b"], ["a", "b"], None], "raw": [b"\xff", b"\xff", b"\xff", b"\xff"]})
    assert len({key.partition("-")[0] for key in content_keys(lists).to_pylist()}) == 4
    other = lists.set_column(1, "raw", pa.array([b"\xfe"] * 4))
    assert not set(content_keys(lists).to_pylist()) & set(content_keys(other).to_pylist())


def test_keys_do_not_depend_on_how_a_table_is_cut_into_pieces() -> None:
    whole = source_of_frame(table(), "x").columns
    pieces = pa.concat_tables([whole.slice(0, 7), whole.slice(7, 100), whole.slice(107)])
    assert content_keys(pieces).to_pylist() == content_keys(whole).to_pylist()


def test_text_does_not_run_over_into_the_next_column() -> None:
    left, right = {"a": ["xy"], "b": ["z"]}, {"a": ["x"], "b": ["yz"]}
    assert keys_of(pd.DataFrame(left)) != keys_of(pd.DataFrame(right))
    assert keys_by(["a", "b"], **left) != keys_by(["a", "b"], **right)


def test_identifiers_are_exact_texts_or_whole_numbers() -> None:
    keys = [keys_by(["id"], id=ids) for ids in ([1, 2], [1.0, 2.0], ["1", "2"])]
    assert keys[0] == keys[1] == keys[2]
    assert len(set(keys_by(["id"], id=["7", "007", "7.0", " 7"]))) == 4
    exact = [2**53, 2**53 + 1, 2**53 + 2]
    assert len(set(keys_by(["id"], id=exact))) == 3
    assert keys_by(["id"], id=exact) == keys_by(["id"], id=[str(number) for number in exact])
    assert keys_by(["id"], id=pa.array([2**64 - 1], pa.uint64())) == keys_by(["id"], id=[str(2**64 - 1)])


@pytest.mark.parametrize(
    ("ids", "problem"),
    [
        (["a", "b", "a"], r"the identifier id of row 3, 'a', is there twice \(1 such rows\)"),
        (["a", "", " "], r"identifier column `id` has 2 missing values, the first in row 2"),
        (["a", None, "c"], r"identifier column `id` has 1 missing values, the first in row 2"),
    ],
)
def test_identifiers_that_repeat_or_miss_are_refused(ids: list[str | None], problem: str) -> None:
    with pytest.raises(InputError, match=rf"loans\.csv: {problem}"):
        keys_by(["id"], id=ids)


def test_shares_are_uniform_and_splits_independent() -> None:
    keys = keys_by(["id"], id=list(range(20_000)))
    first, second = hashed_shares(keys, 1, "test"), hashed_shares(keys, 1, "validation")
    assert ((first >= 0) & (first < 1)).all()
    counts = np.histogram(first, bins=20, range=(0, 1))[0]
    assert ((counts - 1000) ** 2 / 1000).sum() < 50  # chi-square with 19 degrees of freedom: p < 0.0002 above it
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03
    assert abs(np.corrcoef(first, hashed_shares(keys, 2, "test"))[0, 1]) < 0.03


def times_of(values: object) -> pa.ChunkedArray:
    """Times as they were read: in UTC, or numbers."""
    column = pd.Series(values).sample(frac=1, random_state=0)
    return pa.chunked_array([pa.array(column if column.dtype.kind == "i" else pd.to_datetime(column, utc=True))])


@pytest.mark.parametrize("values", [range(100), pd.date_range("2025-01-01", periods=100)])
def test_the_newest_quarter_is_split_off(values: object) -> None:
    assert out_of_time(times_of(values), "t", 0.25, "x").sum() == 25


def test_rows_of_one_time_stay_together() -> None:
    times = times_of([1] * 10 + [2] * 10 + [3] * 10)
    newest = out_of_time(times, "t", 0.1, "x")
    assert set(times.to_numpy()[newest]) == {3}


@pytest.mark.parametrize("late", ["2026-11-27", "2099-01-01T00:00:00+02:00"])
def test_a_row_of_the_future_does_not_lead_the_test_set(late: str) -> None:
    stamps = pd.to_datetime([f"2026-11-{day:02}" for day in range(1, 27)] + [late], utc=True, format="ISO8601")
    source = SourceTable(pa.table({"applied": list(stamps)}), "loans.csv")
    times = source.cells("applied")
    with pytest.raises(InputError, match=r"loans.csv: time column `applied` row 27 is of 20\d\d.*future_times: accept"):
        require_past(times, "applied", source, date(2026, 11, 26))
    require_past(times.slice(0, 26), "applied", source, date(2026, 11, 26))
    assert out_of_time(times, "applied", 0.25, "loans.csv")[26]


def test_numbers_may_be_of_any_time() -> None:
    source = SourceTable(pa.table({"t": list(range(3000))}), "x")
    require_past(source.cells("t"), "t", source, date(2026, 11, 26))
    assert out_of_time(source.cells("t"), "t", 0.25, "x").sum() == 750
