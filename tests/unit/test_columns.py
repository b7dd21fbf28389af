"""A column is decided once, from the training data, and whatever comes later is read by it; each number beside Python's own."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from column_reading import AS_FOUND, CATEGORICAL, PLAIN, decided, read_by, refusal, table, values
from hypothesis import example, given
from hypothesis import strategies as st

from lockgate.config.errors import InputError
from lockgate.config.params import Read
from lockgate.data.column_decision import decide, decide_times
from lockgate.data.columns import ReadColumn, SameValue, read_column, read_weights
from lockgate.data.markers import MARKERS_AMONG_CATEGORIES, MARKERS_AMONG_NUMBERS
from lockgate.data.source_table import SourceTable
from lockgate.documents.schema_json import MarkerCount, Reading

SOME = st.lists(st.integers(0, 3), min_size=1, max_size=30)


class TestNumbers:
    @pytest.mark.parametrize(
        ("texts", "numbers"),
        [
            (["1", "20", "-3"], [1, 20, -3]),
            (["1", "2.5", ".5", "5.", "-0.25", "+7"], [1.0, 2.5, 0.5, 5.0, -0.25, 7.0]),
            (["1e3", "2E-2", "0"], [1000.0, 0.02, 0.0]),
            ([" 1", "2 ", "\t3"], [1, 2, 3]),
            (["0", "0.5", "-0.5", "0e0"], [0.0, 0.5, -0.5, 0.0]),
            (["9223372036854775807", "1"], [9223372036854775807, 1]),
            (["9223372036854775808", "1"], [float(2**63), 1.0]),
            (["12,000", "999", "1,234,567"], [12000, 999, 1234567]),
            (["1,234.5", "2"], [1234.5, 2.0]),
            (["1.234,5", "2", "1.000.000"], [1234.5, 2.0, 1000000.0]),
            (["0,5", "12,25", "3"], [0.5, 12.25, 3.0]),
            (["1 234", "5\u00a0678", "9\u202f000", "7"], [1234, 5678, 9000, 7]),
            (["1'234.5", "1\u2019000", "2"], [1234.5, 1000.0, 2.0]),
            (["41%", "5.5 %", "-7%"], [0.41, 0.055, -0.07]),
            (["$12,000", "$5", "-$3", "$-4"], [12000, 5, -3, -4]),
            (["12 EUR", "5EUR", "1,000 EUR"], [12, 5, 1000]),
            (["€ 0,5", "€ 12,25"], [0.5, 12.25]),
            (["\u22125", "6"], [-5, 6]),
            ([*PLAIN, "(12.5)", "7.25-", "( 3 )"], [*range(1, 13), -12.5, -7.25, -3.0]),
            ([*PLAIN, "(1,234)", "5,000-"], [*range(1, 13), -1234, -5000]),
            ([*(f"${one}" for one in PLAIN), "$(1,234)", "($5)", "$6-"], [*range(1, 13), -1234, -5, -6]),
            ([*(f"{one}%" for one in PLAIN), "(41%)"], [*(one / 100 for one in range(1, 13)), -0.41]),
        ],
    )
    def test_are_what_is_written(self, texts: list[object], numbers: list[object]) -> None:
        found = values(texts)
        assert found == numbers
        assert {type(one) for one in found} == {type(numbers[-1])}

    @example([Decimal("0.1"), Decimal("13.49")])
    @given(st.lists(st.decimals(-(10**15), 10**15, places=4), min_size=1, max_size=20))
    def test_are_the_nearest_to_the_decimal_that_is_written_as_pythons_are(self, written: list[Decimal]) -> None:
        percent = [f"{one}%" for one in written]
        assert values([f"{one:f}" for one in written]) == [float(one) for one in written]
        assert values(percent) == [float(one / 100) for one in written]

    @given(st.lists(st.floats(-3e38, 3e38), min_size=1, max_size=20), st.data())
    def test_in_any_format_are_the_numbers_that_python_would_have_written_so(
        self, numbers: list[float], data: st.DataObject
    ) -> None:
        decimal, thousands = data.draw(
            st.sampled_from([(".", ""), (".", ","), (".", " "), (",", ""), (",", "."), (",", "'")])
        )
        swapped = str.maketrans({",": thousands, ".": decimal})
        numbers = [*(round(number, 2) for number in numbers), 1234567.125]
        texts: list[object] = [f"{number:,.3f}".translate(swapped) for number in numbers]
        read = Read(decimal=decimal, thousands=thousands)
        assert values(texts, read) == [float(f"{number:.3f}") for number in numbers]

    def test_below_zero_by_parentheses_or_a_sign_behind_are_said(self) -> None:
        for cells, changed in (
            ([*PLAIN, "(13)"], ("negative",)),
            ([*PLAIN, "13-"], ("negative",)),
            ([*PLAIN, "-13"], ()),
        ):
            assert read_by([*cells], decided([*cells])).changed == changed

    @pytest.mark.parametrize(
        ("texts", "numbers"),
        [(["(1)", "(2)"], [-1, -2]), (["1", "2-"], [1, -2]), (["1.5", "(2,000)"], [1.5, -2000.0])],
    )
    def test_below_zero_by_parentheses_are_declared_where_they_may_be_labels(
        self, texts: list[object], numbers: list[object]
    ) -> None:
        assert values(texts, declared="numeric") == numbers

    @pytest.mark.parametrize("text", ["-(5)", "(-5)", "5--", "-5-", "12 (345)", "F(5)", "(5", "5)", "()", "(5)-"])
    def test_have_one_sign(self, text: str) -> None:
        assert f"{text!r} (first in row 13)" in refusal([*PLAIN, text])

    def test_have_one_zero(self) -> None:
        assert np.signbit(values(["-0.0", "1.5"])[0]) == np.False_
        assert np.signbit(values([-0.0, 1.5])[0]) == np.False_

    def test_are_whole_only_where_none_is_missing(self) -> None:
        assert read_by(["1", ""], Reading("numeric")).values.type == pa.float64()
        assert read_by(["1", "2"], Reading("numeric")).values.type == pa.int64()
        assert read_by([1, None], Reading("numeric")).values.type == pa.float64()

    @pytest.mark.parametrize(
        ("cells", "numbers"),
        [
            (pa.array([1, 2], pa.uint8()), [1, 2]),
            (pa.array([2**64 - 1, 1], pa.uint64()), [float(2**64), 1.0]),
            (pa.array([1.5, float("nan"), None]), [1.5, None, None]),
            (pa.array([Decimal("1.10"), None]), [1.1, None]),
            (pa.array([np.float16(0.5)], pa.float16()), [0.5]),
            (pa.array([None, None]), [None, None]),
        ],
    )
    def test_of_typed_files_are_what_they_are(self, cells: pa.Array, numbers: list[object]) -> None:
        assert values(cells) == numbers

    @pytest.mark.parametrize(
        ("cells", "numbers"),
        [
            (pa.array([2**64 - 1, 1, 99], pa.uint64()), [float(2**64), 1.0, None]),
            (pa.array([2**60 + 1, 1, 99]), [float(2**60), 1.0, None]),
            (pa.array([2**60 + 1, 1, 98]), [2**60 + 1, 1, 98]),
            (pa.array([2.5, 0.25, 99.0]), [2.5, None, None]),
            (pa.array([1, 99], pa.int8()), [1.0, None]),
        ],
    )
    def test_of_typed_files_that_mean_missing_are_missing_beside_any_other(
        self, cells: pa.Array, numbers: list[object]
    ) -> None:
        assert values(cells, Read(missing=["99", "0.25", "-999", "1e30"])) == numbers

    def test_of_truth_values_are_declared(self) -> None:
        assert values([True, False, None], declared="numeric") == [1.0, 0.0, None]

    def test_without_any_cell_are_missing(self) -> None:
        found = read_by(["", " ", "NA"], decided(["", " ", "NA"]))
        assert found.values.to_pylist() == [None] * 3
        assert {one.text: one.count for one in found.markers} == {"": 1, " ": 1, "NA": 1}

    @pytest.mark.parametrize("texts", [["1e39", "1"], ["1.5", "-1e39"]])
    def test_beyond_float32_are_refused(self, texts: list[object]) -> None:
        assert "computes with numbers up to 3.4e+38" in refusal(texts)

    @pytest.mark.parametrize("cells", [["1e400", "2"], [float("inf"), 2.0], [-float("inf"), 2.0]])
    def test_without_an_end_are_refused(self, cells: list[object]) -> None:
        assert "has 1 infinite values, the first in row 1; make them missing or finite" in refusal(cells)


class TestMarkers:
    @pytest.mark.parametrize("marker", ["", "  ", *MARKERS_AMONG_NUMBERS])
    def test_among_numbers_are_missing_in_any_case_and_said(self, marker: str) -> None:
        for written in {marker, marker.lower(), marker.upper(), f" {marker} "}:
            cells: list[object] = ["1.5", written, "2", written]
            found = read_by(cells, decided(cells))
            assert found.values.to_pylist() == [1.5, None, 2.0, None]
            assert found.missing == 2
            assert [(one.text, one.count) for one in found.markers] == [(written, 2)]

    @pytest.mark.parametrize("text", ["None", "?", "-", "n/a", " ", "na", "missing"])
    def test_among_categories_are_few(self, text: str) -> None:
        assert values(["a", text]) == ["a", text]

    @pytest.mark.parametrize("marker", ["", *MARKERS_AMONG_CATEGORIES])
    def test_that_always_were_missing_among_categories_are(self, marker: str) -> None:
        cells: list[object] = ["a", marker, "b"]
        found = read_by(cells, decided(cells))
        assert found.values.to_pylist() == ["a", None, "b"]
        assert [(one.text, one.count) for one in found.markers] == [(marker, 1)]

    def test_are_none_in_what_is_declared_a_category_but_the_empty_text(self) -> None:
        assert values(["NA", "DE", "", "null"], declared="categorical") == ["NA", "DE", None, "null"]

    def test_of_the_project_hold_for_all_columns_and_files(self) -> None:
        read = Read(missing=["-999", "unknown"])
        assert values(["1", "-999", "unknown"], read) == [1.0, None, None]
        assert values(["1.5", " -999"], read) == [1.5, None]
        assert values([1, -999], read) == [1.0, None]
        assert values([1.5, -999.0], read) == [1.5, None]
        assert values(["a", "unknown"], read) == ["a", None]
        assert values(["a", "unknown"], read, "categorical") == ["a", None]
        assert values([1, -999], read, "categorical") == ["1", None]

    def test_of_any_length_fit_into_the_schema(self) -> None:
        cells: list[object] = ["1", " " * 1500, " " * 1200]
        assert read_by(cells, decided(cells)).markers == (MarkerCount(" " * 1000, 2),)

    def test_are_counted_the_most_frequent_first(self) -> None:
        cells: list[object] = ["1", "?", "", "?", None]
        found = read_by(cells, decided(cells))
        assert [(one.text, one.count) for one in found.markers] == [("", 2), ("?", 2)]


class TestCategories:
    def test_are_texts_as_they_stand(self) -> None:
        cells: list[object] = [" a", "a", "A ", "1.0", "01", "1", "True", "b"]
        assert values(cells, declared="categorical") == cells

    @pytest.mark.parametrize("cells", [["01", "02"], ["01", "02", "A1"], ["1", "02", "3"], ["007", "8", "?"]])
    def test_are_digits_with_a_zero_in_front(self, cells: list[object]) -> None:
        assert values(cells) == cells

    def test_of_digits_are_said(self) -> None:
        assert "digits with a zero in front, such as '01', are text" in read_by(["01", "2"], CATEGORICAL).note
        assert read_by(["01", "A1"], CATEGORICAL).note == ""
        assert read_by(["1", "a"], CATEGORICAL).note == ""

    def test_of_digits_are_numbers_where_they_are_declared_so(self) -> None:
        assert values(["01", "007"], declared="numeric") == [1, 7]

    def test_of_truth_values_are_their_texts(self) -> None:
        assert values(["True", "False", "Unknown"]) == ["True", "False", "Unknown"]
        assert values([True, False, None]) == ["true", "false", None]

    @pytest.mark.parametrize(
        "cells",
        [["a", "b", "1"], ["36 months", "60 months"], ["10+ years", "< 1 year", "3 years"]]
        + [["(0,10)", "(10,20)", "(20,30)"], ["1-", "2-", "3-"], ["1M", "3M", "12M"], ["0x1F", "0x2A"], ["(1)", "(2)"]]
        + [[f"{one}{behind}" for one in range(30)] for behind in ("+", "-99", " months", ".1.2", "/7x", "A")]
        + [[f"{one:02}k" for one in range(30)], [f"A-{one}" for one in range(30)], ["\uff11", "\uff12"]],
    )
    def test_are_columns_with_less_than_half_numbers(self, cells: list[object]) -> None:
        assert values(cells) == cells

    def test_of_declared_numbers_are_their_texts(self) -> None:
        assert values([1.0, 2.5, None, 10.0], declared="categorical") == ["1", "2.5", None, "10"]
        assert values([date(2026, 1, 31)], declared="categorical") == ["2026-01-31"]

    @pytest.mark.parametrize(
        ("cells", "categories", "found"),
        [
            ([1.0, 2.0], ("1", "2"), ["1", "2"]),
            ([1, 2], ("1.0", "2.0"), ["1.0", "2.0"]),
            ([1, 2], ("01", "02"), ["01", "02"]),
            ([1, 2], ("1", "1.0", "02", "2.0"), ["1", "2"]),
            ([True, False, None], ("True", "False"), ["True", "False", None]),
            ([True], ("true", "TRUE"), ["true"]),
            ([3], ("1", "x"), ["3"]),
            ([1.5], ("1,5", "1.50"), ["1.50"]),
        ],
    )
    def test_of_a_typed_file_are_the_known_ones_of_the_same_value(
        self, cells: list[object], categories: tuple[str, ...], found: list[object]
    ) -> None:
        assert read_by(cells, CATEGORICAL, categories).values.to_pylist() == found

    def test_of_a_text_file_are_never_another_text(self) -> None:
        assert read_by(["1.0", "true"], CATEGORICAL, ("1", "True")).values.to_pylist() == ["1.0", "true"]

    def test_that_are_no_numbers_are_not_read_from_numbers(self) -> None:
        with pytest.raises(InputError, match=r"column `x` is categorical \(such as 'a'\), but holds numbers"):
            read_by([1, 2], CATEGORICAL, ("a", "b"))

    def test_are_at_most_a_thousand(self) -> None:
        texts: list[object] = [f"t{number}" for number in range(1001)]
        assert values(texts[:1000]) == texts[:1000]
        line = refusal(texts)
        assert "has 1,001 distinct texts, such as 't0' in row 1; name it in prepare.id_columns" in line
        assert line.endswith("set prepare.kinds: {x: drop}")
        assert values(texts, declared="categorical") == texts

    def test_of_many_digits_with_a_zero_say_how_to_make_them_numbers(self) -> None:
        line = refusal([f"{number:05}" for number in range(1001)])
        assert "such as '00000' in row 1" in line
        assert "prepare.kinds: {x: numeric}" in line


class TestChanges:
    @pytest.mark.parametrize(
        ("texts", "changed"),
        [
            (["1", "2.5", "", "NA"], ()),
            ([" 1", "2"], ("stripped",)),
            (["41%", "5%"], ("percent",)),
            (["12,000", "5"], ("thousands",)),
            (["0,5", "5"], ("decimal",)),
            (["1.000,5", "5"], ("thousands", "decimal")),
            (["$1,000", " $5"], ("stripped", "currency", "thousands")),
        ],
    )
    def test_are_said(self, texts: list[object], changed: tuple[str, ...]) -> None:
        assert read_by(texts, decided(texts)).changed == changed


class TestTimes:
    def read(self, cells: list[object], read: Read = AS_FOUND) -> ReadColumn:
        source = table(cells)
        return read_column("x", source.cells("x"), decide_times("x", source.cells("x"), read, source), source)

    @pytest.mark.parametrize(
        ("cells", "first"),
        [
            (["2020-01-31", "2020-02-01"], datetime(2020, 1, 31)),
            (["2020-01-31T10:00:00+02:00", ""], datetime(2020, 1, 31, 8)),
            (["2020-01-31 10:00:00.25", "2020-01-31"], datetime(2020, 1, 31, 10, 0, 0, 250_000)),
            (["31/12/2020", "01/02/2020"], datetime(2020, 12, 31)),
            (["01/31/2020", "02/01/2020"], datetime(2020, 1, 31)),
            (["31.01.2020", "01.02.2020"], datetime(2020, 1, 31)),
            (["Dec-2011", "Jan-2012"], datetime(2011, 12, 1)),
            (["2020/01/31", " 2020/02/01"], datetime(2020, 1, 31)),
            ([date(2020, 1, 31), None], datetime(2020, 1, 31)),
            ([datetime(2020, 1, 31, 5), None], datetime(2020, 1, 31, 5)),
        ],
    )
    def test_are_told_in_utc(self, cells: list[object], first: datetime) -> None:
        assert self.read(cells).values[0].as_py() == first.replace(tzinfo=UTC)

    @pytest.mark.parametrize(
        ("cells", "numbers"), [(["2020", "2021"], [2020, 2021]), ([5, 6], [5, 6]), ([1.5, None], [1.5, None])]
    )
    def test_may_be_numbers(self, cells: list[object], numbers: list[object]) -> None:
        assert self.read(cells).values.to_pylist() == numbers

    def test_say_what_was_done(self) -> None:
        assert self.read([" 31/12/2020", "?"]).changed == ("stripped", "dates")
        assert [one.text for one in self.read(["31/12/2020", "?"]).markers] == ["?"]

    def test_that_can_be_of_two_formats_are_refused_until_one_is_named(self) -> None:
        with pytest.raises(
            InputError, match=r"row 1 holds '01/02/2020'.*'%d/%m/%Y' and as '%m/%d/%Y'; say which in prepare.read.dates"
        ):
            self.read(["01/02/2020", "03/04/2021"])
        assert self.read(["01/02/2020"], Read(dates="%d/%m/%Y")).values[0].as_py() == datetime(2020, 2, 1, tzinfo=UTC)
        assert self.read(["01/01/2020", "02/02/2021"]).values[0].as_py() == datetime(2020, 1, 1, tzinfo=UTC)

    @pytest.mark.parametrize("odd", ["soon", "2020-13-01", "20-01-01x"])
    def test_that_are_none_are_refused(self, odd: str) -> None:
        with pytest.raises(
            InputError, match=rf"row 2 holds '{odd}'.*2026-01-31, or name the format in prepare.read.dates"
        ):
            self.read(["2020-01-31", odd])

    def test_of_another_format_that_are_none_are_refused_with_their_row(self) -> None:
        with pytest.raises(InputError, match=r"row 3 holds '31/02/2020', which is no ISO 8601 time"):
            self.read(["01/01/2020", "31/12/2020", "31/02/2020"])

    def test_of_a_later_file_are_read_by_the_format_of_the_training_data(self) -> None:
        reading = Reading("time", (), dates="%d/%m/%Y")
        assert read_by(["01/02/2020"], reading).values[0].as_py() == datetime(2020, 2, 1, tzinfo=UTC)
        with pytest.raises(
            InputError, match=r"row 1 holds '2020-02-01' \(1 such\), which is no time of the format %d/%m/%Y"
        ):
            read_by(["2020-02-01"], reading)
        with pytest.raises(InputError, match="holds int64 where the training data have dates"):
            read_by([1], reading)

    def test_of_truth_values_are_refused(self) -> None:
        with pytest.raises(InputError, match="time column `x` holds bool; make it a date or a number"):
            self.read([True])


class TestWeights:
    @pytest.mark.parametrize(("cell", "shown"), [("0", "0"), ("-1", "-1"), ("", ""), ("NA", "NA")])
    def test_are_above_zero(self, cell: str, shown: str) -> None:
        source = table(["1", cell])
        with pytest.raises(InputError, match=rf"weight column `x` holds '{shown}' in row 2 \(1 such\)"):
            read_weights("x", source.cells("x"), Reading("numeric"), source)

    def test_are_floats(self) -> None:
        source = table(["1", "2"])
        assert read_weights("x", source.cells("x"), Reading("numeric"), source).to_pylist() == [1.0, 2.0]


@given(st.lists(st.sampled_from(["1", "2.5", "", "NA", "?", " 3", "x", "01", "1,000", "41%"]), min_size=1, max_size=12))
def test_a_column_is_numbers_or_its_own_texts_or_refused(texts: list[object]) -> None:
    """Never a third thing: no text turns into another text, and no number into another number."""
    try:
        found = values(texts)
    except InputError:
        assert "prepare." in refusal(texts)
        return
    for text, value in zip(texts, found, strict=True):
        if isinstance(value, str):
            assert value == text
        elif value is not None:
            plain = str(text).strip().replace(",", "").removesuffix("%")
            assert value == (float(Decimal(plain) / 100) if "%" in str(text) else float(plain))
        else:
            assert str(text).strip() in ("", "NA", "?")


@given(SOME, st.integers(1, 5))
def test_how_a_column_is_split_in_chunks_changes_nothing(picks: list[int], size: int) -> None:
    texts = pa.array([["1", "2.5", "NA", " 3"][pick] for pick in picks])
    chunks = pa.chunked_array([texts[start : start + size] for start in range(0, len(texts), size)])
    whole, parts = (
        SourceTable(pa.table({"x": cells}), "f", separator=",") for cells in (pa.chunked_array([texts]), chunks)
    )
    first, second = (decide("x", one.cells("x"), Read(), None, one) for one in (whole, parts))
    assert first == second
    read = [read_column("x", one.cells("x"), first, one) for one in (whole, parts)]
    assert read[0].values.to_pylist() == read[1].values.to_pylist()
    assert read[0].markers == read[1].markers


def test_a_long_column_of_texts_that_hardly_repeat_is_read_as_a_short_one_is() -> None:
    texts = [f" {number / 7!r}" for number in range(30_000)]
    assert values(pa.array(texts)) == [float(text) for text in texts]
    assert "30,000 distinct texts" in refusal(pa.array([f"id{number}" for number in range(30_000)]))


def test_bytes_under_a_null_are_nothing() -> None:
    ends = pa.py_buffer(np.array([0, 2, 3], np.int32).tobytes())
    cells = pa.Array.from_buffers(pa.string(), 2, [pa.py_buffer(b"\x02"), ends, pa.py_buffer(b"017")], 1)
    assert cells.to_pylist() == [None, "7"]
    assert values(cells) == [None, 7.0]


@pytest.mark.parametrize(("text", "same"), [("1", "1.0"), ("true", "True"), ("x", "x"), ("2", "2"), ("3", "3")])
def test_the_same_value_is_one_of_the_texts_where_one_alone_is(text: str, same: str) -> None:
    assert SameValue(["1.0", "True", "2.0", "02", "3", "3.0"]).text_of(text) == same
