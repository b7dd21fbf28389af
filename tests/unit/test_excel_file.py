"""A sheet of a workbook is a table whose numbers are numbers and whose texts are texts."""

from __future__ import annotations

import datetime
import gzip
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest
import xlsxwriter

from lockgate.config.errors import InputError
from lockgate.config.limits import TABLE_BYTES, TABLE_COLUMNS, TABLE_ROWS, Limit
from lockgate.config.params import Read
from lockgate.data.source_table import cell_texts
from lockgate.data.sources import read_source_table

Rows = list[list[object]]


def workbook(folder: Path, **sheets: Rows) -> Path:
    """A workbook of these sheets; None is an empty cell."""
    path = folder / "loans.xlsx"
    with xlsxwriter.Workbook(path, {"default_date_format": "yyyy-mm-dd"}) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for number, row in enumerate(rows):
                for position, cell in enumerate(row):
                    if isinstance(cell, str):
                        sheet.write_string(number, position, cell)
                    elif cell is not None:
                        sheet.write(number, position, cell)
    return path


def opened(path: Path, **read: str | int) -> pa.Table:
    return read_source_table(str(path), "prepare.source", Read(**read)).columns


def refusal(path: Path, **read: str | int) -> str:
    with pytest.raises(InputError) as refused:
        opened(path, **read)
    assert str(refused.value).startswith(f"prepare.source: {path}")
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_cells_are_what_they_are_in_the_sheet(tmp_path: Path) -> None:
    day = datetime.date(2026, 1, 31)
    rows: Rows = [
        ["id", "n", "flag", "day", "mixed", "gap"],
        ["007", 1, True, day, "A1", 0.5],
        ["7", 2, False, day, 1, None],
    ]
    table = opened(workbook(tmp_path, loans=rows))
    assert table["id"].to_pylist() == ["007", "7"]
    assert table["n"].to_pylist() == [1, 2]
    assert table["flag"].to_pylist() == [True, False]
    assert cell_texts(table["day"]).to_pylist() == ["2026-01-31"] * 2
    assert table["mixed"].to_pylist() == ["A1", "1"]
    assert table["gap"].to_pylist() == [0.5, None]


def test_rows_and_columns_that_hold_nothing_are_none(tmp_path: Path) -> None:
    rows: Rows = [[], [None, "a", None, 2020], [None, "x", None, 1], [], [None, None, None, 2]]
    assert opened(workbook(tmp_path, loans=rows)).to_pydict() == {"a": ["x", None], "2020": [1, 2]}


def test_a_header_cell_may_be_empty(tmp_path: Path) -> None:
    assert opened(workbook(tmp_path, loans=[[None, "a"], [0, "x"]])).column_names == ["Unnamed: 0", "a"]


def test_the_header_may_stand_below_other_rows(tmp_path: Path) -> None:
    path = workbook(tmp_path, loans=[["X1", "X2"], ["a", "b"], [1, "x"]])
    assert opened(path, header=2).to_pydict() == {"a": [1], "b": ["x"]}
    assert "it needs a header and rows" in refusal(path, header=4)


def test_of_several_sheets_the_settings_name_one(tmp_path: Path) -> None:
    path = workbook(tmp_path, notes=[["x"]], loans=[["a"], ["b"]])
    assert "has 2 sheets (notes, loans); name one of them in prepare.read.sheet" in refusal(path)
    assert opened(path, sheet="loans").to_pydict() == {"a": ["b"]}
    assert "has no sheet 'loan', which prepare.read.sheet names; did you mean `loans`?" in refusal(path, sheet="loan")


@pytest.mark.parametrize("rows", [[], [["a"]]])
def test_a_sheet_without_rows_is_refused(tmp_path: Path, rows: Rows) -> None:
    assert "it needs" in refusal(workbook(tmp_path, loans=rows))


def test_may_be_compressed_once_more(tmp_path: Path) -> None:
    path = workbook(tmp_path, loans=[["a"], ["b"]])
    (tmp_path / "loans.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert "is compressed twice" in refusal(tmp_path / "loans.gz")


@pytest.mark.parametrize(("limit", "value"), [(TABLE_ROWS, 3), (TABLE_COLUMNS, 1), (TABLE_BYTES, 1000)])
def test_no_more_is_read_than_the_limits(
    tmp_path: Path, limit: Limit, value: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = workbook(tmp_path, loans=[["a", "b"], [1, 2], [3, 4], [5, 6]])
    assert opened(path).num_rows == 3
    monkeypatch.setenv(limit.variable, str(value))
    assert limit.variable in refusal(path)


def test_a_damaged_one_is_one_line(tmp_path: Path) -> None:
    path = workbook(tmp_path, loans=[["a"], ["b"]])
    with zipfile.ZipFile(path) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    parts["xl/worksheets/sheet1.xml"] = parts["xl/worksheets/sheet1.xml"][:200]
    with zipfile.ZipFile(path, "w") as book:
        for name, content in parts.items():
            book.writestr(name, content)
    assert "cannot be read as a workbook" in refusal(path)
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000))
    assert "cannot be read as a workbook" in refusal(path)


def test_without_its_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lockgate.data.excel_file.is_installed", lambda _: False)
    assert "is a workbook; run pip install 'lockgate[excel]', or save the sheet as CSV" in refusal(
        workbook(tmp_path, loans=[["a"], ["b"]])
    )
