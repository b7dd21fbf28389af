"""Reading a sheet of a workbook, of Excel or LibreOffice: numbers, truth values, dates and texts as the cells hold them."""

from __future__ import annotations

import zipfile
from typing import BinaryIO

import pyarrow as pa

from lockgate.config.errors import InputError
from lockgate.config.extras import how_to_install, is_installed
from lockgate.config.limits import TABLE_BYTES, TABLE_COLUMNS, TABLE_ROWS
from lockgate.config.params import Read
from lockgate.config.suggest import nearest
from lockgate.data.names import header_names
from lockgate.data.parquet_file import BYTES_A_CELL
from lockgate.data.source_table import SourceTable, array_of_values, cell_texts

LIBRARY = "python_calamine"


def read_excel(stream: BinaryIO, where: str, read: Read) -> SourceTable:
    """The table in an open workbook: the sheet `prepare.read.sheet`, or its only one; an empty cell is null.

    The header is row `prepare.read.header` of those that hold anything; rows that hold nothing are none. Raises InputError
    where several sheets leave open which one, where the workbook cannot be read, and beyond a limit.
    """
    if not is_installed(LIBRARY):
        raise InputError(f"{where} is a workbook; {how_to_install(LIBRARY)}, or save the sheet as CSV")
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError

    _require_size(stream, where)
    try:
        with CalamineWorkbook.from_filelike(stream) as book:
            sheet = book.get_sheet_by_name(_sheet_name(book.sheet_names, where, read.sheet))
            TABLE_COLUMNS.require(sheet.width, where)
            TABLE_ROWS.require(sheet.height, where)
            TABLE_BYTES.require(sheet.width * sheet.height * BYTES_A_CELL, where)
            rows = [row for row in sheet.to_python() if any(cell != "" for cell in row)]
    except PasswordError:
        raise InputError(f"{where} is protected by a password; save it without one") from None
    except CalamineError as error:
        raise InputError(f"{where} cannot be read as a workbook: {error}; save it again, or as CSV") from None
    if len(rows) < read.header:
        raise InputError(f"{where} holds an empty sheet; it needs a header and rows")
    header, *cells = rows[read.header - 1 :]
    names = header_names(cell_texts(pa.chunked_array([array_of_values(header)])).to_pylist(), where)
    columns = [array_of_values([None if row[at] == "" else row[at] for row in cells]) for at in range(len(names))]
    return SourceTable(pa.table(columns, names=names), where)


def _require_size(stream: BinaryIO, where: str) -> None:
    """Raises InputError where the parts of the workbook unpack to more than a table may take."""
    if zipfile.is_zipfile(stream):
        with zipfile.ZipFile(stream) as parts:
            TABLE_BYTES.require(sum(part.file_size for part in parts.infolist()), where)
    stream.seek(0)


def _sheet_name(names: list[str], where: str, declared: str | None) -> str:
    if declared is not None and declared not in names:
        raise InputError(
            f"{where} has no sheet {declared!r}, which prepare.read.sheet names; {nearest(declared, names)}"
        )
    if declared is None and len(names) != 1:
        shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
        raise InputError(f"{where} has {len(names)} sheets ({shown}); name one of them in prepare.read.sheet")
    return declared or names[0]
