"""Cells as teams really have them, each kind with the right answer: codes, missing values, numbers, dates, classes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dialects import (
    PLAIN,
    SETTINGS,
    Dialect,
    applicants,
    prepare,
    prepare_table,
    values,
    with_marks,
)
from reading_results import refuse, row_contents, typed
from support import invoke, succeed, write_params

from lockgate.data.markers import MARKERS_AMONG_NUMBERS

CODES = ("01", "02", "03", "04")


class TestCodes:
    """A code is the text that stands in the file, whichever other codes the file has."""

    def test_one_letter_among_digits_in_training_and_none_in_the_batch(self, tmp_path: Path) -> None:
        train = with_marks(applicants(600), "code", "A1", 60)
        PLAIN.write(applicants(400, seed=2), tmp_path / "batch.csv")
        found = prepare_table(tmp_path, train, current="batch.csv")
        assert found.features["code"].categories == (*CODES, "A1")
        assert sorted(found.current.code.unique()) == list(CODES)

    @pytest.mark.parametrize("kinds", [{}, {"code": "categorical"}], ids=["inferred", "declared"])
    def test_digits_with_a_leading_zero_are_text(self, tmp_path: Path, kinds: dict[str, str]) -> None:
        found = prepare_table(tmp_path, applicants(), kinds=kinds)
        assert found.features["code"].categories == CODES
        assert found.column("code").why == ("declared" if kinds else "inferred")

    def test_a_declared_number_may_have_leading_zeros(self, tmp_path: Path) -> None:
        found = prepare_table(tmp_path, applicants(), kinds={"code": "numeric"})
        assert sorted(found.rows.code.unique()) == [1, 2, 3, 4]

    def test_a_zero_before_a_decimal_point_is_a_number(self, tmp_path: Path) -> None:
        found = prepare_table(tmp_path, applicants().assign(code=["0", "0.5", "-0.5"] * 100))
        assert found.kinds["code"] == "numeric"

    def test_the_batch_may_come_as_parquet_and_the_training_data_as_csv(self, tmp_path: Path) -> None:
        batch = applicants(200, seed=2)
        pq.write_table(typed(batch), tmp_path / "batch.parquet")
        found = prepare_table(tmp_path, applicants(), current="batch.parquet")
        PLAIN.write(batch, tmp_path / "batch.csv")
        again = prepare(tmp_path, current="batch.csv")
        assert row_contents(found.current) == row_contents(again.current)

    def test_drift_of_two_tables_sees_the_same_codes(self, tmp_path: Path) -> None:
        PLAIN.write(with_marks(applicants(600), "code", "A1", 60), tmp_path / "before.csv")
        PLAIN.write(applicants(400, seed=2), tmp_path / "now.csv")
        succeed(invoke(tmp_path, "drift", "--reference", "before.csv", "--current", "now.csv"))
        drift = json.loads((tmp_path / "reports/drift.json").read_text())
        code = next(feature for feature in drift["features"] if feature["name"] == "code")
        assert [one["label"] for one in code["bins"]][:5] == [*CODES, "A1"]
        assert code["status"] == "stable"

    def test_namibia_is_a_country_where_the_column_is_declared(self, tmp_path: Path) -> None:
        table = with_marks(applicants().assign(country=["NA", "DE", "FR"] * 100), "country", "", 50)
        declared = prepare_table(tmp_path, table, kinds={"country": "categorical"})
        assert declared.features["country"].categories == ("DE", "FR", "NA")
        assert declared.markers("country") == {"": 6}
        inferred = prepare_table(tmp_path, table)
        assert inferred.features["country"].categories == ("DE", "FR")
        assert set(inferred.markers("country")) == {"", "NA"}


class TestTruthValues:
    """True and False of a text file stay the texts that they are."""

    def test_a_third_text_in_training_and_none_in_the_batch(self, tmp_path: Path) -> None:
        train = with_marks(applicants(600), "flag", "Unknown", 60)
        PLAIN.write(applicants(400, seed=2), tmp_path / "batch.csv")
        found = prepare_table(tmp_path, train, current="batch.csv")
        assert found.features["flag"].categories == ("False", "True", "Unknown")
        assert sorted(found.current.flag.unique()) == ["False", "True"]

    def test_truth_values_of_a_typed_batch_are_the_texts_of_training(self, tmp_path: Path) -> None:
        batch = applicants(200, seed=2)
        flags = pa.array([cell == "True" for cell in batch.flag])
        table = typed(batch)
        pq.write_table(table.set_column(table.column_names.index("flag"), "flag", flags), tmp_path / "batch.parquet")
        found = prepare_table(tmp_path, applicants(), current="batch.parquet")
        assert sorted(found.current.flag.unique()) == ["False", "True"]


class TestIdentifiers:
    def test_a_new_row_with_another_kind_of_identifier_moves_no_row(self, tmp_path: Path) -> None:
        table = applicants().assign(acct=[f"{number:07d}" for number in range(300)])
        before = prepare_table(tmp_path, table, id_columns=["acct"])
        more = pd.concat([table, table.tail(1).assign(acct="X000001")])
        after = prepare_table(tmp_path, more, id_columns=["acct"])
        assert set(before.train.row_key) <= set(after.train.row_key)
        assert set(before.test.row_key) <= set(after.test.row_key)
        assert len(after.rows) == 301

    def test_007_and_7_are_two_rows(self, tmp_path: Path) -> None:
        table = applicants(200).assign(
            acct=[f"{number // 2:03d}" if number % 2 else str(number // 2) for number in range(200)]
        )
        table.loc[200 - 1, "acct"] = "0099"  # 99 and 099 exist
        assert prepare_table(tmp_path, table[20:], id_columns=["acct"]).rows.row_key.is_unique

    @pytest.mark.parametrize("first", [2**53, 2**63, 10**25], ids=["beyond 2^53", "beyond int64", "beyond uint64"])
    def test_large_integers_are_exact_and_the_same_in_csv_and_parquet(self, tmp_path: Path, first: int) -> None:
        table = applicants().assign(loan_id=[str(first + number) for number in range(300)])
        csv = prepare_table(tmp_path, table, id_columns=["loan_id"])
        identifiers = [first + number for number in range(300)]
        kind = pa.int64() if first < 2**62 else pa.uint64() if first < 2**64 else pa.string()
        column = pa.array([str(one) for one in identifiers] if kind == pa.string() else identifiers, kind)
        pq.write_table(
            typed(table.drop(columns="loan_id")).append_column("loan_id", column), tmp_path / "loans.parquet"
        )
        parquet = prepare(tmp_path, source="loans.parquet", id_columns=["loan_id"])
        assert csv.rows.row_key.is_unique
        pd.testing.assert_frame_equal(csv.rows, parquet.rows)

    def test_the_same_identifier_twice_is_refused_with_its_row(self, tmp_path: Path) -> None:
        table = applicants().assign(acct=[f"{number:04d}" for number in range(300)])
        table.loc[7, "acct"] = "0003"
        PLAIN.write(table, tmp_path / "loans.csv")
        refuse(tmp_path, "loans.csv", "acct", "0003", id_columns=["acct"])


def test_the_document_lists_every_text_that_means_missing() -> None:
    document = (Path(__file__).parents[2] / "docs/data.md").read_text()
    listed = document.split("```text\n")[1].split("```")[0]
    assert tuple(re.split(r"\s{2,}|\n", listed.strip())) == MARKERS_AMONG_NUMBERS


KNOWN_MARKERS = [
    "?",
    "-",
    "--",
    ".",
    "NA",
    "N/A",
    "n/a",
    "#N/A",
    "NaN",
    "nan",
    "null",
    "NULL",
    "None",
    " ",
    r"\N",
    "<NA>",
]


class TestMarkersOfMissing:
    """A column of numbers stays one, whatever stands where a number is missing, and prepare says what it took for missing."""

    @pytest.mark.parametrize("mark", KNOWN_MARKERS)
    def test_known_markers_among_numbers(self, tmp_path: Path, mark: str) -> None:
        found = prepare_table(tmp_path, with_marks(applicants(), "util", mark))
        assert found.kinds["util"] == "numeric"
        assert found.rows.util.isna().sum() == 10
        assert sum(found.markers("util").values()) == found.column("util").missing == 10
        assert list(found.markers("util")) == [mark]

    def test_the_terminal_shows_what_was_taken_for_missing(self, tmp_path: Path) -> None:
        PLAIN.write(with_marks(applicants(), "util", "?"), tmp_path / "loans.csv")
        write_params(tmp_path, {"prepare": SETTINGS})
        output = succeed(invoke(tmp_path, "prepare")).output
        assert any("util" in line and "?" in line and "10" in line for line in output.splitlines()), output

    @pytest.mark.parametrize("mark", ["unknown", "n.v.", "*", "10+", "unter 3"])
    def test_another_text_among_numbers_is_refused_with_both_keys(self, tmp_path: Path, mark: str) -> None:
        PLAIN.write(with_marks(applicants(), "util", mark), tmp_path / "loans.csv")
        refuse(tmp_path, "loans.csv", "util", f"'{mark}'", "prepare.read.missing", "prepare.kinds", "row 1")
        found = prepare(tmp_path, read={"missing": [mark]})
        assert found.rows.util.isna().sum() == 10
        assert prepare(tmp_path, kinds={"util": "categorical"}).kinds["util"] == "categorical"

    def test_the_spaces_of_an_odd_text_are_shown(self, tmp_path: Path) -> None:
        PLAIN.write(with_marks(applicants(), "util", "  odd "), tmp_path / "loans.csv")
        refuse(tmp_path, "'  odd '")

    def test_a_number_that_means_missing(self, tmp_path: Path) -> None:
        table = with_marks(applicants(), "income", "-999")
        assert prepare_table(tmp_path, table).rows.income.min() == -999
        found = prepare_table(tmp_path, table, read={"missing": ["-999"]})
        assert found.rows.income.isna().sum() == 10
        assert found.rows.income.min() > 0
        numbers = typed(with_marks(applicants(), "income", "-999"))
        pq.write_table(numbers, tmp_path / "loans.parquet")
        again = prepare(tmp_path, source="loans.parquet", read={"missing": ["-999"]})
        pd.testing.assert_series_equal(
            again.rows.income.sort_values(), found.rows.income.sort_values(), check_index=False
        )

    def test_quoted_empty_fields(self, tmp_path: Path) -> None:
        found = prepare_table(tmp_path, with_marks(applicants(), "util", ""), Dialect(quote_all=True))
        assert found.kinds["util"] == "numeric"
        assert found.rows.util.isna().sum() == 10

    def test_the_batch_is_read_with_the_markers_of_training(self, tmp_path: Path) -> None:
        PLAIN.write(with_marks(applicants(200, seed=2), "util", "none given"), tmp_path / "batch.csv")
        table = with_marks(applicants(), "util", "none given")
        found = prepare_table(tmp_path, table, current="batch.csv", read={"missing": ["none given"]})
        assert found.current.util.isna().sum() == 7

    def test_a_text_that_only_the_batch_has_among_numbers_is_refused(self, tmp_path: Path) -> None:
        PLAIN.write(with_marks(applicants(200, seed=2), "util", "none given"), tmp_path / "batch.csv")
        PLAIN.write(applicants(), tmp_path / "loans.csv")
        refuse(tmp_path, "batch.csv", "util", "'none given'", "prepare.read.missing", current="batch.csv")


class TestNotations:
    """Numbers as people write them: converted and said where all cells of the column fit, else refused."""

    def test_percent(self, tmp_path: Path) -> None:
        shares = applicants().util.astype(float).round(2)
        found = prepare_table(tmp_path, applicants().assign(util=[f"{share:.0%}" for share in shares]))
        assert sorted(found.rows.util) == pytest.approx(sorted(shares), rel=1e-12)
        assert "percent" in found.column("util").changed

    def test_percent_in_some_cells_only_is_refused(self, tmp_path: Path) -> None:
        PLAIN.write(with_marks(applicants(), "util", "41%"), tmp_path / "loans.csv")
        refuse(tmp_path, "util", "41%", "prepare.")

    @pytest.mark.parametrize("separator", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
    def test_thousands_with_decimals(self, tmp_path: Path, separator: str) -> None:
        incomes = [float(cell) for cell in applicants().income]
        table = applicants().assign(income=[f"{income:,.2f}" for income in incomes])
        found = prepare_table(tmp_path, table, Dialect(separator=separator))
        assert sorted(found.rows.income) == sorted(incomes)
        assert "thousands" in found.column("income").changed

    def test_thousands_alone_in_a_file_of_commas(self, tmp_path: Path) -> None:
        thousands = [f"{1000 * (number % 40 + 10):,}" for number in range(300)]
        found = prepare_table(tmp_path, applicants().assign(income=thousands))
        assert found.rows.income.min() == 10_000

    def test_what_may_be_thousands_or_decimals_is_refused_with_both_keys(self, tmp_path: Path) -> None:
        table = applicants().assign(income=[f"{1 + number % 9},{number % 10}50" for number in range(300)], util="1")
        Dialect(separator=";").write(table, tmp_path / "loans.csv")
        refuse(tmp_path, "income", "prepare.read.decimal", "prepare.read.thousands")
        assert prepare(tmp_path, read={"decimal": ","}).rows.income.max() < 10
        assert prepare(tmp_path, read={"thousands": ","}).rows.income.min() >= 1000

    def test_decimal_commas(self, tmp_path: Path) -> None:
        plain = applicants()
        table = plain.assign(util=plain.util.str.replace(".", ","), income=plain.income.str.replace(".", ","))
        found = prepare_table(tmp_path, table, Dialect(separator=";"))
        assert sorted(found.rows.income) == sorted(plain.income.astype(float))
        assert "decimal" in found.column("income").changed

    @pytest.mark.parametrize("form", ["${:,.2f}", "€ {:.2f}", "{:.2f} €", "{:.2f} EUR", "£{:,.0f}", "USD {:.2f}"])
    def test_currency(self, tmp_path: Path, form: str) -> None:
        incomes = [round(float(cell)) for cell in applicants().income]
        found = prepare_table(tmp_path, applicants().assign(income=[form.format(income) for income in incomes]))
        assert sorted(found.rows.income) == sorted(incomes)
        assert "currency" in found.column("income").changed

    def test_two_currencies_are_no_number(self, tmp_path: Path) -> None:
        table = applicants()
        table["income"] = [("$" if number % 2 else "€") + cell for number, cell in enumerate(table.income)]
        PLAIN.write(table, tmp_path / "loans.csv")
        refuse(tmp_path, "income", "prepare.kinds")

    def test_spaces_around_numbers(self, tmp_path: Path) -> None:
        table = applicants()
        found = prepare_table(tmp_path, table.assign(income="  " + table.income + " "))
        assert sorted(found.rows.income) == sorted(table.income.astype(float))
        assert found.column("income").changed == ("stripped",)

    def test_the_batch_is_read_in_the_notation_of_training(self, tmp_path: Path) -> None:
        def german(table: pd.DataFrame) -> pd.DataFrame:
            return table.assign(
                income=[f"{float(cell):,.2f}".translate(str.maketrans(",.", ".,")) for cell in table.income]
            )

        batch = applicants(200, seed=2).assign(income="1234.5")
        Dialect(separator=";").write(german(batch), tmp_path / "batch.csv")
        found = prepare_table(tmp_path, german(applicants()), Dialect(separator=";"), current="batch.csv")
        assert set(found.current.income) == {1234.5}

    def test_a_batch_in_another_notation_is_read_right_or_refused(self, tmp_path: Path) -> None:
        batch = applicants(200, seed=2)
        Dialect(separator=";").write(batch.assign(income=batch.income.str.replace(".", ",")), tmp_path / "batch.csv")
        PLAIN.write(applicants(), tmp_path / "loans.csv")
        refuse(tmp_path, "batch.csv", "income", current="batch.csv")


class TestClasses:
    STATUSES: ClassVar = {"Fully Paid": 150, "Charged Off": 80, "Current": 60, "Late (31-120 days)": 10}
    CLASSES: ClassVar = {
        "positive": ["Charged Off", "Late (31-120 days)"],
        "negative": ["Fully Paid"],
        "left_out": ["Current"],
    }

    @pytest.fixture
    def table(self) -> pd.DataFrame:
        statuses = [status for status, rows in self.STATUSES.items() for _ in range(rows)]
        return applicants().assign(default=np.random.default_rng(3).permutation(statuses))

    def test_three_statuses_are_refused_with_their_counts_and_the_key(
        self, tmp_path: Path, table: pd.DataFrame
    ) -> None:
        PLAIN.write(table, tmp_path / "loans.csv")
        refuse(tmp_path, "default", "prepare.classes", "Fully Paid", "150", "Late (31-120 days)")

    def test_classes_and_what_is_left_out(self, tmp_path: Path, table: pd.DataFrame) -> None:
        found = prepare_table(tmp_path, table, classes=self.CLASSES)
        assert len(found.rows) == 240
        assert found.rows.default.sum() == 90

    def test_what_is_left_out_is_said(self, tmp_path: Path, table: pd.DataFrame) -> None:
        PLAIN.write(table, tmp_path / "loans.csv")
        write_params(tmp_path, {"prepare": {**SETTINGS, "classes": self.CLASSES}})
        assert "60" in succeed(invoke(tmp_path, "prepare")).output

    def test_a_status_that_no_class_names_is_refused(self, tmp_path: Path, table: pd.DataFrame) -> None:
        PLAIN.write(table, tmp_path / "loans.csv")
        classes = {**self.CLASSES, "positive": ["Charged Off"]}
        refuse(tmp_path, "default", "prepare.classes", "Late (31-120 days)", "10", classes=classes)

    def test_the_batch_leaves_out_the_same_rows_of_its_outcomes(self, tmp_path: Path, table: pd.DataFrame) -> None:
        PLAIN.write(table.sample(200, random_state=1), tmp_path / "batch.csv")
        found = prepare_table(tmp_path, table, classes=self.CLASSES, current="batch.csv")
        assert set(values(found.current.default)) <= {0, 1, None}


DAY_FIRST = [
    f"{day:02d}/{month:02d}/{year}" for year in (2023, 2024) for month in range(1, 13) for day in (1, 9, 17, 28)
]


class TestDates:
    FORMATS: ClassVar = {
        "ISO": "%Y-%m-%d",
        "day first": "%d/%m/%Y",
        "month first": "%m/%d/%Y",
        "dots": "%d.%m.%Y",
        "months by name": "%b-%Y",
        "year first, slashes": "%Y/%m/%d",
    }

    @pytest.mark.parametrize("name", FORMATS)
    def test_dates_are_no_feature(self, tmp_path: Path, name: str) -> None:
        table = applicants().assign(day=pd.date_range("2023-01-01", periods=300).strftime(self.FORMATS[name]))
        PLAIN.write(table, tmp_path / "loans.csv")
        refuse(tmp_path, "day", "prepare.time_column", "prepare.kinds: {day: drop}")
        assert "day" not in prepare(tmp_path, kinds={"day": "drop"}).features

    @pytest.mark.parametrize("name", FORMATS)
    def test_the_newest_rows_are_tested_in_whatever_form_dates_come(self, tmp_path: Path, name: str) -> None:
        days = pd.date_range("2023-01-01", periods=300)
        found = prepare_table(tmp_path, applicants().assign(day=days.strftime(self.FORMATS[name])), time_column="day")
        assert found.train.day.max() <= found.test.day.min()
        newest = pd.Timestamp("2023-10-01" if name == "months by name" else "2023-10-27")
        assert found.test.day.max() == newest

    def test_dates_that_may_be_day_first_or_month_first_are_refused(self, tmp_path: Path) -> None:
        days = [f"{1 + number % 12:02d}/{1 + number // 12 % 12:02d}/2023" for number in range(300)]
        PLAIN.write(applicants().assign(day=days), tmp_path / "loans.csv")
        refuse(tmp_path, "day", "prepare.read.dates", time_column="day")
        first = prepare(tmp_path, time_column="day", read={"dates": "%d/%m/%Y"})
        assert first.test.day.max() == pd.Timestamp("2023-12-12")

    def test_a_date_that_is_none_is_refused_where_the_format_is_said(self, tmp_path: Path) -> None:
        days = list(pd.date_range("2023-01-01", periods=300).strftime("%d/%m/%Y"))
        PLAIN.write(applicants().assign(day=[*days[:7], "31/02/2023", *days[8:]]), tmp_path / "loans.csv")
        refuse(tmp_path, "loans.csv", "day", "prepare.read.dates", time_column="day")
        refuse(tmp_path, "loans.csv", "day", "row 8", "31/02/2023", time_column="day", read={"dates": "%d/%m/%Y"})
