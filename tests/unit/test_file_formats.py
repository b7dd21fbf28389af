"""What is no table is recognised by its content, whatever it is called, and said in one line with the way to a table."""

from __future__ import annotations

import gzip
import io
import pickle
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.orc as orc
import pytest

from lockgate.config.errors import InputError
from lockgate.config.params import Read
from lockgate.data.sources import read_source_table

FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1\nsize 12345\n"


def refusal(folder: Path, content: bytes, **read: str) -> str:
    """The line that refuses this content, in a file that is called CSV."""
    (folder / "loans.csv").write_bytes(content)
    with pytest.raises(InputError) as refused:
        read_source_table(str(folder / "loans.csv"), "prepare.source", Read(**read))
    line = str(refused.value)
    assert line.startswith(f"prepare.source: {folder}/loans.csv")
    assert "\n" not in line
    return line


def tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.csv"))
    return stream.getvalue()


def sqlite() -> bytes:
    with sqlite3.connect(":memory:") as database:
        database.execute("create table loans (a)")
        return database.serialize()


def orc_file() -> bytes:
    stream = io.BytesIO()
    orc.write_table(pa.Table.from_pandas(FRAME), stream)
    return stream.getvalue()


def stata() -> bytes:
    stream = io.BytesIO()
    FRAME.to_stata(stream)
    return stream.getvalue()


def numpy_file() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros(3))
    return stream.getvalue()


