"""Whoever asks why a column is read as it is sees its cells, spaces included, and what becomes of each."""

from __future__ import annotations

import pyarrow as pa
import pytest

from lockgate.config.params import Read
from lockgate.data.cell_examples import CellExample, CellExamples, describe_cells
from lockgate.data.column_decision import decide
from lockgate.data.source_table import SourceTable
from lockgate.documents.schema_json import Reading


def described(cells: list[object], reading: Reading | None = None, categories: tuple[str, ...] = ()) -> CellExamples:
    source = SourceTable(
        pa.table({"x": pa.chunked_array([cells[:1], cells[1:]], pa.array(cells).type)}), "f", separator=","
    )
    chunks = source.cells("x")
    return describe_cells("x", chunks, reading or decide("x", chunks, Read(), None, source), source, categories)


def test_numbers_are_shown_beside_their_texts_the_most_frequent_first() -> None:
    found = described(["41%", " 5 %", "NA", " 5 %", "", "41%", " 5 %"])
    assert found.values == (CellExample("' 5 %'", "0.05", 3, "row 2"), CellExample("'41%'", "0.41", 2, "row 1"))
    assert found.missing == (CellExample("'NA'", None, 1, "row 3"), CellExample("''", None, 1, "row 5"))
    assert found.unreadable == ()


def test_what_cannot_be_read_is_shown_and_counted() -> None:
    found = described(["1", "x ", "2", "x ", "y"], Reading("numeric"))
    assert [(one.text, one.value, one.count, one.place) for one in found.unreadable] == [
        ("'x '", None, 2, "row 2"),
        ("'y'", None, 1, "row 5"),
    ]
    assert found.distinct_unreadable == 2
    assert [(one.text, one.value) for one in found.values] == [("'1'", "1"), ("'2'", "2")]


def test_times_are_shown_in_utc() -> None:
    found = described(["31/12/2020", "soon", "?"], Reading("time", (), dates="%d/%m/%Y"))
    assert [(one.text, one.value) for one in found.values] == [("'31/12/2020'", "2020-12-31")]
    assert [one.text for one in found.unreadable] == ["'soon'"]
    assert [one.text for one in found.missing] == ["'?'"]


@pytest.mark.parametrize(
    ("cells", "texts", "values"),
    [
        ([1.0, None, 2.5, float("nan")], ["'1'", "'2.5'"], ["1.0", "2.5"]),
        ([True, False], ["'true'", "'false'"], ["True", "False"]),
    ],
)
def test_typed_cells_are_shown_as_the_categories_that_they_are(
    cells: list[object], texts: list[str], values: list[str]
) -> None:
    found = described(cells, Reading("categorical"), ("1.0", "2.5", "True", "False"))
    assert [one.text for one in found.values] == texts
    assert [one.value for one in found.values] == values
    assert sum(one.count for one in found.missing) == cells.count(None) + sum(cell != cell for cell in cells)


def test_ten_examples_are_shown_and_all_are_counted() -> None:
    found = described([str(number) for number in range(40)])
    assert len(found.values) == 10
    assert found.distinct_values == 40
