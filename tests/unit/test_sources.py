"""Tables from strangers: a small file that stands for a huge table is refused before it is one, and a damaged one is no table."""

from __future__ import annotations

import base64
import io
import lzma
import os
import random
import resource
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from support import FULL

from lockgate.config.errors import InputError
from lockgate.config.limits import (
    DOWNLOAD_BYTES,
    DOWNLOAD_SECONDS,
    LINE_BYTES,
    TABLE_BYTES,
    TABLE_COLUMNS,
    TABLE_ROWS,
    Limit,
)
from lockgate.config.params import Read
from lockgate.data.source_table import SourceTable
from lockgate.data.sources import read_source_table
from lockgate.data.tables import read_parquet

MEGABYTE = 1_000_000


def write(folder: Path, table: pa.Table, **options: object) -> Path:
    pq.write_table(table, folder / "t.parquet", **options)
    return folder / "t.parquet"


def opened(location: Path | str) -> SourceTable:
    return read_source_table(str(location), "prepare.source", Read())


def repeated(text: str, rows: int) -> pa.Array:
    """One text for all rows, in a few bytes."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, dtype="int32")), pa.array([text]))


def pack(content: bytes, compression: str) -> bytes:
    """The content compressed; a zip has it as one file."""
    if compression == "xz":
        return lzma.compress(content)
    if compression == "zip":
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("t.csv", content)
        return stream.getvalue()
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, compression) as packed:
        packed.write(content)
    return bytes(sink.getvalue())


def refuses(path: Path, limit: Limit) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError) as refused:
        opened(path)
    line = str(refused.value)
    assert line.startswith(f"prepare.source: {path}")
    assert f"raise the limit: {limit.variable}=" in line
    assert "\n" not in line
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kilobytes


class TestParquet:
    def test_equal_values_in_a_small_file(self, tmp_path: Path) -> None:
        table = pa.table({f"x{column}": np.zeros(2_000_000) for column in range(2)})
        path = write(tmp_path, table)
        assert path.stat().st_size < MEGABYTE
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(TABLE_BYTES.variable, str(31 * MEGABYTE))
            refuses(path, TABLE_BYTES)
            patch.setenv(TABLE_ROWS.variable, "1000000")
            refuses(path, TABLE_ROWS)
        assert opened(path).columns.num_rows == 2_000_000

    def test_one_long_text_for_all_rows(self, tmp_path: Path) -> None:
        table = pa.table({"note": repeated("a" * MEGABYTE, 200_000)})
        path = write(tmp_path, table, compression="zstd", dictionary_pagesize_limit=1 << 24)
        assert path.stat().st_size < 10_000  # 200 GB as text
        refuses(path, TABLE_BYTES)

    def test_texts_that_share_their_beginning(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(TABLE_BYTES.variable, str(30 * MEGABYTE))
        options = {"use_dictionary": False, "column_encoding": {"note": "DELTA_BYTE_ARRAY"}}
        path = write(tmp_path, pa.table({"note": ["a" * 100_000] * 1_000}), **options)
        assert path.stat().st_size < MEGABYTE  # 100 MB as text
        refuses(path, TABLE_BYTES)

    def test_a_wide_table(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(TABLE_COLUMNS.variable, "99")
        refuses(write(tmp_path, pa.table({f"x{column}": [1] for column in range(100)})), TABLE_COLUMNS)

    def test_many_small_files_are_one_large_table(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for number in range(5):
            pq.write_table(pa.table({"x": np.arange(1000.0)}), tmp_path / f"{number}.parquet")
        monkeypatch.setenv(TABLE_ROWS.variable, "4999")
        refuses(tmp_path, TABLE_ROWS)
        monkeypatch.delenv(TABLE_ROWS.variable)
        monkeypatch.setenv(TABLE_BYTES.variable, "39999")
        refuses(tmp_path, TABLE_BYTES)

    def test_what_is_read_is_what_was_written(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("lockgate.data.parquet_file.BATCH_ROWS", 700)
        rows = 3_000
        frame = pd.DataFrame(
            {
                "number": np.arange(rows) / 3,
                "whole": np.arange(rows),
                "text": [f"row {number}" for number in range(rows)],
                "word": ["a", None, "c"] * (rows // 3),
                "dotted.name": ["x", "y", "z"] * (rows // 3),
                "class": pd.Categorical(["k", "l", "m"] * (rows // 3)),
                "day": pd.Timestamp("2025-01-01"),
            }
        )
        for options in ({}, {"row_group_size": 1_100}, {"use_dictionary": False, "version": "1.0"}):
            path = write(tmp_path, pa.Table.from_pandas(frame), **options)
            expected = frame.astype({"class": "str"})
            pd.testing.assert_frame_equal(opened(path).columns.to_pandas(), expected, check_dtype=False)
            pd.testing.assert_frame_equal(read_parquet(path, "x")[0], frame, check_dtype=False)

    def test_json_is_text(self, tmp_path: Path) -> None:
        texts = ['{"a": 1}', "{}", None]
        path = write(tmp_path, pa.table({"settings": pa.array(texts, pa.json_())}))
        assert opened(path).columns.to_pydict() == {"settings": texts}

    def test_two_columns_of_one_name(self, tmp_path: Path) -> None:
        path = write(tmp_path, pa.table([pa.array([1]), pa.array([2])], names=["x", "x"]))
        with pytest.raises(InputError, match="column 'x' is there twice"):
            opened(path)
        with pytest.raises(InputError, match="column 'x' is there twice"):
            read_parquet(path, "make it")

    def test_names_and_texts_that_are_not_utf8(self, tmp_path: Path) -> None:
        options = {"compression": "none", "use_dictionary": False, "store_schema": False}
        content = write(tmp_path, pa.table({"abcd": ["wxyz"] * 9}), **options).read_bytes()
        for part in (b"abcd", b"wxyz"):
            (tmp_path / "t.parquet").write_bytes(content.replace(part, b"\xff\xfe\xfd\xfc"))
            with pytest.raises(InputError, match=r"cannot be read: .*(utf-8|UTF8)"):
                opened(tmp_path / "t.parquet")

    @pytest.mark.parametrize("checksums", [True, False])
    def test_flipped_bits(self, tmp_path: Path, checksums: bool) -> None:
        """With checksums no changed value is read; without them nothing but a table or a refusal comes out."""
        frame = pd.DataFrame({"x": np.random.default_rng(1).normal(size=500), "g": ["north", "south"] * 250})
        table = pa.Table.from_pandas(frame)
        path = write(tmp_path, table, write_page_checksum=checksums, compression="none")
        content, dice = path.read_bytes(), random.Random(3)  # noqa: S311
        changed = 0
        for _ in range(1_000 if FULL else 100):
            damaged = bytearray(content)
            damaged[dice.randrange(4, len(content) // 2)] ^= 1 << dice.randrange(8)
            path.write_bytes(damaged)
            try:
                changed += not opened(path).columns.equals(table)
            except InputError as refused:
                assert "\n" not in str(refused)  # noqa: PT017
        assert (changed == 0) == checksums


# In a process of its own: what pyarrow does not catch ends it.
DAMAGED = """
import random, sys
from pathlib import Path
from lockgate.config.errors import InputError
from lockgate.config.params import Read
from lockgate.data.sources import read_source_table
from lockgate.data.tables import read_parquet
path, dice = Path(sys.argv[1]), random.Random(11)
readers = [lambda: read_source_table(str(path), "x", Read())]
content = path.read_bytes()
footer, start = len(content) - 8 - int.from_bytes(content[-8:-4], "little"), 4
if path.suffix == ".parquet":
    readers.append(lambda: read_parquet(path, "make it"))
