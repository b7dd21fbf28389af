"""Reading CSV, whoever wrote it: every cell as the text that stands between its separators, in batches."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from lockgate.config.errors import InputError
from lockgate.config.limits import LINE_BYTES, TABLE_BYTES, TABLE_COLUMNS, TABLE_ROWS
from lockgate.config.params import Read
from lockgate.data.names import header_names, quoted
from lockgate.data.parquet_file import BYTES_A_CELL, STREAMED_ROWS
from lockgate.data.source_table import SourceTable
from lockgate.data.text_stream import BLOCK_BYTES, TextStream

SEPARATORS = ",;\t|"
BATCH_BYTES = 1 << 26
SAMPLE_BYTES = 1 << 16
SAMPLE_RECORDS = 50
SEPARATOR_LINE = re.compile(r"sep=(.)", re.IGNORECASE)  # what a spreadsheet writes for itself, above the header
UNCLOSED = 'a quote (") is opened and never closed; close it, or write two of them where one belongs to the text'


class Header(NamedTuple):
    """The first record of a file, and how it is written: `has_spaces` where a space stands behind each separator.

    `position` is how many records stand above it, `is_all` whether no row follows.
    """

    cells: list[str]
    separator: str
    has_spaces: bool
    position: int
    is_all: bool


def read_csv(stream: BinaryIO, where: str, read: Read) -> SourceTable:
    """The table in an open file of CSV, all columns text; an empty cell is "".

    Encoding and separator are recognised where `read` does not say them. Raises InputError for rows of more or fewer cells
    than the header, for bytes that are no text, for a quote that is never closed, and beyond a limit.
    """
    text, header, names = _opened(stream, where, read)
    table = pa.table({name: pa.array([], pa.string()) for name in names})
    if not header.is_all:
        table = _read_rows(text, header, names, where)
    notes = _notes(text, header)
    if header.has_spaces and (stripped := _without_spaces(table, is_declared=read.separator is not None)):
        table = stripped
        notes.append(_note_on_spaces(header))
    return SourceTable(table, where, separator=header.separator, notes=tuple(notes))


def csv_batches(stream: BinaryIO, where: str, read: Read) -> Iterator[SourceTable]:
    """The rows of an open file of CSV as `read_csv` reads them, some thousands at a time.

    What `read_csv` would only know of the whole file raises InputError: a space that stands behind most separators and not
    behind all, unless `read` declares it.
    """
    text, header, names = _opened(stream, where, read)
    rows, table = 0, None
    notes = (*_notes(text, header), *([_note_on_spaces(header)] if header.has_spaces else []))
    for batch in () if header.is_all else _batches(text, header, names, where):
        table = pa.Table.from_batches([batch])
        if header.has_spaces:
            table = _without_spaces(table, is_declared=read.separator is not None)
        if table is None:
            raise InputError(
                f"{where}: a space stands behind {header.separator!r} in the first rows and not in all; set "
                f"prepare.read.separator: {header.separator + ' '!r}, or {header.separator!r} where it belongs to the cells"
            )
        yield SourceTable(table, where, separator=header.separator, notes=notes, first_row=rows)
        rows += batch.num_rows
    if table is not None:
        _require_closed_quote(text, table, rows, where)


def _notes(text: TextStream, header: Header) -> list[str]:
    notes = [f"the cells are separated by {header.separator!r}"] if header.separator != "," else []
    if text.mark_encoding not in (None, "utf-8"):
        notes.append(f"the text is {text.mark_encoding}, by its byte-order mark")
    return notes


def _note_on_spaces(header: Header) -> str:
    return f"a space stands behind each {header.separator!r} and is no part of the cells"


def _opened(stream: BinaryIO, where: str, read: Read) -> tuple[TextStream, Header, list[str]]:
    """The text behind the header, the header, and the names of the columns."""
    text = TextStream(stream, read.encoding, where)
    text.skip_lines(read.header - 1)
    header = _read_header(text, where, read.separator)
    names = header_names([cell.removeprefix(" ") if header.has_spaces else cell for cell in header.cells], where)
    TABLE_COLUMNS.require(len(names), where)
    return text, header, names


def _read_header(text: TextStream, where: str, declared: str | None) -> Header:
    ahead, is_all = text.ahead(SAMPLE_BYTES)
    if not ahead:
        raise InputError(f"{where} is empty; it needs a header and rows")
    if ahead[:1] in b"\r\n":
        raise InputError(f"{where} has an empty first line; the first line names the columns")
    size = max(SAMPLE_BYTES, len(ahead.splitlines(keepends=True)[0]))
    sample = ahead[:size].decode("utf-8", "ignore")  # its last character may be cut
    is_all = is_all and size >= len(ahead)
    line = SEPARATOR_LINE.match(sample)
    position = int(line is not None)
    separators = _checked_separator(declared)[0] if declared else line[1] if line else SEPARATORS
    records = {one: _records(sample, one, is_all)[position:] for one in separators}
    separator = max(records, key=lambda one: _likelihood(records[one]))
    if not records[separator] or not any(cell.strip() for cell in records[separator][0]):
        raise InputError(f"{where}: its first line names no columns; write it as CSV again")
    cells, *rows = records[separator]
    begin = [cell[:1] for record in [cells, *rows] for cell in record[1:] if cell]
    has_spaces = declared == f"{separator} " or (declared is None and set(begin) == {" "})
    return Header(cells, separator, has_spaces, position, is_all and not rows)


def _checked_separator(separator: str) -> str:
    if not (separator[0].isascii() and separator[0] not in '"\r\n\0' and separator[1:] in ("", " ")):
        raise InputError(
            f"prepare.read.separator is {separator!r}; a separator is one character, such as ';', or one and a space"
        )
    return separator


def _records(sample: str, separator: str, is_all: bool) -> list[list[str]]:
    """The first records of the file; a blank line is none, and neither is the last one where the sample may cut it."""
    lines = csv.reader(io.StringIO(sample, newline=""), delimiter=separator)
    try:
        records = [record for record in islice(lines, SAMPLE_RECORDS) if record]
    except csv.Error:  # such as a cell of more than 131,072 characters
        return []
    return records if is_all or len(records) <= 1 else records[:-1]


def _likelihood(records: list[list[str]]) -> tuple[bool, int, bool]:
    """More for a separator by which all records have as many cells as the header, at least two; then for more cells in the
    header; then where the rows alone agree, as below a title."""
    counts = [len(record) for record in records]
    header, rows = counts[:1], set(counts[1:])
    return counts != [] and header != [1] and rows <= set(header), sum(header), len(rows) == 1 and rows != {1}


def _read_rows(text: TextStream, header: Header, names: list[str], where: str) -> pa.Table:
    batches, rows, size = [], 0, 0
    for batch in _batches(text, header, names, where):
        batches.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
        TABLE_ROWS.require(rows, where)
        TABLE_BYTES.require(max(size, rows * len(names) * BYTES_A_CELL), where)
    table = pa.Table.from_batches(batches, pa.schema([(name, pa.string()) for name in names]))
    _require_closed_quote(text, table, rows, where)
    return table


def _require_closed_quote(text: TextStream, table: pa.Table, rows: int, where: str) -> None:
    """A quote that nothing closes takes the rest of the file into its cell, and then that is the last one."""
    if text.quotes % 2 and rows and set(table.column(-1)[-1].as_py()) & {"\n", "\r"}:
        raise InputError(f"{where}, row {rows:,}: {UNCLOSED}")


def _batches(text: TextStream, header: Header, names: list[str], where: str) -> Iterator[pa.RecordBatch]:
    """The rows, thousands at a time: a block of a table with many columns has few, and whatever looks at a column looks at each."""
    wrong: list[pacsv.InvalidRow] = []

    def refuse(row: pacsv.InvalidRow) -> str:
        wrong.append(row)
        return "error"

    try:
        blocks = pacsv.open_csv(
            text,
            read_options=pacsv.ReadOptions(
                # Arrow numbers the rows that it refuses on one thread only, which takes no longer here.
                use_threads=False,
                block_size=max(BLOCK_BYTES, LINE_BYTES.value),
                column_names=names,
                skip_rows_after_names=header.position + 1,
            ),
            parse_options=pacsv.ParseOptions(
                delimiter=header.separator, newlines_in_values=True, invalid_row_handler=refuse
            ),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, null_values=[]
            ),
        )
        waiting: list[pa.RecordBatch] = []
        rows = size = 0
        for block in blocks:
            waiting.append(block)
            rows += block.num_rows
            size += block.nbytes
            if rows >= STREAMED_ROWS or size >= BATCH_BYTES:
                yield pa.concat_batches(waiting)
                waiting, rows, size = [], 0, 0
        if waiting:
            yield pa.concat_batches(waiting)
    except pa.ArrowInvalid as error:
        if wrong:
            raise InputError(_wrong_row(wrong[0], header, where)) from None
        if "straddling object" in str(error):
            raise InputError(f"{where}: {UNCLOSED}") from None
        raise


def _wrong_row(row: pacsv.InvalidRow, header: Header, where: str) -> str:
    number = row.number - header.position - 1
    how_to_fix = f"put cells that hold {header.separator!r} in quotes, or set prepare.read.separator if it is another"
    if row.actual_columns == 1 and row.text.startswith('"'):
        how_to_fix = "the whole row stands in quotes: write the file again with quotes around cells alone"
    elif number == 1:
        how_to_fix += ", or prepare.read.header: 2 if the line below the first names the columns"
    cells = "1 cell" if row.actual_columns == 1 else f"{row.actual_columns:,} cells"
    return f"{where}, row {number:,} has {cells}, and the header {row.expected_columns:,}: {quoted(row.text)}; {how_to_fix}"


def _without_spaces(table: pa.Table, is_declared: bool) -> pa.Table | None:
    """The table without the space before each cell but a row's first, and the quotes around it.

    None where nobody declared these spaces and a cell begins with none.
    """
    columns = [table.column(0)]
    for column in table.columns[1:]:
        spaces = pc.starts_with(column, " ")
        if not is_declared and not pc.all(pc.or_(spaces, pc.equal(column, ""))).as_py():
            return None
        cells = pc.if_else(spaces, pc.utf8_slice_codeunits(column, 1), column)
        inner = pc.replace_substring(pc.utf8_slice_codeunits(cells, 1, -1), '""', '"')
        columns.append(pc.if_else(pc.match_substring_regex(cells, '(?s)^".*"$'), inner, cells))
    return pa.table(columns, names=table.column_names)
