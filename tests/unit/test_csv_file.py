"""Every cell of a CSV is the text that stands between its separators, whoever wrote the file."""

from __future__ import annotations

import io

import pyarrow as pa
import pytest

from lockgate.config.errors import InputError
from lockgate.config.limits import LINE_BYTES
from lockgate.config.params import Read
from lockgate.data.csv_file import SAMPLE_BYTES, csv_batches, read_csv
from lockgate.data.source_table import SourceTable


def read(content: str | bytes, **settings: str | int) -> SourceTable:
    raw = content if isinstance(content, bytes) else content.encode()
    return read_csv(io.BytesIO(raw), "t.csv", Read(**settings))


def rows(content: str | bytes, **settings: str | int) -> dict[str, list[str]]:
    cells: dict[str, list[str]] = read(content, **settings).columns.to_pydict()
    return cells


def refusal(content: str | bytes, **settings: str | int) -> str:
    with pytest.raises(InputError) as refused:
        read(content, **settings)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    "cell",
    [
        "01",
        "007",
        "1.50",
        " 1",
        "1 ",
        " ",
        "",
        "NA",
        "nan",
        "null",
        "N/A",
        "True",
        "TRUE",
        "2020-01-01",
        "1e5",
        "-0",
        "é",
        "'",
    ],
)
@pytest.mark.parametrize("quote", ["", '"'])
def test_a_cell_is_its_text(cell: str, quote: str) -> None:
    assert rows(f"a,b\n{quote}{cell}{quote},x\n3,y\n") == {"a": [cell, "3"], "b": ["x", "y"]}


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_separators_and_line_ends_are_recognised(separator: str, end: str, last: bool) -> None:
    lines = [["a", "b c"], ["1", '"x,;\t|""y"'], ["2", ""]]
    table = read(end.join(separator.join(line) for line in lines) + end * last)
    assert table.columns.to_pydict() == {"a": ["1", "2"], "b c": ['x,;\t|"y', ""]}
    assert table.separator == separator


def test_the_separator_is_what_all_rows_agree_on() -> None:
    assert rows("a;b\n1,5;2,5\n3,5;4,5\n") == {"a": ["1,5", "3,5"], "b": ["2,5", "4,5"]}
    assert rows('"name, given";age\n"x, y";1\n') == {"name, given": ["x, y"], "age": ["1"]}
    assert rows("a\nx y\n") == {"a": ["x y"]}


def test_the_separator_of_the_settings_is_the_one() -> None:
    assert rows("a b\n1 2\n", separator=" ") == {"a": ["1"], "b": ["2"]}
    assert rows("a,b\n1,2\n", separator=";") == {"a,b": ["1,2"]}


@pytest.mark.parametrize("separator", ["||", '"', "é", "\n", " ,"])
def test_a_separator_is_one_character_and_perhaps_a_space(separator: str) -> None:
    assert "prepare.read.separator is" in refusal("a,b\n1,2\n", separator=separator)


def test_the_line_in_which_a_spreadsheet_names_its_separator() -> None:
    table = read("sep=;\na;b\n1;2,5\n")
    assert table.columns.to_pydict() == {"a": ["1"], "b": ["2,5"]}
    assert "row 2" in refusal("sep=;\na;b\n1;2\n3\n")