else:
    footer = start = 8
refused = 0
for number in range(int(sys.argv[2])):
    damaged = bytearray(content)
    for _ in range(dice.randint(1, 3)):
        damaged[dice.randrange(footer if number % 4 else start, len(content))] = dice.randrange(256)
    path.write_bytes(damaged)
    for read in readers:
        try:
            read()
        except InputError as error:
            refused += len(str(error).splitlines()) == 1
print(refused)
"""


def test_damaged_parquet_is_a_refusal_and_never_the_end_of_the_process(tmp_path: Path) -> None:
    rows, files = 200, 1_000 if FULL else 100
    frame = pd.DataFrame({"x": np.arange(rows) / 3, "g": ["n", "s"] * 100, "t": pd.date_range("2020", periods=rows)})
    path = write(tmp_path, pa.Table.from_pandas(frame), row_group_size=80, write_page_index=True)
    child = [sys.executable, "-c", DAMAGED, str(path), str(files)]
    ended = subprocess.run(child, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) > files


def test_damaged_csv_is_a_refusal_or_a_table(tmp_path: Path) -> None:
    words = [
        b",",
        b";",
        b"\n",
        b"\r\n",
        b"\r",
        b'"',
        b"\t",
        b"a",
        b"1",
        b"1e308",
        b"nan",
        b"inf",
        b"2026-01-01",
        b"\xff",
    ]
    words += [b"\xef\xbb\xbf", b"\x00", b" ", b"true", b"9" * 30, b"99999-01-01", "é".encode(), b"\x85"]
    dice, refused = random.Random(12), 0  # noqa: S311
    for _ in range(2_000 if FULL else 200):
        content = b"".join(dice.choice(words) for _ in range(dice.randint(1, 60)))
        (tmp_path / "t.csv").write_bytes(b"a,b\n" * dice.randint(0, 1) + content)
        try:
            opened(tmp_path / "t.csv")
        except InputError:
            refused += 1
    assert refused


class TestFeather:
    """What is compressed says how long it is: pyarrow would unpack a whole batch before anybody could count."""

    @pytest.mark.parametrize("compression", ["lz4", "zstd"])
    @pytest.mark.parametrize("encoded", [True, False], ids=["dictionary", "plain"])
    def test_equal_values_in_a_small_file(
        self, tmp_path: Path, compression: str, encoded: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        text = "a" * 1000
        column = repeated(text, 100_000) if encoded else pa.array([text] * 100_000)
        feather.write_feather(pa.table({"x": column}), tmp_path / "t", compression=compression, chunksize=100_000)
        assert (tmp_path / "t").stat().st_size < MEGABYTE
        assert opened(tmp_path / "t").columns["x"].to_pylist() == [text] * 100_000
        monkeypatch.setenv(TABLE_BYTES.variable, str(99 * MEGABYTE))
        refuses(tmp_path / "t", TABLE_BYTES)

    @pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
    def test_a_stream_is_read_and_bounded_as_a_file_is(
        self, tmp_path: Path, compression: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        table = pa.table({"x": np.zeros(100_000), "g": pa.array(["a"] * 100_000).dictionary_encode()})
        options = pa.ipc.IpcWriteOptions(compression=compression)
        with (
            pa.OSFile(str(tmp_path / "t"), "wb") as sink,
            pa.ipc.new_stream(sink, table.schema, options=options) as writer,
        ):
            writer.write_table(table)
        assert opened(tmp_path / "t").columns["g"].to_pylist() == ["a"] * 100_000
        monkeypatch.setenv(TABLE_BYTES.variable, "800000")
        refuses(tmp_path / "t", TABLE_BYTES)

    def test_rows_and_columns_are_counted(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        feather.write_feather(pa.table({"x": [1, 2, 3], "y": [1, 2, 3]}), tmp_path / "t")
        monkeypatch.setenv(TABLE_COLUMNS.variable, "1")
        refuses(tmp_path / "t", TABLE_COLUMNS)
        monkeypatch.delenv(TABLE_COLUMNS.variable)
        monkeypatch.setenv(TABLE_ROWS.variable, "2")
        refuses(tmp_path / "t", TABLE_ROWS)

    @pytest.mark.parametrize("compression", ["uncompressed", "zstd"])
    def test_damaged_is_a_refusal_and_never_the_end_of_the_process(self, tmp_path: Path, compression: str) -> None:
        frame = pd.DataFrame(
            {"x": np.arange(90) / 3, "g": pd.Categorical(["n", "s", "w"] * 30), "t": ["a", "b", "c"] * 30}
        )
        feather.write_feather(frame, str(tmp_path / "t.feather"), compression=compression, chunksize=40)
        files = 2_000 if FULL else 200
        child = [sys.executable, "-c", DAMAGED, str(tmp_path / "t.feather"), str(files)]
        ended = subprocess.run(child, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        assert int(ended.stdout) > files // 4


class TestCsv:
    def write(self, folder: Path, content: str) -> Path:
        (folder / "t.csv").write_text(content)
        return folder / "t.csv"

    def test_rows_cells_and_columns_are_counted_before_they_are_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = self.write(tmp_path, "a,b,c,d\n" + ",,,\n" * 1000)
        monkeypatch.setenv(TABLE_BYTES.variable, str(1000 * 4 * 8 - 1))
        refuses(path, TABLE_BYTES)
        monkeypatch.setenv(TABLE_ROWS.variable, "999")
        refuses(path, TABLE_ROWS)
        monkeypatch.setenv(TABLE_COLUMNS.variable, "3")
        refuses(path, TABLE_COLUMNS)

    @pytest.mark.parametrize("place", ["the first line", "a line", "the last line"])
    def test_a_line_that_never_ends(self, tmp_path: Path, place: str) -> None:
        long = "x" * (LINE_BYTES.default + 1)
        content = {"the first line": f"{long},b\n1,2\n", "a line": f"a,b\n1,2\n{long},3\n4,5\n"}
        refuses(self.write(tmp_path, content.get(place, f"a,b\n1,2\n3,{long}")), LINE_BYTES)

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_lines_may_end_as_they_like(self, tmp_path: Path, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
        path = self.write(tmp_path, end.join(["a,b", *(f"{number},x" for number in range(500))]))
        monkeypatch.setenv(LINE_BYTES.variable, "100")
        monkeypatch.setenv(TABLE_ROWS.variable, "500")
        assert opened(path).columns["a"].to_pylist() == [str(number) for number in range(500)]

    @pytest.mark.parametrize("limit", [TABLE_ROWS, TABLE_BYTES])
    @pytest.mark.parametrize("compression", ["gzip", "bz2", "zstd", "lz4", "xz", "zip"])
    def test_a_small_file_that_unpacks_to_a_huge_one(
        self, tmp_path: Path, limit: Limit, compression: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(limit.variable, "1000000")
        path = tmp_path / "t.csv"
        path.write_bytes(pack(b"a,b\n" + b"1,2\n" * 1_500_000, compression))
        assert path.stat().st_size < MEGABYTE
        refuses(path, limit)


@pytest.mark.parametrize("compression", ["gzip", "zstd", "xz", "zip"])
@pytest.mark.parametrize("form", ["parquet", "feather"])
def test_a_form_that_is_not_read_from_front_to_end_may_be_compressed(
    tmp_path: Path, form: str, compression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, frame = io.BytesIO(), pd.DataFrame({"x": [1, 2], "g": ["a", None]})
    getattr(frame, f"to_{form}")(stream)
    (tmp_path / "t").write_bytes(pack(stream.getvalue(), compression))
    assert opened(tmp_path / "t").columns.to_pydict() == {"x": [1, 2], "g": ["a", None]}
    (tmp_path / "t").write_bytes(pack(stream.getvalue() + bytes(50 * MEGABYTE), compression))
    monkeypatch.setenv(TABLE_BYTES.variable, str(MEGABYTE))
    refuses(tmp_path / "t", TABLE_BYTES)


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_no_pipe_is_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match="cannot be read: it is a folder, a pipe or a device"):
        opened(tmp_path / name)
    with pytest.raises(InputError, match="cannot be read"):
        read_parquet(tmp_path / name, "make it")


class Server(BaseHTTPRequestHandler):
    """Sends an endless table, or one a byte at a time, or a small one to who may read it."""

    def do_GET(self) -> None:
        if self.path.startswith(("/private", "/shown")):
            self.answer_shortly()
            return
        self.send_response(200)
        if self.path == "/stated":
            self.send_header("Content-Length", str(10**12))
        self.end_headers()
        try:
            self.wfile.write(b"a,b\n")
            while True:
                self.wfile.write(b"1,2\n" * (1 if self.path == "/slow" else 100_000))
                time.sleep(0.05 if self.path == "/slow" else 0)
        except OSError:
            pass  # the client has had enough

    def answer_shortly(self) -> None:
        """Show the credentials as a table; a private one is behind a redirect to another host where the query asks for it."""
        elsewhere = f"http://localhost:{self.server.server_port}/shown"  # type: ignore[attr-defined]
        self.send_response(302 if self.path == "/private?elsewhere" else 200)
        self.send_header("Location", elsewhere)
        self.end_headers()
        self.wfile.write(f"credentials\n{self.headers.get('Authorization', 'none')}\n".encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    http = HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}"
    http.shutdown()
    http.server_close()


@pytest.mark.parametrize(
    ("path", "limit", "value"),
    [("/endless", DOWNLOAD_BYTES, 5_000_000), ("/stated", DOWNLOAD_BYTES, 10**9), ("/slow", DOWNLOAD_SECONDS, 1)],
)
def test_a_download_ends(server: str, path: str, limit: Limit, value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(limit.variable, str(value))
    started = time.monotonic()
    with pytest.raises(InputError, match=rf"prepare\.source: {server}{path}.*{limit.variable}="):
        opened(server + path)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("query", "sent"), [("", f"Basic {base64.b64encode(b'me:a/b@c').decode()}"), ("?elsewhere", "none")]
)
def test_credentials_of_an_address_go_to_its_host_and_no_other(server: str, query: str, sent: str) -> None:
    table = opened(f"{server.replace('://', '://me:a%2Fb%40c@')}/private{query}")
    assert table.cells("credentials").to_pylist() == [sent]


class TestFolders:
    def test_what_the_kit_writes_of_a_decision_is_missing_where_a_file_has_it_not(self, tmp_path: Path) -> None:
        """Files of a decision log that two versions of the kit wrote."""
        before = {"income": [1.0], "lockgate_score": [0.5]}
        after = {"lockgate_row": [7], "income": [2.0], "lockgate_score": [0.25], "lockgate_request_id": ["a1"]}
        for name, columns in (("1.parquet", before), ("2.parquet", after)):
            pq.write_table(pa.table(columns), tmp_path / name)
        table = opened(tmp_path)
        assert table.columns.to_pydict() == {
            "income": [1.0, 2.0],
            "lockgate_score": [0.5, 0.25],
            "lockgate_row": [None, 7],
            "lockgate_request_id": [None, "a1"],
        }

    def test_a_column_of_the_rows_themselves_has_to_be_in_every_file(self, tmp_path: Path) -> None:
        for name, columns in (("1.parquet", {"income": [1.0]}), ("2.parquet", {"income": [2.0], "score": [1.0]})):
            pq.write_table(pa.table(columns), tmp_path / name)
        with pytest.raises(
            InputError, match=r"\(1.parquet\) has no column 'score', which 2.parquet has; write it there too"
        ):
            opened(tmp_path)