NO_TABLES: dict[str, tuple[bytes | Callable[[], bytes], str, str]] = {
    "git-lfs": (LFS, "a git-lfs pointer", "git lfs pull"),
    "git-annex": (b"/annex/objects/SHA256E-s12--4d7a.csv\n", "a git-annex pointer", "git annex get"),
    "dvc": (b"outs:\n- md5: 4d7a\n  size: 12\n  path: loans.csv\n", "a .dvc file", "dvc pull"),
    "dvc import": (
        b"md5: 4d7a\nfrozen: true\ndeps:\n- path: loans.csv\n  repo:\n    url: x\nouts:\n- md5: 4d7a\n  path: loans.csv\n",
        "a .dvc file",
        "dvc pull",
    ),
    "HTML": (
        b"\n<!DOCTYPE html>\n<html><head><title>Sign in</title>",
        "a web page (HTML)",
        "the address of the file itself",
    ),
    "HTML in capitals": (b"<HTML><BODY>Sign in", "a web page (HTML)", "the address of the file itself"),
    "HTML after a comment": (b"<!-- page -->\n<html>", "a web page (HTML)", "the address of the file itself"),
    "HTML with a mark": (b"\xef\xbb\xbf<html>", "a web page (HTML)", "the address of the file itself"),
    "HTML in UTF-16": ("<html>".encode("utf-16"), "a web page (HTML)", "the address of the file itself"),
    "XML": (b'<?xml version="1.0"?><Workbook>', "an XML document", "CSV"),
    "tar": (tar, "an archive", "unpack"),
    "rar": (b"Rar!\x1a\x07\x01\x00", "an archive", "unpack"),
    "7z": (b"7z\xbc\xaf\x27\x1c\x00\x04", "an archive", "unpack"),
    "SQLite": (sqlite, "an SQLite database", "to_parquet"),
    "DuckDB": (b"\x01" * 8 + b"DUCK" + b"\0" * 50, "a DuckDB database", "COPY name TO"),
    "pickle": (lambda: pickle.dumps(FRAME), "a pickle, which is never opened", "Parquet"),
    "old pickle": (lambda: pickle.dumps(FRAME, protocol=2), "a pickle, which is never opened", "Parquet"),
    "numpy": (numpy_file, "a numpy array", "Parquet"),
    "HDF5": (b"\x89HDF\r\n\x1a\n\0\0", "an HDF5 or netCDF file", "to_parquet"),
    "MATLAB": (b"MATLAB 5.0 MAT-file", "a MATLAB file", "CSV"),
    "ORC": (orc_file, "an ORC file", "to_parquet"),
    "Avro": (b"Obj\x01\x04\x14avro.codec", "an Avro file", "Parquet"),
    "SAS": (b"\0" * 12 + b"\xc2\xea\x81\x60\xb3\x14\x11\xcf", "a SAS file", "to_parquet"),
    "SAS transport": (b"HEADER RECORD*******LIBRARY HEADER", "a SAS file", "to_parquet"),
    "Stata": (stata, "a Stata file", "to_parquet"),
    "new Stata": (b"<stata_dta><header>", "a Stata file", "to_parquet"),
    "SPSS": (b"$FL2@(#) SPSS DATA FILE", "an SPSS file", "to_parquet"),
    "R": (b"RDX3\nX\n\0\0\0", "an R data file", "write.csv"),
    "PDF": (b"%PDF-1.7\n", "a PDF document", "CSV"),
    "image": (b"\x89PNG\r\n\x1a\n", "an image", "table"),
    "encrypted Parquet": (b"PARE\0\0", "an encrypted Parquet file", "without encryption"),
    "old Feather": (b"FEA1\0\0", "a Feather file of version 1", "to_feather"),
    "JSON records": (b'[{"a": 1}, {"a": 2}]', "one JSON document", "JSON lines"),
    "JSON of lists": (b'{"columns": ["a"], "data": [[1], [2]]}', "one JSON document", "JSON lines"),
    "JSON over lines": (b'{\n "a": 1\n}', "row 1 is no JSON object", "JSON lines"),
    "anything": (bytes(range(256)), "holds binary data", "CSV or Parquet"),
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
@pytest.mark.parametrize("case", NO_TABLES)
def test_what_is_no_table_is_named_with_the_way_to_one(tmp_path: Path, case: str, packed: bool) -> None:
    content, what, how_to_fix = NO_TABLES[case]
    written = content if isinstance(content, bytes) else content()
    line = refusal(tmp_path, gzip.compress(written) if packed else written)
    assert what in line
    assert how_to_fix in line.partition(what)[2]


@pytest.mark.parametrize(
    "header",
    [
        "<TICKER>,<DATE>",
        "[id],[name]",
        "version,outs",
        "ORCID,b",
        "X,b",
        "BZ,b",
        "RDX,b",
        "Object,b",
        "MATLAB,b",
        "outs:,md5:",
        "version https://example.org,b",
        "{a},b",
    ],
)
def test_a_header_that_looks_like_something_else_is_a_header(tmp_path: Path, header: str) -> None:
    (tmp_path / "t.csv").write_text(f"{header}\n1,2\n")
    assert read_source_table(str(tmp_path / "t.csv"), "x", Read()).names == header.split(",")


class TestZip:
    def write(self, folder: Path, members: dict[str, bytes]) -> bytes:
        with zipfile.ZipFile(folder / "t.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return (folder / "t.zip").read_bytes()

    def test_of_several_files_is_refused_with_their_names(self, tmp_path: Path) -> None:
        line = refusal(tmp_path, self.write(tmp_path, {"a.csv": b"a\n1\n", "b.csv": b"a\n1\n"}))
        assert "an archive of 2 files ('a.csv', 'b.csv'); unpack it" in line

    def test_of_none_is_refused(self, tmp_path: Path) -> None:
        assert "an archive of 0 files" in refusal(tmp_path, self.write(tmp_path, {}))

    def test_with_a_password_is_refused(self, tmp_path: Path) -> None:
        content = bytearray(self.write(tmp_path, {"a.csv": b"a\n1\n"}))
        for magic, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            content[content.index(magic) + flags] |= 1
        assert "is protected by a password" in refusal(tmp_path, bytes(content))

    def test_what_a_mac_adds_is_no_file_of_it(self, tmp_path: Path) -> None:
        members = {"data/": b"", "data/a.csv": b"a,b\n1,2\n", "__MACOSX/data/._a.csv": b"\0"}
        self.write(tmp_path, members)
        assert read_source_table(str(tmp_path / "t.zip"), "x", Read()).columns.to_pydict() == {"a": ["1"], "b": ["2"]}


def test_what_is_compressed_twice_is_refused(tmp_path: Path) -> None:
    assert "is compressed twice" in refusal(tmp_path, gzip.compress(gzip.compress(b"a,b\n1,2\n")))


@pytest.mark.parametrize(
    "cut", [b"\x1f\x8b", gzip.compress(b"a,b\n" + b"1,2\n" * 99, mtime=0)[:-9], b"PK\x03\x04", b"BZh9", b"ARROW1"]
)
def test_what_is_cut_short_cannot_be_read(tmp_path: Path, cut: bytes) -> None:
    assert "cannot be read: " in refusal(tmp_path, cut)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_text_of_two_bytes_a_letter_names_the_setting_that_reads_it(tmp_path: Path, encoding: str) -> None:
    content = "a,b\n1,2\n".encode(encoding)
    assert f"set prepare.read.encoding: {encoding}" in refusal(tmp_path, content)
    assert read_source_table(str(tmp_path / "loans.csv"), "x", Read(encoding=encoding)).names == ["a", "b"]


@pytest.mark.parametrize("encoding", ["no-such", "zip", "rot13"])
def test_an_encoding_that_is_none_is_named(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "t.csv").write_text("a\n1\n")
    with pytest.raises(InputError, match=rf"prepare\.read\.encoding: '{encoding}' is no encoding of text"):
        read_source_table(str(tmp_path / "t.csv"), "x", Read(encoding=encoding))
