"""Files as teams really have them, each kind with the right answer: through `lockgate prepare`, by what it writes and refuses."""

from __future__ import annotations

import json
import re
import tarfile
import zipfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from dialects import (
    PLAIN,
    SETTINGS,
    Dialect,
    Prepared,
    applicants,
    compress,
    prepare,
    prepare_table,
    values,
    with_marks,
)
from support import assert_refused, invoke, succeed, tree, write_params

from lockgate.data.markers import MARKERS_AMONG_NUMBERS

CODES = ("01", "02", "03", "04")


def refuse(folder: Path, *words: str, **settings: Any) -> None:
    """`lockgate prepare` ends with 2 and one line that has these words; nothing is written."""
    before = tree(folder / "data")
    write_params(folder, {"prepare": {**SETTINGS, **settings}})
    assert_refused(invoke(folder, "prepare"), *words)
    assert tree(folder / "data") == before


def typed(table: pd.DataFrame) -> pa.Table:
    """The table as a typed file has it: numbers where all cells are, empty cells null."""
    columns: dict[str, Any] = {name: [cell or None for cell in table[name]] for name in table.columns}
    for name in ("income", "util"):
        columns[name] = [None if cell is None else float(cell) for cell in columns[name]]
    for name in ("late", "default"):
        columns[name] = [int(cell) for cell in columns[name]]
    return pa.table(columns)


def row_contents(rows: pd.DataFrame) -> list[tuple[object, ...]]:
    """Rows without their keys, which tell rows apart by what stands in the file, sorted."""
    return sorted(rows.drop(columns="row_key").itertuples(index=False, name=None))


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


