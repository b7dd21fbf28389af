"""Opening a table, whoever wrote it: a file, a folder, a pattern of names or a URL, to its columns as they stand there."""

from __future__ import annotations

import io
import lzma
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.compute as pc

from lockgate.config.credentials import safe_url
from lockgate.config.errors import InputError
from lockgate.config.files import open_file
from lockgate.config.limits import TABLE_BYTES, TABLE_ROWS
from lockgate.config.params import Read
from lockgate.config.progress import ProgressBar, WatchedFile, is_watched
from lockgate.data.arrow_file import arrow_batches, read_arrow
from lockgate.data.csv_file import csv_batches, read_csv
from lockgate.data.download import download, is_url
from lockgate.data.excel_file import read_excel
from lockgate.data.file_formats import HEAD_BYTES, Compression, Format, compression_of, format_of
from lockgate.data.file_names import TableFiles, local_files
from lockgate.data.json_lines_file import json_lines_batches, json_lines_names, read_json_lines
from lockgate.data.names import UNNAMED, quoted
from lockgate.data.parquet_file import STREAMED_ROWS, parquet_batches, read_parquet_stream
from lockgate.data.source_table import FilePart, SourceTable, joined_column, plain_table
from lockgate.documents.schema_json import RESERVED_PREFIX

BLOCK_BYTES = 1 << 20
LARGE_FILE = 32_000_000  # bytes: a person waits for what is larger
# Of folders of files that only together with a log of what was deleted are a table.
TABLE_LOGS = {
    "_delta_log": "a Delta table",
    ".hoodie": "a Hudi table",
    "metadata/version-hint.text": "an Iceberg table",
}
DAMAGED = (
    pa.ArrowException,
    OSError,
    UnicodeDecodeError,
    EOFError,
    MemoryError,  # of a length that a damaged file states
    NotImplementedError,  # of a zip with a compression that Python has not
    lzma.LZMAError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def read_source_table(location: str, key: str, read: Read) -> SourceTable:
    """The table at `location`: a path, a folder, a pattern of names or a URL, with the sha256 of its bytes.

    The form of each file is seen by its content; text is read as `read` says. `key` is the setting that named the location
    and appears in errors, without credentials. Raises InputError, one line, for whatever cannot be read as one table.
    """
    where = f"{key}: {safe_url(location)}"
    with fetched_files(location, key) as files:
        with read_errors(where):
            require_files(files, where)
            # First hashed, then read: a file that changes in between is seen as changed by whoever hashes it later.
            sha256 = files.sha256()
        table = _joined([_read_part(files, path, where, read) for path in files.paths], where)
    if table.columns.num_rows == 0:
        raise InputError(f"{where} has a header and no rows; it needs rows")
    notes = list(dict.fromkeys([*table.notes, *note_left_out(files.left_out)]))
    table, more = _without_empty_columns(table)
    return replace(table, name=safe_url(location), sha256=sha256, notes=(*notes, *more))


def read_source_batches(location: str, key: str, read: Read) -> Iterator[SourceTable]:
    """The rows of the table that `read_source_table` would read, some thousands at a time: no more are in memory.

    Each batch has the name of its file where there are several. A workbook is one batch. What is wrong further on raises
    InputError only when it is reached.
    """
    where = f"{key}: {safe_url(location)}"
    rows = 0
    with fetched_files(location, key) as files:
        with read_errors(where):
            require_files(files, where)
        for path in files.paths:
            part = f" ({files.name(path)})" if files.base else ""
            for batch in file_batches(path, where + part, read):
                rows += batch.columns.num_rows
                yield replace(batch, name=safe_url(location) + part)
    if not rows:
        raise InputError(f"{where} has a header and no rows; it needs rows")


def source_sha256(location: str, folder: Path) -> str | None:
    """The sha256 of the file, or of the files of a folder or a pattern, at `location`, a path from `folder`; None where they
    cannot be read here.

    A URL is not asked again: that what it answers now is what was prepared is for the prepared data to say.
    """
    try:
        return None if is_url(location) else local_files(location, folder).sha256()
    except OSError:
        return None


@contextmanager
def fetched_files(location: str, key: str) -> Iterator[TableFiles]:
    """The files of the table; a download is gone afterwards."""
    if not is_url(location):
        yield local_files(location, Path())
        return
    with tempfile.TemporaryDirectory(prefix="lockgate-") as folder:
        yield download(location, Path(folder), key)


def require_files(files: TableFiles, where: str) -> None:
    """Raises InputError where there is no file, or a folder is a table of another kind than its files alone."""
    if files.base is None:
        path = files.paths[0]
        if not path.exists():
            pointer = Path(f"{path}.dvc")
            how_to_fix = (
                f"run `dvc pull {pointer}`" if pointer.exists() else "check the path (from the folder of the command)"
            )
            raise InputError(f"{where} does not exist; {how_to_fix}")
        return
    for log, what in TABLE_LOGS.items():
        if (files.base / log).exists():
            raise InputError(
                f"{where} is {what}, whose files may hold rows that were deleted; write it as one Parquet file and name that"
            )
    require_any(files, where)


def require_any(files: TableFiles, where: str) -> None:
    """Raises InputError where no file of a folder or a pattern is a table by its name."""
    if not files.paths:
        found = f"only {', '.join(files.left_out[:5])}" if files.left_out else "nothing"
        raise InputError(
            f"{where} stands for {found}, and for no file of a table; name a file, or a folder or pattern that has some "
            "(.parquet, .csv, .feather, .jsonl, compressed or not)"
        )


def note_left_out(names: Sequence[str]) -> list[str]:
    """A sentence on the files that are no tables by their names, where there are any."""
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return [f"left out, as no tables by their names: {shown}"] if shown else []


@contextmanager
def read_errors(where: str) -> Iterator[None]:
    """What goes wrong while a file is read raises InputError, one line."""
    try:
        yield
    except PermissionError:
        raise InputError(f"{where} cannot be read: permission denied; make it readable") from None
    except DAMAGED as error:
        problem = getattr(error, "strerror", None) or _first_line(error)
        raise InputError(f"{where} cannot be read: {problem}; write it again as CSV or Parquet") from None


def _first_line(error: BaseException) -> str:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return text if len(text) <= 200 else text[:197] + "..."


def _read_part(files: TableFiles, path: Path, where: str, read: Read) -> SourceTable:
    name = files.name(path)
    place = f"{where} ({name})" if files.base else where
    with read_errors(place), opened_file(path, place, read) as (kind, stream):
        table = _read_format(kind, stream, place, read)
    return replace(table, name=name, parts=(FilePart(name, table.columns.num_rows),))


def file_batches(
    path: Path,
    where: str,
    read: Read,
    *,
    groups: Sequence[int] | None = None,
    rows: int = STREAMED_ROWS,
    coded: Collection[str] = (),
) -> Iterator[SourceTable]:
    """The rows of one file, some thousands at a time; of a Parquet file those of some `groups`, at most `rows` at a time, and
    texts in the columns `coded` as `TEXT_CODES` where that is how they are stored."""
    with read_errors(where), opened_file(path, where, read) as (kind, stream):
        if kind == "csv":
            yield from csv_batches(stream, where, read)
        elif kind == "json lines":
            with opened_file(path, where, read) as (_, lines):
                names = json_lines_names(lines, where, read)
            yield from json_lines_batches(stream, where, read, names)
        elif kind == "excel":
            yield read_excel(stream, where, read)
        elif kind == "parquet":
            first = 0
            for table in parquet_batches(stream, where, groups=groups, rows=rows, coded=coded):
                yield SourceTable(plain_table(table, coded), where, first_row=first)
                first += table.num_rows
        else:
            yield from arrow_batches(stream, where, is_stream=kind == "arrow stream")


@contextmanager
def opened_file(path: Path, where: str, read: Read) -> Iterator[tuple[Format, BinaryIO]]:
    """The form of a file and what stands in it, unpacked where it is compressed; on the disk where the form asks for that."""
    with ExitStack() as opened:
        stream: BinaryIO = opened.enter_context(open_file(path))
        size = os.fstat(stream.fileno()).st_size
        if size == 0:
            raise InputError(f"{where} is empty; it needs a header and rows")
        if size >= LARGE_FILE and is_watched():
            bar = opened.enter_context(ProgressBar(f"reading {where}", size))
            stream = io.BufferedReader(WatchedFile(stream, bar), BLOCK_BYTES)
        head = _head(stream)
        compression = compression_of(head)
        if compression is not None and not _is_workbook(stream, compression):
            inner = opened.enter_context(_unpacked(stream, compression, where))
            stream, head = inner, inner.peek(HEAD_BYTES)[:HEAD_BYTES]
            if compression_of(head):
                raise InputError(f"{where} is compressed twice; compress it once")
            if not head:
                raise InputError(f"{where} is empty once it is unpacked; it needs a header and rows")
        kind: Format = "excel" if compression_of(head) else format_of(head, where, read.encoding)
        if kind not in ("csv", "json lines"):
            stream = opened.enter_context(_seekable(stream, where))
        yield kind, stream


def _head(stream: BinaryIO) -> bytes:
    head = stream.read(HEAD_BYTES)
    stream.seek(0)
    return head


def _is_workbook(stream: BinaryIO, compression: Compression) -> bool:
    """Whether a zip is a workbook: of Excel, or of LibreOffice."""
    if compression != "zip":
        return False
    with zipfile.ZipFile(stream) as archive:
        names = set(archive.namelist())
    stream.seek(0)
    return bool(names & {"xl/workbook.xml", "xl/workbook.bin"}) or {"mimetype", "content.xml"} <= names


@contextmanager
def _unpacked(stream: BinaryIO, compression: Compression, where: str) -> Iterator[io.BufferedReader]:
    if compression == "zip":
        with zipfile.ZipFile(stream) as archive, archive.open(_only_member(archive, where)) as member:
            yield io.BufferedReader(cast(io.RawIOBase, member))
    elif compression == "xz":
        with lzma.open(stream) as unpacked:
            yield io.BufferedReader(unpacked)
    else:
        with pa.CompressedInputStream(stream, compression) as unpacked:
            yield io.BufferedReader(unpacked)


def _only_member(archive: zipfile.ZipFile, where: str) -> zipfile.ZipInfo:
    members = [one for one in archive.infolist() if not (one.is_dir() or one.filename.startswith("__MACOSX/"))]
    if len(members) != 1:
        shown = ", ".join(quoted(one.filename) for one in members[:4]) + (", ..." if len(members) > 4 else "")
        raise InputError(
            f"{where} is an archive of {len(members)} files ({shown}); unpack it, and name the file or its folder"
        )
    if members[0].flag_bits & 1:
        raise InputError(f"{where} is protected by a password; unpack it, and name the file in it")
    return members[0]


def _read_format(kind: Format, stream: BinaryIO, where: str, read: Read) -> SourceTable:
    if kind == "csv":
        return read_csv(stream, where, read)
    if kind == "json lines":
        return read_json_lines(stream, where, read)
    if kind == "excel":
        return read_excel(stream, where, read)
    if kind == "parquet":
        return SourceTable(plain_table(read_parquet_stream(stream, where)), where)
    return read_arrow(stream, where, is_stream=kind == "arrow stream")


@contextmanager
def _seekable(stream: BinaryIO, where: str) -> Iterator[BinaryIO]:
    """The file itself, or on the disk what is unpacked from it, as a format needs that is not read from front to end."""
    if isinstance(stream, io.BufferedReader) and isinstance(stream.raw, io.FileIO):
        yield stream
        return
    with tempfile.TemporaryFile(prefix="lockgate-") as file:
        size = 0
        while block := stream.read(BLOCK_BYTES):
            size += len(block)
            TABLE_BYTES.require(size, where)
            file.write(block)
        file.seek(0)
        yield file


def _joined(parts: list[SourceTable], where: str) -> SourceTable:
    """The parts of a table as one: columns in the order of the first part, in a type that all of them have or as texts.

    What the kit writes beside the rows of a decision log may differ between its versions, and is missing where a part lacks it.
    """
    if len(parts) == 1:
        return parts[0]
    kits = dict.fromkeys(name for part in parts for name in part.names if name.startswith(RESERVED_PREFIX))
    parts = [_with_missing(part, [name for name in kits if name not in part.names]) for part in parts]
    first = parts[0]
    for part in parts[1:]:
        require_same_names(first, part, where)
    columns, notes = [], [note for part in parts for note in part.notes]
    for name in first.names:
        column, is_typed = joined_column([part.cells(name) for part in parts])
        if not is_typed:
            notes.append(note_of_types(name, parts))
        columns.append(column)
    separators = {part.separator for part in parts}
    table = pa.table(columns, names=first.names)
    TABLE_ROWS.require(table.num_rows, where)
    TABLE_BYTES.require(table.nbytes, where)
    return SourceTable(
        table,
        where,
        parts=tuple(one for part in parts for one in part.parts),
        separator=separators.pop() if len(separators) == 1 else None,
        notes=tuple(notes),
    )


def note_of_types(name: str, parts: Sequence[SourceTable]) -> str:
    """A sentence on a column that the parts of a table have in types of which none is common."""
    types = ", ".join(dict.fromkeys(f"{part.cells(name).type} in {part.name}" for part in parts))
    return f"column {quoted(name)} has several types, and is read as text: {types[:300]}"


def note_of_empty_column(name: str) -> str:
    """A sentence on a column that has neither a name nor a cell."""
    return f"{name} holds nothing and is left out"


def _with_missing(part: SourceTable, names: Sequence[str]) -> SourceTable:
    columns = part.columns
    for name in names:
        columns = columns.append_column(name, pa.nulls(columns.num_rows))
    return replace(part, columns=columns)


def require_same_names(first: SourceTable, part: SourceTable, where: str) -> None:
    """Raises InputError where one of two parts of a table has a column that the other has not."""
    for one, other in ((first, part), (part, first)):
        for name in one.names:
            if name not in other.names:
                raise InputError(
                    f"{where} ({other.name}) has no column {quoted(name)}, which {one.name} has; write it there too (empty "
                    "where nothing is known), or leave that file out"
                )


def _without_empty_columns(table: SourceTable) -> tuple[SourceTable, list[str]]:
    """The table without the columns that have neither a name nor a cell, such as after a separator at the end of each row."""
    empty = [name for name in table.names if UNNAMED.fullmatch(name) and holds_nothing(table.cells(name))]
    if not empty:
        return table, []
    return replace(table, columns=table.columns.drop_columns(empty)), [note_of_empty_column(name) for name in empty]


def holds_nothing(cells: pa.ChunkedArray) -> bool:
    """Whether all cells are missing, or empty texts."""
    if len(cells) == cells.null_count:
        return True
    return pa.types.is_string(cells.type) and not pc.any(pc.greater(pc.binary_length(cells), 0)).as_py()