class TestSpaces:
    def test_behind_every_separator_are_no_part_of_the_cells(self) -> None:
        table = read('a, b, c\n1, x y,  2\n3, "q ""w""",\n')
        assert table.columns.to_pydict() == {"a": ["1", "3"], "b": ["x y", 'q "w"'], "c": [" 2", ""]}
        assert table.notes == ("a space stands behind each ',' and is no part of the cells",)

    def test_behind_some_separators_are_part_of_the_cells(self) -> None:
        rest = "1, 2\n" * (SAMPLE_BYTES // 2)
        assert rows("a, b\n1,2\n") == {"a": ["1"], " b": ["2"]}
        assert rows("a,b\n1, 2\n") == {"a": ["1"], "b": [" 2"]}
        assert rows(f"a, b\n{rest}1,2\n")["b"][-2:] == [" 2", "2"]

    def test_that_the_settings_name_are_no_part_of_the_cells(self) -> None:
        assert rows("a, b\n1, 2\n3,4\n", separator=", ") == {"a": ["1", "3"], "b": ["2", "4"]}


class TestHeader:
    def test_columns_without_a_name_are_called_by_their_position(self) -> None:
        assert read(",a, \n0,1,2\n").names == ["Unnamed: 0", "a", "Unnamed: 2"]

    def test_may_be_of_several_lines(self) -> None:
        assert rows('"a\nb",c\n1,2\n') == {"a\nb": ["1"], "c": ["2"]}

    @pytest.mark.parametrize("content", ["a,b", "a,b\n", "a,b\r\n\r\n", "a,b\n\n\n"])
    def test_alone_is_a_table_without_rows(self, content: str) -> None:
        assert rows(content) == {"a": [], "b": []}

    @pytest.mark.parametrize("content", ["\na,b\n1,2\n", "\r\na,b\n1,2\n"])
    def test_below_an_empty_line_is_refused(self, content: str) -> None:
        assert "has an empty first line; the first line names the columns" in refusal(content)

    @pytest.mark.parametrize("content", [",,\n1,2,3\n", "   \n1\n", '"' + "x" * 200_000 + '",b\n1,2\n'])
    def test_that_names_nothing_is_refused(self, content: str) -> None:
        assert "its first line names no columns" in refusal(content)

    def test_that_names_a_column_twice_is_refused(self) -> None:
        assert "column 'a' is there twice" in refusal("a,b,a\n1,2,3\n")

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_may_stand_below_other_lines(self, end: str) -> None:
        content = end.join(['A "title', "", "a;b", "1;2"])
        assert rows(content, header=3) == {"a": ["1"], "b": ["2"]}
        assert "prepare.read.header: 2" in refusal(end.join(["A title", "a;b", "1;2"]))

    def test_below_the_end_is_refused(self) -> None:
        assert "is empty" in refusal("a,b\n1,2\n", header=9)


class TestRows:
    def test_blank_lines_are_none(self) -> None:
        assert rows("a,b\n1,2\n\n3,4\n\n\n") == {"a": ["1", "3"], "b": ["2", "4"]}

    @pytest.mark.parametrize(("row", "cells"), [("3", 1), ("3,4,5", 3), ('3,"4,5",6', 3), (",,,", 4)])
    @pytest.mark.parametrize("before", [1, 300_000])
    def test_of_other_length_than_the_header_are_refused_by_their_number(
        self, row: str, cells: int, before: int
    ) -> None:
        line = refusal("a,b\n" + "1,2\n" * (before - 1) + '1,"2\n\n"\n' + f"{row}\n5,6\n")
        found = "1 cell" if cells == 1 else f"{cells} cells"
        assert line.startswith(f"t.csv, row {before + 1:,} has {found}, and the header 2: {row!r}")
        assert "prepare.read.separator" in line

    def test_that_a_quote_swallows_are_refused(self) -> None:
        assert 'row 1: a quote (") is opened and never closed' in refusal('a,b\n1,"2\n3,4\n5,6\n')
        assert 'a quote (") is opened and never closed' in refusal('a,b\n1,"2\n' + "3,4\n" * 1_000_000)

    def test_with_quotes_inside_are_as_they_stand(self) -> None:
        assert rows('a,b\n5" pipe,1\n"two\nlines",2\n') == {"a": ['5" pipe', "two\nlines"], "b": ["1", "2"]}

    def test_of_many_blocks_are_all_there(self) -> None:
        numbers = [str(number) for number in range(400_000)]
        table = rows("a;é\n" + "".join(f"{number};ü{number}\n" for number in numbers))
        assert table["a"] == numbers
        assert table["é"][-1] == "ü399999"


class TestEncoding:
    def test_is_utf_8(self) -> None:
        assert rows("größe,b\nü,€\n") == {"größe": ["ü"], "b": ["€"]}

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
    @pytest.mark.parametrize("setting", [{}, {"encoding": "cp1252"}])
    def test_is_what_the_byte_order_mark_says(self, encoding: str, setting: dict[str, str]) -> None:
        table = read("größe,b\nü,€\n".encode(encoding), **setting)
        assert table.columns.to_pydict() == {"größe": ["ü"], "b": ["€"]}
        assert bool(table.notes) == (encoding != "utf-8-sig")

    @pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "iso8859-15", "utf-16-be", "cp1250", "shift_jis"])
    def test_is_what_the_settings_say(self, encoding: str) -> None:
        text = "名,b\nあ,2\n" if encoding == "shift_jis" else "größe,b\nü,2\n"
        assert list(rows(text.encode(encoding), encoding=encoding)) == text.splitlines()[0].split(",")

    @pytest.mark.parametrize("before", [0, 200_000])
    def test_that_is_not_utf_8_is_refused_by_its_line_with_the_setting(self, before: int) -> None:
        line = refusal(("a,b\n" + "1,2\n" * before + "3,größe\n").encode("cp1252"))
        assert line.startswith(f"t.csv, line {before + 2:,}: not UTF-8 text")
        assert "'3,größe'; save the file as UTF-8, or set prepare.read.encoding: cp1252" in line

    def test_that_is_not_what_the_settings_say_is_refused(self) -> None:
        assert "t.csv, line 2: not ascii text" in refusal("a\né\n", encoding="ascii")

    def test_that_could_be_either_of_two_is_refused(self) -> None:
        line = refusal("a\n1\n".encode("utf-16-le"), encoding="utf-16")
        assert "set prepare.read.encoding: utf-16-le, or utf-16-be" in line

    def test_letters_at_the_ends_of_blocks_are_whole(self) -> None:
        for shift in range(4):
            cells = rows("a" * (shift + 1) + ",b\n" + "€,ü😀\n" * 150_000)
            assert set(cells["b"]) == {"ü😀"}


