"""A table is a file, a folder, a pattern of names or a URL, and its parts may be written as they like."""

from __future__ import annotations

import hashlib
from pathlib import Path

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from lockgate.config.errors import InputError
from lockgate.config.limits import DOWNLOAD_BYTES
from lockgate.config.params import Read
from lockgate.data.source_table import FilePart, SourceTable
from lockgate.data.sources import read_source_table, source_sha256


def opened(location: Path | str) -> SourceTable:
    return read_source_table(str(location), "prepare.source", Read())


def opened_in_parts(folder: Path, first: pa.Array, second: pa.Array) -> SourceTable:
    """A table of one column that stands in two files."""
    pq.write_table(pa.table({"x": first}), folder / "a.parquet")
    pq.write_table(pa.table({"x": second}), folder / "b.parquet")
    return opened(folder)


def refusal(location: Path | str) -> str:
    with pytest.raises(InputError) as refused:
        opened(location)
    assert str(refused.value).startswith("prepare.source: ")
    assert "\n" not in str(refused.value)
    return str(refused.value)


def put(folder: Path, **contents: str) -> Path:
    """Write these files, `part__csv` as part.csv, and give the folder."""
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / name.replace("__", ".")).write_text(content)
    return folder


class TestFolder:
    def test_of_every_form_is_one_table_in_the_order_of_the_names(self, tmp_path: Path) -> None:
        put(tmp_path, a__csv="x,y\n1,k\n", c__jsonl='{"y": "m", "x": "3"}\n', e__tsv="y\tx\no\t5\n")
        feather.write_feather(pa.table({"x": ["2"], "y": ["l"]}), str(tmp_path / "b.feather"))
        (tmp_path / "below").mkdir()
        pq.write_table(pa.table({"y": ["n"], "x": ["4"]}), tmp_path / "below" / "d.parquet")
        with pa.output_stream(tmp_path / "f.csv.gz", compression="gzip") as packed:
            packed.write(b"x,y\n6,p\n")
        table = opened(tmp_path)
        assert table.columns.to_pydict() == {"x": list("124356"), "y": list("klnmop")[:2] + list("nmop")}
        names = ["a.csv", "b.feather", "below/d.parquet", "c.jsonl", "e.tsv", "f.csv.gz"]
        assert table.parts == tuple(FilePart(name, 1) for name in names)
        assert table.place(2) == "below/d.parquet, row 1"

    def test_leaves_out_what_is_hidden_half_written_or_no_table_and_says_so(self, tmp_path: Path) -> None:
        put(tmp_path, a__csv="x\n1\n", _SUCCESS="", **{".b__csv": "x\n2\n", "c.csv.tmp": "x\n3\n", "README.md": "x"})
        put(tmp_path / ".staging", d__csv="x\n4\n")
        put(tmp_path / "_temporary", e__csv="x\n5\n")
        table = opened(tmp_path)
        assert table.columns.to_pydict() == {"x": ["1"]}
        assert table.notes == ("left out, as no tables by their names: README.md, _temporary/e.csv, c.csv.tmp",)

    def test_without_a_table_is_refused(self, tmp_path: Path) -> None:
        assert f"{tmp_path} stands for nothing, and for no file of a table" in refusal(tmp_path)
        assert f"{tmp_path} stands for only notes.md, and for no file of a table" in refusal(
            put(tmp_path, notes__md="x")
        )

    @pytest.mark.parametrize(
        ("log", "what"),
        [
            ("_delta_log", "a Delta table"),
            (".hoodie", "a Hudi table"),
            ("metadata/version-hint.text", "an Iceberg table"),
        ],
    )
    def test_of_which_a_log_says_what_was_deleted_is_refused(self, tmp_path: Path, log: str, what: str) -> None:
        put(tmp_path, a__csv="x\n1\n")
        (tmp_path / log).mkdir(parents=True)
        assert f"is {what}" in refusal(tmp_path)

    def test_a_part_that_is_no_table_is_named(self, tmp_path: Path) -> None:
        put(tmp_path, a__csv="x\n1\n", b__csv="<html>")
        assert f"prepare.source: {tmp_path} (b.csv) is a web page" in refusal(tmp_path)

    def test_a_part_without_rows_adds_none_and_all_of_them_are_refused(self, tmp_path: Path) -> None:
        put(tmp_path, a__csv="x\n")
        assert "has a header and no rows" in refusal(tmp_path)
        put(tmp_path, b__csv="x\n1\n")
        assert opened(tmp_path).columns.num_rows == 1


