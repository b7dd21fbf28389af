"""Text of a file as UTF-8, whatever it was written in: checked while it is read, so that no line fills the memory."""

from __future__ import annotations

import codecs
import io
import re
from typing import BinaryIO

from lockgate.config.errors import InputError
from lockgate.config.limits import LINE_BYTES
from lockgate.data.names import quoted

BLOCK_BYTES = 1 << 20
# What a file may begin with, and the encoding that follows it; the longer mark of two that begin alike comes first.
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
LINE_END = re.compile(rb"\n|\r(?=.)", re.DOTALL)  # a whole one: behind \r there may be \n
EXAMPLE_ENCODING = "cp1252"  # what a spreadsheet in western Europe writes


def byte_order_mark(beginning: bytes) -> bytes:
    """The byte-order mark at the beginning of a file, b"" where there is none."""
    return next((mark for mark in BYTE_ORDER_MARKS if beginning.startswith(mark)), b"")


def text_codec(encoding: str) -> codecs.CodecInfo:
    """The codec of an encoding of text; raises InputError, which names prepare.read.encoding, where there is none."""
    try:
        codec = codecs.lookup(encoding)
    except LookupError:
        codec = None
    if codec is None or codec.incrementaldecoder is None or not codec._is_text_encoding:
        raise InputError(
            f"prepare.read.encoding: {quoted(encoding)} is no encoding of text; write one such as {EXAMPLE_ENCODING}"
        )
    return codec


class TextStream(io.RawIOBase):
    """A file's text as UTF-8 without its byte-order mark.

    A byte-order mark decides the encoding, then `encoding` (the setting `prepare.read.encoding`), then it is UTF-8. Reading
    raises InputError, which names `where` and the line, at bytes that are not of the encoding and at a line beyond the limit.
    `mark_encoding` is what the mark says, None without one; `quotes` is how many `"` were read.
    """

    def __init__(self, stream: BinaryIO, encoding: str | None, where: str) -> None:
        super().__init__()
        self._stream = stream
        self._where = where
        self._waiting = stream.read(BLOCK_BYTES)  # read, but not decoded yet
        mark = byte_order_mark(self._waiting)
        self._waiting = self._waiting[len(mark) :]
        self.mark_encoding = BYTE_ORDER_MARKS.get(mark)
        self._encoding = self.mark_encoding or encoding or "utf-8"
        self._is_utf8 = text_codec(self._encoding).name == "utf-8"
        self._decoder = text_codec(self._encoding).incrementaldecoder()
        self._ahead = b""  # decoded, but not given out yet
        self._ends = {b"\n": 0, b"\r": 0}
        self._begun = 0  # bytes of the line that has not ended yet
        self._is_done = False
        self.quotes = 0

    def readable(self) -> bool:
        """True: it is for reading."""
        return True

    @property
    def lines(self) -> int:
        """How many lines have ended so far, whichever way they end."""
        return max(self._ends.values())

    def ahead(self, size: int) -> tuple[bytes, bool]:
        """The next bytes, at least `size` of them and a whole line where there are as many, and whether they are all."""
        while not self._is_done and (len(self._ahead) < size or not (b"\n" in self._ahead or b"\r" in self._ahead)):
            self._ahead += self._decoded()
        return self._ahead, self._is_done

    def skip_lines(self, number: int) -> None:
        """Leave out the next lines, whichever way they end."""
        for _ in range(number):
            while not (self._is_done or LINE_END.search(self._ahead)):
                self._ahead += self._decoded()
            line = b"".join(self._ahead.splitlines(keepends=True)[:1])
            self._ahead = self._ahead[len(line) :]
            self.quotes -= line.count(b'"')

    def read(self, size: int = -1) -> bytes:
        """The next bytes, `size` of them where there are as many."""
        while not self._is_done and (size < 0 or len(self._ahead) < size):
            self._ahead += self._decoded()
        if size < 0:
            size = len(self._ahead)
        given, self._ahead = self._ahead[:size], self._ahead[size:]
        return given

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read into `buffer`, as io.BufferedReader does."""
        given = self.read(len(buffer))
        buffer[: len(given)] = given
        return len(given)

    def _decoded(self) -> bytes:
        """The next block as UTF-8, which may be b"" before the end."""
        raw, self._waiting = self._waiting or self._stream.read(BLOCK_BYTES), b""
        self._is_done = not raw
        try:
            text = self._decoder.decode(raw, final=self._is_done)
        except UnicodeDecodeError as error:
            raise InputError(self._wrong_bytes(error)) from None
        except UnicodeError as error:  # utf-16 without a mark, which could be either
            raise InputError(
                f"{self._where}: {error}; set prepare.read.encoding: {self._encoding}-le, or {self._encoding}-be"
            ) from None
        block = raw if self._is_utf8 else text.encode()
        self._count(block)
        return block

    def _count(self, block: bytes) -> None:
        for end in self._ends:
            self._ends[end] += block.count(end)
        self.quotes += block.count(b'"')
        limit = LINE_BYTES.value
        for start in range(0, len(block), limit):  # so a line that is too long has no end in a whole piece, or two
            piece = block[start : start + limit]
            ends = [found for found in (piece.find(b"\n"), piece.find(b"\r")) if found >= 0]
            self._require_line(self._begun + (min(ends) if ends else len(piece)))
            last = max(piece.rfind(b"\n"), piece.rfind(b"\r"))
            self._begun = len(piece) - last - 1 if ends else self._begun + len(piece)

    def _require_line(self, size: int) -> None:
        LINE_BYTES.require(size, f"{self._where}: its first line" if not self.lines else f"{self._where}: a line")

    def _wrong_bytes(self, error: UnicodeDecodeError) -> str:
        before, after = error.object[: error.start], error.object[error.start :]
        begun = before.decode(self._encoding, "replace")
        line = self.lines + max(begun.count("\n"), begun.count("\r")) + 1
        shown = before[-12:].replace(b"\n", b"\r").rpartition(b"\r")[2] + after[:12].splitlines()[0]
        if not self._is_utf8:
            return (
                f"{self._where}, line {line:,}: not {self._encoding} text at {shown!r}; correct prepare.read.encoding"
            )
        return (
            f"{self._where}, line {line:,}: not UTF-8 text, but perhaps {EXAMPLE_ENCODING}, in which it reads "
            f"{quoted(shown.decode(EXAMPLE_ENCODING, 'replace'))}; save the file as UTF-8, or set prepare.read.encoding: "
            f"{EXAMPLE_ENCODING}, or what else it is written in"
        )