def test_a_line_as_long_as_the_limit_is_read_and_a_longer_one_refused() -> None:
    longest = "x" * (LINE_BYTES.default - 2)
    assert rows(f"a,b\n{longest},1\n{longest},2\n")["a"] == [longest] * 2
    assert LINE_BYTES.variable in refusal(f"a,b\n1,2\n{longest}x,1\n")


@pytest.mark.parametrize("spaces", [False, True])
def test_batches_hold_what_the_whole_file_holds(monkeypatch: pytest.MonkeyPatch, spaces: bool) -> None:
    monkeypatch.setattr("lockgate.data.csv_file.STREAMED_ROWS", 1)
    separator, text = ("; ", '"a""{}"') if spaces else (";", '"a;""{}"""')
    raw = "\n".join(separator.join([f"{row:06d}", text.format(row)]) for row in range(300_000)).encode()
    content = separator.join(["key", "text"]).encode() + b"\n" + raw
    batches = list(csv_batches(io.BytesIO(content), "t.csv", Read()))
    assert len(batches) > 3
    assert [batch.first_row for batch in batches] == [
        sum(one.columns.num_rows for one in batches[:place]) for place in range(len(batches))
    ]
    assert pa.concat_tables([batch.columns for batch in batches]).equals(read(content).columns)


def test_what_only_the_end_of_the_file_tells_is_refused_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lockgate.data.csv_file.STREAMED_ROWS", 1)
    rows = b"a, b\n" + b"1, 2\n" * 300_000
    batches = csv_batches(io.BytesIO(rows + b"1,2\n"), "t.csv", Read())
    next(batches)
    with pytest.raises(
        InputError, match=r"a space stands behind ',' in the first rows and not in all; set prepare.read.separator"
    ):
        list(batches)
    with pytest.raises(InputError, match="row 300,001: a quote"):
        list(csv_batches(io.BytesIO(b"a,b\n" + b"1,2\n" * 300_000 + b'1,"2\n'), "t.csv", Read()))