class TestPattern:
    def test_means_the_files_that_it_fits(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        put(tmp_path / "data", a__csv="x\n1\n", b__csv="x\n2\n", c__txt="x\n3\n", **{".d__csv": "x\n4\n"})
        monkeypatch.chdir(tmp_path)
        assert opened("data/*.csv").columns.to_pydict() == {"x": ["1", "2"]}
        assert opened("**/[bc].*").columns.to_pydict() == {"x": ["2", "3"]}
        assert opened("data/*.csv").parts == (FilePart("a.csv", 1), FilePart("b.csv", 1))
        assert "no file of a table" in refusal("data/*.parquet")

    def test_leaves_out_what_is_still_written_and_says_so(self, tmp_path: Path) -> None:
        put(tmp_path / "data", a__csv="x\n1\n", _b__csv="x\n2\n")
        table = opened(tmp_path / "data" / "*.csv")
        assert table.columns.to_pydict() == {"x": ["1"]}
        assert table.notes == ("left out, as no tables by their names: _b.csv",)
        assert "stands for only _b.csv" in refusal(tmp_path / "data" / "_*.csv")

    def test_that_is_the_name_of_a_file_is_this_file(self, tmp_path: Path) -> None:
        put(tmp_path, **{"loans[1].csv": "x\n1\n", "loans1.csv": "x\n2\n"})
        assert opened(tmp_path / "loans[1].csv").columns.to_pydict() == {"x": ["1"]}


class TestParts:
    def test_that_lack_a_column_are_refused_by_file_and_column(self, tmp_path: Path) -> None:
        put(tmp_path, a__csv="x,y\n1,2\n", b__csv="y\n1\n")
        assert "(b.csv) has no column 'x', which a.csv has" in refusal(tmp_path)
        put(tmp_path, a__csv="y\n2\n", b__csv="y,z\n1,2\n")
        assert "(a.csv) has no column 'z', which b.csv has" in refusal(tmp_path)

    @pytest.mark.parametrize(
        ("first", "second", "cells"),
        [
            (pa.array([1], pa.int32()), pa.array([2**40]), [1, 2**40]),
            (pa.array([1, None]), pa.array([0.5]), [1.0, None, 0.5]),
            (pa.array([None], pa.null()), pa.array(["01"]), [None, "01"]),
            (pa.array(["a"]).dictionary_encode(), pa.array(["b"], pa.large_string()), ["a", "b"]),
        ],
    )
    def test_of_other_types_are_in_the_one_that_holds_every_value(
        self, tmp_path: Path, first: pa.Array, second: pa.Array, cells: list[object]
    ) -> None:
        table = opened_in_parts(tmp_path, first, second)
        assert table.columns["x"].to_pylist() == cells
        assert table.notes == ()

    @pytest.mark.parametrize(
        ("first", "second", "cells"),
        [
            (pa.array([2**53 + 1]), pa.array([0.5]), ["9007199254740993", "0.5"]),
            (pa.array([2**64 - 1], pa.uint64()), pa.array([-1]), ["18446744073709551615", "-1"]),
            (pa.array([7.0, None]), pa.array(["007"]), ["7", None, "007"]),
            (pa.array([True]), pa.array([1]), ["true", "1"]),
        ],
    )
    def test_that_have_no_common_type_are_texts_and_it_says_so(
        self, tmp_path: Path, first: pa.Array, second: pa.Array, cells: list[object]
    ) -> None:
        table = opened_in_parts(tmp_path, first, second)
        assert table.columns["x"].to_pylist() == cells
        assert table.notes == (
            f"column 'x' has several types, and is read as text: {first.type} in a.parquet, {second.type} in b.parquet",
        )

    def test_may_be_separated_as_they_like(self, tmp_path: Path) -> None:
        put(tmp_path, a__csv="x,y\n1,2\n", b__csv="y;x\n4;3\n")
        table = opened(tmp_path)
        assert table.columns.to_pydict() == {"x": ["1", "3"], "y": ["2", "4"]}
        assert table.separator is None
        assert opened(tmp_path / "b.csv").separator == ";"


class TestHash:
    def test_of_a_file_is_of_its_bytes(self, tmp_path: Path) -> None:
        put(tmp_path, a__csv="x\n1\n")
        expected = hashlib.sha256(b"x\n1\n").hexdigest()
        assert opened(tmp_path / "a.csv").sha256 == source_sha256("a.csv", tmp_path) == expected

    @pytest.mark.parametrize("location", ["data", "data/*.csv"])
    def test_of_several_files_is_of_their_names_and_bytes(
        self, tmp_path: Path, location: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(tmp_path / "data", a__csv="x\n1\n", b__csv="x\n2\n")
        monkeypatch.chdir(tmp_path)
        before = opened(location).sha256
        assert source_sha256(location, tmp_path) == before
        (tmp_path / "data" / "b.csv").rename(tmp_path / "data" / "c.csv")
        renamed = source_sha256(location, tmp_path)
        assert renamed not in (None, before)
        put(tmp_path / "data", c__csv="x\n3\n", **{".d__csv": "x\n1\n"})
        assert source_sha256(location, tmp_path) == opened(location).sha256 not in (None, renamed)


class TestMissing:
    def test_is_said_with_the_key(self, tmp_path: Path) -> None:
        assert refusal(tmp_path / "no.csv").startswith(
            f"prepare.source: {tmp_path}/no.csv does not exist; check the path"
        )

    def test_of_which_dvc_knows_is_pulled(self, tmp_path: Path) -> None:
        put(tmp_path, **{"loans.csv.dvc": "outs:\n- path: loans.csv\n"})
        assert f"run `dvc pull {tmp_path}/loans.csv.dvc`" in refusal(tmp_path / "loans.csv")

    def test_where_reading_is_not_allowed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        put(tmp_path, a__csv="x\n1\n")
        monkeypatch.setattr("lockgate.config.files.os.open", _denied)
        assert "cannot be read: permission denied; make it readable" in refusal(tmp_path / "a.csv")


def _denied(*_: object) -> int:
    raise PermissionError(13, "Permission denied")


def test_columns_that_have_neither_name_nor_cell_are_left_out(tmp_path: Path) -> None:
    put(tmp_path, a__csv=",x,\n0,1,\n1,2,\n")
    table = opened(tmp_path / "a.csv")
    assert table.columns.to_pydict() == {"Unnamed: 0": ["0", "1"], "x": ["1", "2"]}
    assert table.notes == ("Unnamed: 2 holds nothing and is left out",)


def test_a_column_of_parquet_without_a_name_is_called_by_its_position(tmp_path: Path) -> None:
    pq.write_table(pa.table([[1], [2]], names=["", "x"]), tmp_path / "t.parquet")
    assert opened(tmp_path / "t.parquet").names == ["Unnamed: 0", "x"]


def test_bytes_are_text_where_they_are_utf_8_and_lists_stay(tmp_path: Path) -> None:
    columns = {
        "code": pa.array([b"AA", b"01"], pa.binary(2)),
        "photo": pa.array([b"\xff\xd8", b"a"]),
        "tags": pa.array([["a"], None]),
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    table = opened(tmp_path / "t.parquet")
    assert table.columns["code"].to_pylist() == ["AA", "01"]
    assert table.columns["photo"].to_pylist() == [b"\xff\xd8", b"a"]
    assert table.columns["tags"].to_pylist() == [["a"], None]


class TestStorage:
    """What fsspec opens; a storage in memory stands for those over a network."""

    @pytest.fixture
    def storage(self) -> str:
        memory = fsspec.filesystem("memory")
        memory.store.clear()
        memory.pipe(
            {
                "/bucket/loans.csv": b"x\n1\n",
                "/bucket/parts/a.csv": b"x\n1\n",
                "/bucket/parts/b.parquet": _parquet(pd.DataFrame({"x": ["2"]})),
                "/bucket/parts/.c.csv": b"x\n3\n",
                "/bucket/parts/notes.txt": b"x\n4\n",
            }
        )
        return "memory://bucket"

    def test_holds_a_file_a_folder_or_what_fits_a_pattern(self, storage: str, tmp_path: Path) -> None:
        table = opened(f"{storage}/loans.csv")
        assert table.columns.to_pydict() == {"x": ["1"]}
        assert table.sha256 == hashlib.sha256(b"x\n1\n").hexdigest()
        folder = opened(f"{storage}/parts")
        assert folder.columns.to_pydict() == {"x": ["1", "2"]}
        assert folder.notes == ("left out, as no tables by their names: notes.txt",)
        assert opened(f"{storage}/parts/[an]*").columns.to_pydict() == {"x": ["1", "4"]}
        assert "loans.csv does not exist" in refusal(f"{storage}/loans.csv?versionId=1")
        put(tmp_path, a__csv="x\n1\n")
        (tmp_path / "b.parquet").write_bytes(_parquet(pd.DataFrame({"x": ["2"]})))
        assert folder.sha256 == opened(tmp_path).sha256

    def test_is_read_up_to_the_limit(self, storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(DOWNLOAD_BYTES.variable, "3")
        line = refusal(f"{storage}/loans.csv")
        assert line.startswith("prepare.source: memory://bucket/loans.csv has 4 bytes")
        assert DOWNLOAD_BYTES.variable in line

    def test_that_has_no_such_file_is_one_line(self, storage: str) -> None:
        assert refusal(f"{storage}/no.csv").startswith("prepare.source: memory://bucket/no.csv does not exist")
        assert "no file of a table" in refusal(f"{storage}/*.parquet")

    @pytest.mark.parametrize(
        ("scheme", "package", "extra"), [("gs", "gcsfs", "gs"), ("az", "adlfs", "azure"), ("s3", "s3fs", "s3")]
    )
    def test_of_a_package_that_is_missing_names_the_extra(
        self, scheme: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("lockgate.data.download.is_installed", lambda module: module != package)
        line = refusal(f"{scheme}://key:s3cret@bucket/loans.csv?token=t0ken")
        assert f"{scheme}://bucket/loans.csv needs the package {package}" in line
        assert line.endswith(f"run pip install 'lockgate[{extra}]'")
        assert "cret" not in line
        assert "t0ken" not in line

    def test_without_fsspec_names_the_way_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("lockgate.data.download.is_installed", lambda _: False)
        assert "`dvc import-url`" in refusal("sftp://host/loans.csv")

    def test_that_nobody_knows_is_one_line(self) -> None:
        assert "cannot be fetched: Protocol not known: nowhere" in refusal("nowhere://bucket/loans.csv")

    def test_whose_error_repeats_a_secret_does_not_show_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(url: str) -> None:
            raise RuntimeError(f"no credentials for {url}")

        monkeypatch.setattr(fsspec.core, "url_to_fs", fail)
        line = refusal("memory://user:s3cret@bucket/loans.csv?sig=t0ken")
        assert "no credentials for" in line
        assert "cret" not in line
        assert "t0ken" not in line


def _parquet(frame: pd.DataFrame) -> bytes:
    return frame.to_parquet(index=False)
