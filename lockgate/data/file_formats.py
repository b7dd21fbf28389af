"""What a file is, by its first bytes and never by its name: a table that is read, or what else, and how to get a table."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from lockgate.config.errors import InputError
from lockgate.data.text_stream import BYTE_ORDER_MARKS, byte_order_mark, text_codec

HEAD_BYTES = 4096
Compression = Literal["gzip", "bz2", "zstd", "lz4", "xz", "zip"]
Format = Literal["csv", "json lines", "parquet", "arrow file", "arrow stream", "excel"]

COMPRESSIONS: dict[bytes, Compression] = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"\xfd7zXZ\x00": "xz",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
}
FORMATS: dict[bytes, Format] = {
    b"PAR1": "parquet",
    b"ARROW1": "arrow file",
    b"\xff\xff\xff\xff": "arrow stream",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "excel",  # of 1997 to 2003
}


class NoTable(NamedTuple):
    """A kind of file that holds no table that is read here: its pattern at the beginning, its name, how to get a table."""

    pattern: bytes
    what: str
    how_to_fix: str


def _by_pandas(reader: str) -> str:
    return f"write it as Parquet (pandas: {reader}, to_parquet)"


NO_TABLES = [
    NoTable(
        rb"version https://git-lfs\.github\.com/spec/",
        "a git-lfs pointer, not the data",
        "fetch the data: git lfs pull",
    ),
    NoTable(
        rb"[./\w-]{0,200}/annex/objects/", "a git-annex pointer, not the data", "fetch the data: git annex get FILE"
    ),
    NoTable(
        rb"((md5|frozen|wdir): [^\n]+\n|deps:\n([- ] [^\n]+\n)+)*outs:\n *- ",
        "a .dvc file, which only points at the data",
        "name the file without .dvc at its end, after `dvc pull`",
    ),
    NoTable(
        rb"(?i)\s*(<!--.{0,1000}?-->\s*)*<(!doctype\s+html|html|head|body|script|meta|title)\b",
        "a web page (HTML), perhaps one that asks for a login",
        "name the address of the file itself, or fetch it with what has access and name the file here",
    ),
    NoTable(rb"\s*<stata_dta>|[\x6c-\x73][\x01\x02]\x01\x00", "a Stata file", _by_pandas("read_stata")),
    NoTable(rb"\s*<(\?xml\b|[A-Za-z]\w*(:\w+)?\s+[\w:]+=\")", "an XML document", "save its table as CSV"),
    NoTable(rb"PARE", "an encrypted Parquet file", "write it without encryption"),
    NoTable(rb"FEA1", "a Feather file of version 1", "write it again (pandas: to_feather)"),
    NoTable(rb"SQLite format 3\0", "an SQLite database", _by_pandas("read_sql")),
    NoTable(rb"(?s).{8}DUCK", "a DuckDB database", "write its table: COPY name TO 'table.parquet'"),
    NoTable(
        rb"(?s)\x80[\x02-\x05](\x95.{8}|[\x8c\x58cq(}\]])", "a pickle, which is never opened", "write it as Parquet"
    ),
    NoTable(rb"\x93NUMPY", "a numpy array, which has no names of columns", "write it as Parquet"),
    NoTable(rb"\x89HDF\r\n\x1a\n|CDF[\x01\x02\x05]", "an HDF5 or netCDF file", _by_pandas("read_hdf")),
    NoTable(rb"MATLAB [57]\.", "a MATLAB file", "write it as CSV (writetable)"),
    NoTable(rb"ORC[\x00-\x1f]", "an ORC file", _by_pandas("read_orc")),
    NoTable(rb"Obj\x01", "an Avro file", "write it as Parquet or JSON lines"),
    NoTable(rb"\0{12}\xc2\xea\x81\x60|HEADER RECORD\*{7}LIBRARY", "a SAS file", _by_pandas("read_sas")),
    NoTable(rb"\$FL[23]|ASCII SPSS PORT", "an SPSS file", _by_pandas("read_spss")),
    NoTable(rb"RD[AXB][2-4]\n|X\n\0", "an R data file", "write it as CSV (write.csv(..., row.names = FALSE))"),
    NoTable(rb"%PDF-", "a PDF document", "save its table as CSV"),
    NoTable(rb"(?s)Rar!|7z\xbc\xaf\x27\x1c|\x1f\x9d|.{257}ustar", "an archive", "unpack it and name the file in it"),
    NoTable(rb"\x89PNG|\xff\xd8\xff|GIF8", "an image", "name a table"),
    NoTable(
        rb"\s*\[\s*([\[{\]\"\d-]|true|false|null)",
        "one JSON document",
        'write JSON lines (pandas: to_json(orient="records", lines=True))',
    ),
]
UTF_16 = {"utf-16-le": 1, "utf-16-be": 0}  # which of two bytes is zero in plain letters
JSON_OBJECT = re.compile(rb"\s*\{\s*[\"}]")


def compression_of(head: bytes) -> Compression | None:
    """How the file that begins with `head` is compressed."""
    return next((kind for magic, kind in COMPRESSIONS.items() if head.startswith(magic)), None)


def format_of(head: bytes, where: str, encoding: str | None) -> Format:
    """The form of the table in the file that begins with `head`, of up to HEAD_BYTES bytes.

    Text that is nothing else is CSV; `encoding` is what the settings say of text. Raises InputError, which says what it is and
    how to get a table, for whatever is none.
    """
    for magic, kind in FORMATS.items():
        if head.startswith(magic):
            return kind
    mark = byte_order_mark(head)
    text = head[len(mark) :]
    if written := BYTE_ORDER_MARKS.get(mark) or encoding:
        text = text_codec(written).decode(text, "ignore")[0].encode()
    for pattern, what, how_to_fix in NO_TABLES:
        if re.match(pattern, text):
            raise InputError(f"{where} is {what}; {how_to_fix}")
    if b"\0" in text:
        wide = next((name for name, zeros in UTF_16.items() if not any(head[zeros : 2 * (len(head) // 2) : 2])), None)
        how_to_fix = f"set prepare.read.encoding: {wide}" if wide else "write it as CSV or Parquet"
        raise InputError(f"{where} is no table that is read here (it holds binary data); {how_to_fix}")
    return "json lines" if JSON_OBJECT.match(text) else "csv"
