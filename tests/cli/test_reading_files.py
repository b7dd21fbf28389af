"""Files as teams really have them, each kind with the right answer: shapes, formats, headers, and what is no table."""

from __future__ import annotations

import json
import tarfile
import zipfile
from pathlib import Path
from typing import ClassVar

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
    with_marks,
)
from reading_results import refuse, typed
from support import assert_refused, invoke, succeed, write_params


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
