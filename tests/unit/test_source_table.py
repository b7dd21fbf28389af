"""A cell has one text, whatever type its file gave it, and a column of several parts loses no digit."""

from __future__ import annotations

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from lockgate.config.errors import InputError
from lockgate.data.source_table import FilePart, SourceTable, cell_texts, source_of_frame

DAY = datetime.datetime(2026, 1, 31)


@pytest.mark.parametrize(
    ("cells", "texts"),
    [
        (pa.array(["01", " a", "2.0", None]), ["01", " a", "2.0", None]),
        (pa.array([1, -2, None]), ["1", "-2", None]),
        (pa.array([2**53 + 1, 2**63 - 1]), ["9007199254740993", "9223372036854775807"]),
        (pa.array([2**64 - 1], pa.uint64()), ["18446744073709551615"]),
        (pa.array([2.0, 2.5, -0.0, 0.1, None]), ["2", "2.5", "0", "0.1", None]),
        (pa.array([1e22, 1e-7, float("nan"), float("inf")]), ["10000000000000000000000", "1e-07", "nan", "inf"]),
        (pa.array([True, False, None]), ["true", "false", None]),
        (pa.array([Decimal("2.00"), Decimal("2.50"), Decimal("100.05")]), ["2", "2.5", "100.05"]),
        (pa.array([Decimal("100"), Decimal("12345678901234567890")]), ["100", "12345678901234567890"]),
        (pa.array([DAY, None], pa.timestamp("us")), ["2026-01-31", None]),
        (pa.array([DAY.date()]), ["2026-01-31"]),
        (pa.array([DAY.replace(hour=9)], pa.timestamp("s")), ["2026-01-31 09:00:00"]),
        (pa.array([b"\xff\x00"]), ["ff00"]),
        (pa.array([["a", None], None]), ['["a", null]', None]),
        (pa.array([{"a": 1.0, "b": DAY.date()}]), ['{"a": 1.0, "b": "2026-01-31"}']),
        (pa.array([None]), [None]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_the_text_of_a_cell(cells: pa.Array, texts: list[str | None]) -> None:
    made = cell_texts(pa.chunked_array([cells, cells]))
    assert made.type == pa.string()
    assert made.to_pylist() == texts * 2


def test_a_frame_is_a_table_of_its_types() -> None:
    frame = pd.DataFrame(
        {
            "whole": [1, 2],
            "gap": [1.0, np.nan],
            "text": ["01", None],
            "class": pd.Categorical(["a", "b"]),
            "mixed": [1, "A1"],
            "long": [2**64, None],
            "flags": [True, "x"],
        }
    )
    table = source_of_frame(frame, "a frame")
    assert table.columns.to_pydict() == {
        "whole": [1, 2],
        "gap": [1.0, None],
        "text": ["01", None],
        "class": ["a", "b"],
        "mixed": ["1", "A1"],
        "long": ["18446744073709551616", None],
        "flags": ["true", "x"],
    }
    assert {str(kind) for kind in table.columns.schema.types} == {"int64", "double", "string"}


@pytest.mark.parametrize(
    ("column", "texts"),
    [
        (pd.Series(pd.cut([1, 3, np.nan], [0, 2, 4])), ["(0, 2]", "(2, 4]", None]),
        (pd.Series(pd.arrays.IntervalArray.from_tuples([(0, 2), (2, 4)])), ["(0, 2]", "(2, 4]"]),
        (pd.Series(pd.PeriodIndex(["2026-01", "2026-02"], freq="M")), ["2026-01", "2026-02"]),
        (pd.Series([1 + 2j, 0j]), ["(1+2j)", "0j"]),
    ],
)
def test_columns_of_a_frame_that_no_file_has_are_the_texts_of_their_values(
    column: pd.Series, texts: list[str | None]
) -> None:
    assert source_of_frame(pd.DataFrame({"x": column}), "a frame").cells("x").to_pylist() == texts


def test_a_frame_whose_columns_share_a_name_is_refused() -> None:
    with pytest.raises(InputError, match="a frame: column 'a' is there twice"):
        source_of_frame(pd.DataFrame([[1, 2]], columns=["a", "a"]), "a frame")


def test_a_row_is_named_by_its_file_where_there_are_several() -> None:
    table = SourceTable(pa.table({"a": [1, 2, 3]}), "t", parts=(FilePart("a.csv", 2), FilePart("b.csv", 1)))
    assert [table.place(row) for row in range(3)] == ["a.csv, row 1", "a.csv, row 2", "b.csv, row 1"]
    assert SourceTable(pa.table({"a": [1]}), "t", parts=(FilePart("a.csv", 1),)).place(0) == "row 1"


@pytest.mark.parametrize(
    ("cells", "does"),
    [
        ([0, 1, 2, 3], True),
        (["1", "2", "3", "4"], True),
        ([0, 1, 0, 1], True),  # in each of the two files
        ([1, 2, 1, 2], True),
        ([0, 1, 1, 2], False),
        ([2, 3, 4, 5], False),
        ([0, 1, 2, None], False),
        ([0.0, 1.0, 2.0, 3.5], False),
        (["a", "b", "c", "d"], False),
    ],
)
def test_a_column_may_count_the_rows(cells: list[object], does: bool) -> None:
    table = SourceTable(pa.table({"x": cells}), "loans", parts=(FilePart("a.csv", 2), FilePart("b.csv", 2)))
    assert table.counts_rows("x") == does


def test_columns_may_be_renamed() -> None:
    table = SourceTable(pa.table({"a": [1], "b": ["x"]}), "t").renamed({"a": "amount"})
    assert table.names == ["amount", "b"]
    assert table.cells("amount").to_pylist() == [1]
