"""Columns that nobody can decide on: one line that says what stands where, and which key decides."""

from __future__ import annotations

from datetime import date, datetime

import pyarrow as pa
import pytest
import yaml
from column_reading import PLAIN, decided, read_by, refusal, values

from lockgate.config.errors import InputError
from lockgate.config.params import Read
from lockgate.data.column_decision import decide
from lockgate.data.source_table import FilePart, SourceTable
from lockgate.documents.schema_json import Kind, NumberFormat, Reading


class TestRefusals:
    @pytest.mark.parametrize(
        "texts", [["1", "2", "unknown"], ["1", " unknown"], ["1.5", "2", "3,x"], ["1", "2", "inf"]]
    )
    def test_of_numbers_with_other_texts_name_them_and_both_keys(self, texts: list[object]) -> None:
        line = refusal(texts)
        odd = texts[-1]
        assert f"{odd!r} (first in row {len(texts)})" in line
        assert f"in 1 of {len(texts)} cells ({1 / len(texts):.1%})" in line
        assert yaml.safe_load(line.partition("prepare.read.missing: ")[2].partition(" that they")[0]) == [odd]
        assert "prepare.kinds: {x: categorical}" in line
        assert len(values(texts, Read(missing=[str(odd)]))) == len(texts)
        assert values(texts, declared="categorical") == texts

    @pytest.mark.parametrize(
        "notation",
        ["({}.5)", "{}.5-", "${}k", "{} K", "3.{}M", "{} Mio.", "0x1{}", "1,{}0m", "\uff11{}", "{}\u0663", "(0,{})"],
    )
    def test_of_numbers_in_a_notation_that_is_not_read_name_them_and_both_keys(self, notation: str) -> None:
        texts: list[object] = [notation.format(number) for number in range(10, 24)]
        line = refusal(texts)
        assert "holds numbers in a notation that is not read, in 14 of 14 cells (100.0%): " in line
        assert f"{texts[0]!r} (first in row 1), {texts[1]!r}" in line
        assert yaml.safe_load(line.partition("prepare.read.missing: ")[2].partition(" that they")[0]) == texts[:5]
        assert line.endswith("set prepare.kinds: {x: categorical}")
        assert values(texts, declared="categorical") == texts
        assert values(texts[:12]) == texts[:12]
        assert values([*texts, *["other"] * 15]) == [*texts, *["other"] * 15]

    def test_of_numbers_and_of_more_that_are_not_read_show_those_alone(self) -> None:
        texts: list[object] = [*PLAIN[:6], *(f"{number}k" for number in range(10, 24))]
        assert "in 14 of 20 cells (70.0%): '10k' (first in row 7)" in refusal(texts)

    @pytest.mark.parametrize(
        ("texts", "shown"),
        [(["1", "2", "(3)"], "(3)"), (["1", "2", "3-"], "3-"), ([f"({number})" for number in range(13)], "(0)")],
    )
    def test_of_what_may_be_below_zero_name_the_key_that_makes_it_so(self, texts: list[object], shown: str) -> None:
        assert f"set prepare.kinds: {{x: numeric}} where {shown!r} is below zero" in refusal(texts)

    def test_of_a_second_header_name_its_key(self) -> None:
        assert "prepare.read.header: 2" in refusal(["LIMIT_BAL", "1", "2"])
        assert "prepare.read.header" not in refusal(["1", "LIMIT_BAL", "2"])

    @pytest.mark.parametrize(
        "name", ["x", "Unnamed: 0", "39", "a, b", "income[EUR]", "no", "it's", "a#b", "größe", "a\tb"]
    )
    def test_show_keys_that_params_yaml_takes(self, name: str) -> None:
        cells = pa.chunked_array([["1", "2", r"\N?", "it's", " - "]])
        source = SourceTable(pa.table({name: cells}), "f", separator=",")
        with pytest.raises(InputError) as refused:
            decide(name, cells, Read(missing=["-"]), None, source)
        line = str(refused.value)
        assert yaml.safe_load(line.rpartition("prepare.kinds: ")[2]) == {name: "categorical"}
        assert yaml.safe_load(line.partition("prepare.read.missing: ")[2].partition(" that they")[0]) == [
            r"\N?",
            "it's",
        ]

    def test_show_five_marks_the_most_frequent_first(self) -> None:
        line = refusal([*["1"] * 20, "a", "b", "b", "c", "d", "e", "f", "g"])
        assert "'b' (first in row 22), 'a', 'c', 'd', 'e' and 2 more; say" in line

    def test_name_the_part_of_a_folder(self) -> None:
        cells = pa.chunked_array([["1", "2", "3", "x"]])
        parts = (FilePart("a.csv", 3), FilePart("b.csv", 1))
        source = SourceTable(pa.table({"x": cells}), "prepare.source: folder", parts=parts, separator=",")
        with pytest.raises(InputError, match=r"'x' \(first in b.csv, row 1\)"):
            decide("x", cells, Read(), None, source)

    @pytest.mark.parametrize("text", ["41%", "41 %"])
    def test_of_a_percent_among_plain_numbers_name_its_key(self, text: str) -> None:
        assert "prepare.read.percent: true" in refusal(["5", text])
        assert values(["5", text], Read(percent=True)) == [0.05, 0.41]

    def test_of_a_currency_among_plain_numbers_name_its_key(self) -> None:
        assert "prepare.read.currency: 'EUR' " in refusal(["5", "6 EUR"])
        assert values(["5", "6 EUR"], Read(currency="EUR")) == [5, 6]

    def test_of_two_currencies(self) -> None:
        assert "prepare.kinds: {x: categorical}" in refusal(["5 EUR", "6 USD"])

    def test_say_no_percent_where_the_project_wants_none(self) -> None:
        assert values(["41%", "5%"], Read(percent=False)) == ["41%", "5%"]
        assert values(["$1", "$2"], Read(currency="")) == ["$1", "$2"]

    @pytest.mark.parametrize("texts", [["1,234", "5"], ["1.234", "5"], ["1.234", "12.345"], ["-1,234", "2,000"]])
    def test_of_what_can_be_read_in_two_ways_name_the_keys(self, texts: list[object]) -> None:
        line = refusal(texts, separator=";")
        assert f"holds {texts[0]!r} in row 1" in line
        assert "prepare.read.decimal or prepare.read.thousands" in line
        number = str(texts[0])
        assert values(texts, Read(decimal=","), separator=";")[0] == float(number.replace(".", "").replace(",", "."))
        assert values(texts, Read(decimal="."), separator=";")[0] == float(number.replace(",", ""))

    def test_a_file_separated_by_commas_has_commas_between_thousands(self) -> None:
        assert values(["26,000", "1,000"], separator=",") == [26000, 1000]
        assert values(["1.234", "2.345"], separator=",") == [1.234, 2.345]

    @pytest.mark.parametrize(("other", "number"), [("0,5", 1234), ("0.5", 1.234), ("x", None)])
    def test_another_column_tells_what_a_point_is(self, other: str, number: float | None) -> None:
        texts: list[object] = ["1.234", "2.345"]
        if number is None:
            refusal(texts, separator=";", y=[other, other])
        else:
            assert values(texts, separator=";", y=[other, other])[0] == number

    def test_a_column_of_whole_numbers_takes_the_decimal_sign_of_the_others(self) -> None:
        assert decided(["1", "2"], separator=";", y=["0,5", "1"]).number == NumberFormat(decimal=",")
        assert decided(["1", "2"], separator=";", y=["0.5", "1"]).number == NumberFormat()

    def test_of_numbers_that_the_settings_do_not_fit(self) -> None:
        assert "not written as prepare.read.decimal and prepare.read.thousands say" in refusal(
            ["1.5", "2.5"], Read(decimal=",")
        )

    @pytest.mark.parametrize("declared", ["numeric"])
    def test_of_what_is_declared_numeric_and_is_not(self, declared: Kind) -> None:
        line = refusal(["1", " b", "c", "d"], declared=declared)
        assert "is numeric, but row 2 holds ' b' (3 such)" in line
        assert "prepare.read.missing: [' b']" in line
        assert "prepare.kinds: {x: categorical}" in line

    def test_of_a_later_file_name_what_stands_there(self) -> None:
        with pytest.raises(InputError, match=r"column `x` is numeric, but row 2 holds '41%' \(1 such\)"):
            read_by(["1", "41%"], Reading("numeric", (), NumberFormat()))
        with pytest.raises(InputError, match=r"column `x` is numeric, but row 1 holds '1.5' \(1 such\)"):
            read_by(["1.5", "41%"], Reading("numeric", (), NumberFormat(percent=True)))

    @pytest.mark.parametrize(
        "cells",
        [
            ["2020-01-31", "2020-02-01"],
            ["2020-01-31T10:00:00Z", "2020-02-01 11:30"],
            ["2020-01", "2021-12"],
            ["31/12/2020", "01/02/2020"],
            ["01/02/2020", "01/03/2020"],
            ["12/31/2020", "?"],
            ["31.12.2020", "01.01.2021"],
            ["Dec-2011", "Jan-2012", ""],
            ["2020/12/31", "2021/01/01"],
            ["31-Dec-2020 10:15", "01-Jan-2021 00:00"],
            [date(2020, 1, 31), None],
            [datetime(2020, 1, 31, 12)],
        ],
    )
    def test_of_dates_name_the_time_column(self, cells: list[object]) -> None:
        line = refusal(cells)
        assert "holds dates" in line
        assert "prepare.time_column" in line
        assert line.endswith("prepare.kinds: {x: drop}")

    @pytest.mark.parametrize(
        ("cells", "what"),
        [
            (pa.array([["a"]]), "holds list<item: string>"),
            (pa.array([{"a": 1}]), "holds struct<a: int64>"),
            (pa.array([b"\xff"], pa.binary()), "holds bytes that are no UTF-8 text"),
            (pa.array([b"ab"], pa.binary(2)), "holds bytes that are no UTF-8 text"),
        ],
    )
    @pytest.mark.parametrize("declared", [None, "numeric", "categorical"])
    def test_of_what_is_no_plain_value(self, cells: pa.Array, what: str, declared: Kind | None) -> None:
        line = refusal(cells, declared=declared)
        assert what in line
        assert line.endswith("prepare.kinds: {x: drop}")

    def test_of_dates_where_numbers_belong(self) -> None:
        assert "holds dates where numbers belong" in refusal([date(2020, 1, 31)], declared="numeric")
