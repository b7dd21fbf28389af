"""Reading a table, whoever wrote it: CSV or Parquet, a path, a folder of Parquet files, or a URL."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv

from lockgate.config.credentials import safe_url
from lockgate.config.errors import InputError
from lockgate.config.files import open_file, sha256_bytes, sha256_file
from lockgate.config.limits import LINE_BYTES, TABLE_BYTES, TABLE_COLUMNS, TABLE_ROWS
from lockgate.data.download import download, is_url
from lockgate.data.names import check_header
from lockgate.data.parquet_file import BYTES_A_CELL, read_parquet_stream

NULL_VALUES = ["", "NA", "N/A", "NaN", "nan", "null", "NULL"]
DELIMITERS = ",;\t|"
PARQUET_MAGIC = b"PAR1"
BLOCK_BYTES = 1 << 20


def read_table(location: str, key: str) -> pd.DataFrame:
    """The table at `location`, with the file's own column names and types.

    `location` is a path, a folder of Parquet files or an http(s) URL; `key` is the setting that named it and
    appears in errors. Raises InputError for whatever cannot be read as one table with distinct column names.
    """
    with _local(location, key) as path:
        return _read(path, f"{key}: {safe_url(location)}")


def read_source(location: str, key: str) -> tuple[pd.DataFrame, str]:
    """The table at `location`, as `read_table` gives it, and the sha256 of the bytes that it was read from.

    Raises InputError as `read_table` does.
    """
    with _local(location, key) as path:
        where = f"{key}: {safe_url(location)}"
        # First hashed, then read: a file that changes in between is seen as changed by whoever hashes it later.
        with _read_errors(where):
            sha256 = _sha256(path)
        return _read(path, where), sha256


def source_sha256(location: str, folder: Path) -> str | None:
    """The sha256 of the file or the folder of Parquet files at `location`, a path from `folder`; None where it cannot be
    read here.

    A URL is not asked again: that what it answers now is what was prepared is for the prepared data to say.
    """
    try:
        return None if is_url(location) else _sha256(folder / location)
    except OSError:
        return None


def _sha256(path: Path) -> str:
    """Of a file's bytes, or of the names and bytes of a folder's Parquet files."""
    if not path.is_dir():
        return sha256_file(path)
    lines = [f"{sha256_file(file)} {file.relative_to(path).as_posix()}\n" for file in _parquet_files(path)]
    return sha256_bytes("".join(lines).encode())


@contextmanager
def _local(location: str, key: str) -> Iterator[Path]:
    """The path of the table; a download is gone afterwards."""
    if not is_url(location):
        path = Path(location)
        if not path.exists():
            raise InputError(
                f"{key}: {location} does not exist; check the path (relative to the folder of the command)"
            )
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="lockgate-") as folder:
        path = Path(folder) / "download"
        download(location, path, key)
        yield path


def _read(path: Path, where: str) -> pd.DataFrame:
    with _read_errors(where):
        table = _read_folder(path, where) if path.is_dir() else _read_file(path, where)
        if table.num_rows == 0:
            raise InputError(f"{where} has a header and no rows; it needs rows")
        return _to_frame(table, where)


@contextmanager
def _read_errors(where: str) -> Iterator[None]:
    try:
        yield
    except PermissionError:
        raise InputError(f"{where} cannot be read: permission denied; make it readable") from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        problem = getattr(error, "strerror", None) or _first_line(error)
        raise InputError(f"{where} cannot be read: {problem}; write it again as CSV or Parquet") from None


def _read_file(path: Path, where: str) -> pa.Table:
    with open_file(path) as stream:
        if os.fstat(stream.fileno()).st_size == 0:
            raise InputError(f"{where} is empty; it needs a header and rows")
        if stream.peek(len(PARQUET_MAGIC)).startswith(PARQUET_MAGIC):
            return read_parquet_stream(stream, where)
        if path.suffix.lower() in {".parquet", ".pq"}:
            raise InputError(f"{where} is not Parquet although its name says so; write it again")
        return _read_csv(stream, where)


def _read_folder(path: Path, where: str) -> pa.Table:
    files = _parquet_files(path)
    if not files:
        raise InputError(f"{where} is a folder without .parquet files; name a file, or a folder that has some")
    tables = []
    for file in files:
        place = f"{where} ({file.relative_to(path)})"
        with _read_errors(place):
            tables.append(_read_file(file, place))
        TABLE_ROWS.require(sum(table.num_rows for table in tables), where)
        TABLE_BYTES.require(sum(table.nbytes for table in tables), where)
    return pa.concat_tables(tables, promote_options="permissive")


def _parquet_files(folder: Path) -> list[Path]:
    """Those that are complete: a name with a dot in front is a file, or a folder, that somebody is still writing."""
    return sorted(
        file
        for file in folder.rglob("*.parquet")
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )


def _read_csv(stream: BufferedReader, where: str) -> pa.Table:
    names, delimiter = _header(stream, where)
    check_header(names, where)
    size = os.fstat(stream.fileno()).st_size
    lines = _count_lines(stream, where)
    TABLE_COLUMNS.require(len(names), where)
    TABLE_ROWS.require(lines - 1, where)
    TABLE_BYTES.require(max(size, lines * len(names) * BYTES_A_CELL), where)
    stream.seek(0)
    # Through an open file, not the path, whose name would have it decompressed. One block: types come from the whole
    # column, not from its first megabyte.
    return pacsv.read_csv(
        stream,
        read_options=pacsv.ReadOptions(block_size=min(max(size + 1, 1 << 16), (1 << 31) - 1)),
        parse_options=pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(
            null_values=NULL_VALUES, strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    )


def _header(stream: BufferedReader, where: str) -> tuple[list[str], str]:
    """The names of the columns, and what stands between them."""
    first = stream.readline(LINE_BYTES.value + 1)
    LINE_BYTES.require(len(first), f"{where}: its first line")
    sample = first + stream.read(1 << 16)
    if b"\0" in sample:
        raise InputError(f"{where} is not a CSV or Parquet file (it holds binary data); write it as one of them")
    try:
        header = first.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise InputError(f"{where} is not UTF-8 text; save the CSV as UTF-8") from None
    if not header.strip():
        raise InputError(f"{where} has an empty first line; the first line names the columns")
    delimiter = max(DELIMITERS, key=header.count)
    try:
        return next(csv.reader([header], delimiter=delimiter), []), delimiter
    except csv.Error as error:
        raise InputError(f"{where}: its first line names no columns ({error}); write it as CSV again") from None


def _count_lines(stream: BufferedReader, where: str) -> int:
    """How many lines the file has, whichever way they end; raises InputError where one is beyond the limit."""
    stream.seek(0)
    counts = dict.fromkeys((b"\n", b"\r"), 0)
    begun = position = 0  # where the line begins that has not ended yet, and where the block does
    while block := stream.read(BLOCK_BYTES):
        for end in counts:
            counts[end] += block.count(end)
        letters = np.frombuffer(block, dtype=np.uint8)
        ends = np.flatnonzero((letters == ord("\n")) | (letters == ord("\r"))) + position
        position += len(block)
        LINE_BYTES.require(int(np.diff(ends, prepend=begun, append=position).max()), where)
        begun = int(ends[-1]) if len(ends) else begun
    return max(counts.values()) + 1


def _to_frame(table: pa.Table, where: str) -> pd.DataFrame:
    columns = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type
        if pa.types.is_dictionary(kind):
            column = column.cast(kind.value_type)
            kind = column.type
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            raise InputError(f"{where}: column `{name}` is not UTF-8 text; save it as UTF-8")
        if pa.types.is_nested(kind):
            raise InputError(f"{where}: column `{name}` holds {kind}; a table needs one plain value a cell")
        if pa.types.is_decimal(kind) or pa.types.is_float16(kind):
            column = column.cast(pa.float64())
        columns.append(column)
    flat = pa.table(columns, names=table.column_names)
    frame: pd.DataFrame = flat.to_pandas(date_as_object=False, ignore_metadata=True)
    return frame


def _first_line(error: BaseException) -> str:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return text if len(text) <= 200 else text[:197] + "..."