class TestShapes:
    """Files that a spreadsheet, an old machine or pandas wrote."""

    @pytest.fixture(scope="class")
    @staticmethod
    def plain(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
        return prepare_table(tmp_path_factory.mktemp("plain"), with_marks(applicants(), "util", ""))

    DIALECTS: ClassVar = {
        "tabs": Dialect(separator="\t"),
        "semicolons": Dialect(separator=";"),
        "bars": Dialect(separator="|"),
        "everything quoted": Dialect(quote_all=True),
        "CRLF": Dialect(line_end="\r\n"),
        "CR alone": Dialect(line_end="\r"),
        "CR alone, quoted": Dialect(line_end="\r", quote_all=True),
        "BOM": Dialect(encoding="utf-8-sig"),
        "BOM, quoted": Dialect(encoding="utf-8-sig", quote_all=True),
        "UTF-16": Dialect(encoding="utf-16"),
        "UTF-16, tabs, CRLF": Dialect(encoding="utf-16", separator="\t", line_end="\r\n"),
        "gzip": Dialect(compression="gz"),
        "bzip2": Dialect(compression="bz2"),
        "xz": Dialect(compression="xz"),
        "zstd": Dialect(compression="zst"),
        "gzip, CR alone": Dialect(compression="gz", line_end="\r"),
        "gzip, UTF-16": Dialect(compression="gz", encoding="utf-16"),
    }

    @pytest.mark.parametrize("name", DIALECTS)
    def test_the_same_table_in_another_dialect(self, tmp_path: Path, plain: Prepared, name: str) -> None:
        found = prepare_table(tmp_path, with_marks(applicants(), "util", ""), self.DIALECTS[name])
        pd.testing.assert_frame_equal(found.rows, plain.rows)
        assert found.schema.features == plain.schema.features

    @pytest.mark.parametrize("compression", ["gz", "bz2", "xz", "zst"])
    def test_a_compressed_file_may_have_any_name(self, tmp_path: Path, plain: Prepared, compression: str) -> None:
        path = PLAIN.write(with_marks(applicants(), "util", ""), tmp_path / "plain.csv")
        (tmp_path / "loans.csv").write_bytes(compress(path.read_bytes(), compression))
        pd.testing.assert_frame_equal(prepare(tmp_path).rows, plain.rows)

    def test_a_zip_with_one_file(self, tmp_path: Path, plain: Prepared) -> None:
        path = PLAIN.write(with_marks(applicants(), "util", ""), tmp_path / "plain.csv")
        with zipfile.ZipFile(tmp_path / "loans.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(path, "data/plain.csv")
        pd.testing.assert_frame_equal(prepare(tmp_path, source="loans.zip").rows, plain.rows)

    def test_the_columns_in_another_order(self, tmp_path: Path, plain: Prepared) -> None:
        table = with_marks(applicants(), "util", "")
        found = prepare_table(tmp_path, table[list(reversed(table.columns))])
        assert list(found.rows.row_key) == list(plain.rows.row_key)
        pd.testing.assert_frame_equal(found.rows[plain.rows.columns], plain.rows)

    @pytest.mark.parametrize("line_end", ["\n", "\r\n"], ids=["LF", "CRLF"])
    def test_blank_lines_at_the_end(self, tmp_path: Path, plain: Prepared, line_end: str) -> None:
        path = Dialect(line_end=line_end).write(with_marks(applicants(), "util", ""), tmp_path / "loans.csv")
        path.write_bytes(path.read_bytes() + 2 * line_end.encode())
        pd.testing.assert_frame_equal(prepare(tmp_path).rows, plain.rows)

    def test_no_line_end_at_the_end(self, tmp_path: Path, plain: Prepared) -> None:
        path = PLAIN.write(with_marks(applicants(), "util", ""), tmp_path / "loans.csv")
        path.write_bytes(path.read_bytes().rstrip(b"\n"))
        pd.testing.assert_frame_equal(prepare(tmp_path).rows, plain.rows)

    def test_a_space_behind_every_comma(self, tmp_path: Path, plain: Prepared) -> None:
        lines = PLAIN.write(with_marks(applicants(), "util", ""), tmp_path / "loans.csv").read_text()
        (tmp_path / "loans.csv").write_text(lines.replace(",", ", "))
        found = prepare(tmp_path)
        assert found.features["owner"].categories == ("MORT", "OWN", "RENT")
        pd.testing.assert_frame_equal(found.rows, plain.rows)

    def test_line_ends_and_separators_inside_quotes(self, tmp_path: Path) -> None:
        notes = ["two\nlines", 'said "no"', "a,b", "a;b"]
        found = prepare_table(tmp_path, applicants().assign(note=notes * 75))
        assert found.features["note"].categories == tuple(sorted(notes))

    @pytest.mark.parametrize("row", ["1,2", "1,2,3,4,5,6,7,8"], ids=["short", "long"])
    def test_a_row_of_another_length_is_refused_with_its_number(self, tmp_path: Path, row: str) -> None:
        path = PLAIN.write(applicants(), tmp_path / "loans.csv")
        lines = path.read_text().splitlines()
        path.write_text("\n".join([*lines[:40], row, *lines[41:]]))
        refuse(tmp_path, "loans.csv", "row 40")

    def test_another_encoding_is_refused_with_the_key_that_reads_it(self, tmp_path: Path) -> None:
        table = applicants().assign(owner=["Müller", "Größe", "OWN"] * 100)
        Dialect(encoding="cp1252").write(table, tmp_path / "loans.csv")
        refuse(tmp_path, "loans.csv", "prepare.read.encoding", "UTF-8", "line 2")
        assert prepare(tmp_path, read={"encoding": "cp1252"}).features["owner"].categories == ("Größe", "Müller", "OWN")

    def test_a_separator_that_is_not_recognised_has_a_key(self, tmp_path: Path, plain: Prepared) -> None:
        table = with_marks(applicants(), "util", "")
        found = prepare_table(tmp_path, table, Dialect(separator="~"), read={"separator": "~"})
        pd.testing.assert_frame_equal(found.rows, plain.rows)

    @pytest.mark.parametrize("first", [0, 1], ids=["from 0", "from 1"])
    def test_an_unnamed_column_that_counts_the_rows_is_left_out(
        self, tmp_path: Path, plain: Prepared, first: int
    ) -> None:
        table = with_marks(applicants(), "util", "")
        table.insert(0, "", [str(number + first) for number in range(300)])
        PLAIN.write(table, tmp_path / "loans.csv")
        write_params(tmp_path, {"prepare": SETTINGS})
        result = succeed(invoke(tmp_path, "prepare"))
        assert "warning: column `Unnamed: 0`" in result.stderr
        found = Prepared(tmp_path)
        assert found.features.keys() == plain.features.keys()
        assert found.column("Unnamed: 0").role == "dropped"

    def test_an_unnamed_column_may_identify_the_rows(self, tmp_path: Path) -> None:
        table = applicants()
        table.insert(0, "", [str(number) for number in range(300)])
        assert prepare_table(tmp_path, table, id_columns=["Unnamed: 0"]).schema.id_columns == ("Unnamed: 0",)

    def test_another_unnamed_column_is_a_column_like_any(self, tmp_path: Path) -> None:
        table = applicants()
        table.insert(2, "", ["a", "b", "c"] * 100)
        assert prepare_table(tmp_path, table).features["Unnamed: 2"].categories == ("a", "b", "c")

    def test_a_second_header_row_is_refused_with_the_key_that_names_it(self, tmp_path: Path) -> None:
        table = applicants()
        above = pd.DataFrame([dict(zip(table.columns, table.columns, strict=True))])
        twice = pd.concat([above, table]).set_axis(["X1", "X2", "X3", "X4", "X5", "X6", "Y"], axis=1)
        PLAIN.write(twice, tmp_path / "loans.csv")
        refuse(
            tmp_path,
            "loans.csv",
            "row 1",
            "prepare.read.header: 2",
            target="Y",
            classes={"positive": ["1"], "negative": ["0"], "left_out": ["default"]},
        )
        assert len(prepare(tmp_path, read={"header": 2}).rows) == 300

    @pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
    def test_what_stands_above_the_header_is_left_out(self, tmp_path: Path, plain: Prepared, line_end: str) -> None:
        path = Dialect(line_end=line_end).write(with_marks(applicants(), "util", ""), tmp_path / "loans.csv")
        path.write_bytes(f'Notes "offered by Prospectus{line_end}{line_end}'.encode() + path.read_bytes())
        refuse(tmp_path, "loans.csv", "row 1", "prepare.read.header")
        pd.testing.assert_frame_equal(prepare(tmp_path, read={"header": 3}).rows, plain.rows)

    def test_rows_that_stand_in_quotes_as_a_whole_are_refused(self, tmp_path: Path) -> None:
        path = PLAIN.write(applicants(), tmp_path / "loans.csv")
        header, *rows = path.read_text().splitlines()
        path.write_text("\n".join([header, *(f'"{row}"' for row in rows)]))
        refuse(tmp_path, "loans.csv", "row 1", "the whole row stands in quotes")


class TestFormats:
    """The same table from every format that can be read, by content and not by name."""

    @pytest.fixture(scope="class")
    @staticmethod
    def plain(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
        table = with_marks(applicants(), "util", "").assign(acct=[f"{number:04d}" for number in range(300)])
        return prepare_table(tmp_path_factory.mktemp("plain"), table, id_columns=["acct"])

    @pytest.fixture
    @staticmethod
    def table() -> pd.DataFrame:
        return with_marks(applicants(), "util", "").assign(acct=[f"{number:04d}" for number in range(300)])

    @pytest.mark.parametrize("name", ["loans.parquet", "loans", "loans.csv"])
    def test_parquet(self, tmp_path: Path, plain: Prepared, table: pd.DataFrame, name: str) -> None:
        pq.write_table(typed(table), tmp_path / name)
        found = prepare(tmp_path, source=name, id_columns=["acct"])
        pd.testing.assert_frame_equal(found.rows, plain.rows)

    def test_parquet_with_every_type_that_means_the_same(
        self, tmp_path: Path, plain: Prepared, table: pd.DataFrame
    ) -> None:
        columns = typed(table)
        kinds = {"income": pa.decimal128(12, 2), "late": pa.uint8(), "code": pa.large_string(), "default": pa.float64()}
        for name, kind in kinds.items():
            columns = columns.set_column(columns.column_names.index(name), name, columns[name].cast(kind))
        position = columns.column_names.index("owner")
        pq.write_table(
            columns.set_column(position, "owner", columns["owner"].dictionary_encode()), tmp_path / "loans.parquet"
        )
        found = prepare(tmp_path, source="loans.parquet", id_columns=["acct"])
        pd.testing.assert_frame_equal(found.rows, plain.rows)

    def test_parquet_whose_columns_are_all_text(self, tmp_path: Path, plain: Prepared, table: pd.DataFrame) -> None:
        pq.write_table(pa.table({name: table[name].tolist() for name in table.columns}), tmp_path / "loans.parquet")
        found = prepare(tmp_path, source="loans.parquet", id_columns=["acct"])
        pd.testing.assert_frame_equal(found.rows, plain.rows)

    @pytest.mark.parametrize("compression", ["zstd", "lz4", "uncompressed"])
    def test_feather(self, tmp_path: Path, plain: Prepared, table: pd.DataFrame, compression: str) -> None:
        feather.write_feather(typed(table), tmp_path / "loans.feather", compression=compression)
        found = prepare(tmp_path, source="loans.feather", id_columns=["acct"])
        pd.testing.assert_frame_equal(found.rows, plain.rows)

    @pytest.mark.parametrize("compression", ["", "gz"])
    def test_json_lines(self, tmp_path: Path, plain: Prepared, table: pd.DataFrame, compression: str) -> None:
        rows = typed(table).to_pylist()
        rows[0] = {name: value for name, value in rows[0].items() if value is not None}  # an absent key is missing, too
        rows[1] = dict(reversed(rows[1].items()))
        content = "".join(json.dumps(row) + "\n" for row in rows).encode()
        (tmp_path / "loans.jsonl").write_bytes(compress(content, compression))
        found = prepare(tmp_path, source="loans.jsonl", id_columns=["acct"])
        pd.testing.assert_frame_equal(found.rows[plain.rows.columns], plain.rows)

    def test_a_list_column_is_refused_where_it_is_used_and_accepted_where_it_is_dropped(self, tmp_path: Path) -> None:
        table = typed(applicants()).append_column("tags", pa.array([[1, 2]] * 300))
        pq.write_table(table, tmp_path / "loans.parquet")
        refuse(tmp_path, "tags", "prepare.kinds: {tags: drop}", source="loans.parquet")
        assert "tags" not in prepare(tmp_path, source="loans.parquet", kinds={"tags": "drop"}).features

    def test_binary_columns_that_are_text(self, tmp_path: Path, plain: Prepared, table: pd.DataFrame) -> None:
        columns = typed(table)
        position = columns.column_names.index("code")
        fixed = pa.array([cell.encode() for cell in table.code], pa.binary(2))
        pq.write_table(columns.set_column(position, "code", fixed), tmp_path / "loans.parquet")
        found = prepare(tmp_path, source="loans.parquet", id_columns=["acct"])
        pd.testing.assert_frame_equal(found.rows, plain.rows)

    def test_a_folder_of_parts_in_several_dialects(self, tmp_path: Path, plain: Prepared, table: pd.DataFrame) -> None:
        (tmp_path / "parts").mkdir()
        PLAIN.write(table[:100], tmp_path / "parts/1.csv")
        shuffled = table[100:200][list(reversed(table.columns))]
        Dialect(separator=";", line_end="\r\n", compression="gz").write(shuffled, tmp_path / "parts/2.csv")
        pq.write_table(typed(table[200:]), tmp_path / "parts/3.parquet")
        found = prepare(tmp_path, source="parts", id_columns=["acct"])
        pd.testing.assert_frame_equal(found.rows[plain.rows.columns], plain.rows)
        found = prepare(tmp_path, source="parts/*", id_columns=["acct"])
        pd.testing.assert_frame_equal(found.rows[plain.rows.columns], plain.rows)

    def test_parts_whose_types_disagree_are_the_texts_of_both(self, tmp_path: Path) -> None:
        (tmp_path / "parts").mkdir()
        numbers = typed(applicants().assign(code="1"))
        position = numbers.column_names.index("code")
        pq.write_table(numbers.set_column(position, "code", pa.array([1] * 300)), tmp_path / "parts/1.parquet")
        pq.write_table(typed(applicants(seed=2).assign(code="A1")), tmp_path / "parts/2.parquet")
        assert prepare(tmp_path, source="parts", kinds={"code": "categorical"}).features["code"].categories == (
            "1",
            "A1",
        )

    def test_large_integers_survive_parts_whose_types_disagree(self, tmp_path: Path) -> None:
        (tmp_path / "parts").mkdir()
        for part, kind in enumerate((pa.int64(), pa.float64())):
            first = 2**53 + 1 if kind == pa.int64() else 0
            column = pa.array([first + number for number in range(300)], pa.int64()).cast(kind)
            pq.write_table(
                typed(applicants(seed=part)).append_column("acct", column), tmp_path / f"parts/{part}.parquet"
            )
        assert prepare(tmp_path, source="parts", id_columns=["acct"]).rows.row_key.is_unique

    def test_a_part_without_a_column_is_refused_with_its_name(self, tmp_path: Path, table: pd.DataFrame) -> None:
        (tmp_path / "parts").mkdir()
        PLAIN.write(table[:100], tmp_path / "parts/1.csv")
        PLAIN.write(table[100:].drop(columns="late"), tmp_path / "parts/2.csv")
        refuse(tmp_path, "2.csv", "late", source="parts", id_columns=["acct"])


class TestNoTables:
    """What is no table is recognised, and the line says how to get one."""

    LFS = (
        "version https://git-lfs.github.com/spec/v1\n"
        "oid sha256:4cb4661f76782b003559cfbc2e5de4f74d565aeffc820f754bd7da596bad204d\nsize 28241405\n"
    )
    FILES: ClassVar = {
        "a git-lfs pointer": (LFS.encode(), "git lfs pull"),
        "an HTML page": (b"\n\n\n<!DOCTYPE html>\n<html lang='en'><head><title>Log in</title></head></html>", "HTML"),
        "a DVC file": (b"outs:\n- md5: a304afb96060aad90176268345e10355\n  size: 123\n  path: loans.csv\n", "dvc pull"),
        "SQLite": (b"SQLite format 3\0" + b"\0" * 200, "SQLite"),
        "a pickle": (
            b"\x80\x04\x95\x1a\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94]\x94(K\x01K\x02K\x03es.",
            "pickle",
        ),
        "HDF5": (b"\x89HDF\r\n\x1a\n" + b"\0" * 200, "HDF5"),
        "a PDF": (b"%PDF-1.7\n" + b"\0" * 200, "PDF"),
        "one JSON document": (b'{\n "cells": [\n  {\n   "x": 1\n  }\n ]\n}\n', "JSON"),
        "XML": (b"<?xml version='1.0'?>\n<rows><row/></rows>\n", "XML"),
        "nothing": (b"", "empty"),
        "spaces": (b"\n\n  \n", "loans.csv"),
    }

    @pytest.mark.parametrize("name", FILES)
    def test_it_is_named(self, tmp_path: Path, name: str) -> None:
        content, word = self.FILES[name]
        (tmp_path / "loans.csv").write_bytes(content)
        refuse(tmp_path, "loans.csv", word)

    def test_an_archive_of_several_files(self, tmp_path: Path) -> None:
        path = PLAIN.write(applicants(), tmp_path / "plain.csv")
        with zipfile.ZipFile(tmp_path / "loans.zip", "w") as archive:
            archive.write(path, "a.csv")
            archive.write(path, "b.csv")
        refuse(tmp_path, "loans.zip", "a.csv", source="loans.zip")
        with tarfile.open(tmp_path / "loans.tar.gz", "w:gz") as archive:
            archive.add(path, "a.csv")
        refuse(tmp_path, "loans.tar.gz", "archive", source="loans.tar.gz")


class TestNames:
    def test_a_reserved_name_is_renamed(self, tmp_path: Path) -> None:
        table = applicants().rename(columns={"util": "score"})
        PLAIN.write(table, tmp_path / "loans.csv")
        refuse(tmp_path, "score", "prepare.rename")
        found = prepare(tmp_path, rename={"score": "util"})
        assert "util" in found.features
        assert found.column("util").source_name == "score"

    def test_a_name_that_xgboost_does_not_take_is_renamed(self, tmp_path: Path) -> None:
        table = applicants().rename(columns={"income": "income[EUR]"})
        found = prepare_table(tmp_path, table, rename={"income[EUR]": "income"})
        assert "income" in found.features

    def test_a_reserved_name_that_is_dropped_is_no_matter(self, tmp_path: Path) -> None:
        assert (
            "score" not in prepare_table(tmp_path, applicants().assign(score="0.5"), kinds={"score": "drop"}).features
        )

    def test_the_batch_has_the_names_of_the_file_too(self, tmp_path: Path) -> None:
        PLAIN.write(applicants(200, seed=2).rename(columns={"util": "score"}), tmp_path / "batch.csv")
        table = applicants().rename(columns={"util": "score"})
        found = prepare_table(tmp_path, table, rename={"score": "util"}, current="batch.csv")
        assert len(found.current) == 200

    def test_a_name_to_rename_that_the_file_does_not_have_is_refused(self, tmp_path: Path) -> None:
        PLAIN.write(applicants(), tmp_path / "loans.csv")
        refuse(tmp_path, "prepare.rename", "utill", "util", rename={"utill": "use"})


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


class TestPredictions:
    def test_two_rows_are_no_evidence(self, tmp_path: Path) -> None:
        (tmp_path / "scores.csv").write_text("y_true,y_score\n0,0.1\n1,0.9\n")
        result = invoke(tmp_path, "gate", "--predictions", "scores.csv")
        assert result.exit_code == 3
        assert json.loads((tmp_path / "reports/gate.json").read_text())["verdict"] != "pass"


class TestAddresses:
    def test_no_line_shows_a_password_or_a_token_of_a_url(self, tmp_path: Path) -> None:
        source = "http://reader:hunter2@127.0.0.1:9/loans.csv?token=abc123&sig=xyz"  # nothing listens there
        write_params(tmp_path, {"prepare": {**SETTINGS, "source": source}})
        result = invoke(tmp_path, "prepare")
        assert_refused(result, "127.0.0.1:9")
        for secret in ("hunter2", "reader", "abc123", "xyz"):
            assert secret not in result.output
