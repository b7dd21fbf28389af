"""A table that is larger than the memory, as `prepare` needs it: every part with the same columns in the same types.

What `read_source_table` makes of several files as a whole is made here of each batch: the names of the first file, the type that
all have, and columns of types without a common one as texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from itertools import islice
from pathlib import Path

import pyarrow as pa

from lockgate.config.credentials import safe_url
from lockgate.config.errors import InputError
from lockgate.config.params import Read
from lockgate.data.download import is_url, stored_files
from lockgate.data.file_names import local_files
from lockgate.data.names import quoted
from lockgate.data.parquet_file import BYTES_A_CELL, stated_bytes
from lockgate.data.partitions import BATCH_ROWS, FilePartition, Part, UrlPartition, open_parts
from lockgate.data.source_table import FilePart, SourceTable, cell_texts, plain_table
from lockgate.data.sources import (
    note_left_out,
    note_of_types,
    opened_file,
    read_errors,
    require_same_names,
)
from lockgate.data.tally import positions_of
from lockgate.documents.schema_json import RESERVED_PREFIX
from lockgate.engine.engine import Engine

PARQUET_SUFFIXES = {".parquet", ".pq"}
STREAMED_FORMATS = ("parquet", "csv")


@dataclass(frozen=True)
class LargeSource:
    """Where a table is that is read part by part, once it is opened: see `read_source_table`."""

    location: str
    key: str
    read: Read
    name: str
    read_on: date | None = None


class UncommonTypeError(Exception):
    """A cell that the common type of its column does not hold."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True)
class SourcePart:
    """Some rows of a large table. It pickles, and can be read more than once.

    `types` are those that all parts have; `texts` names the columns that have none in common.
    """

    partition: FilePartition | UrlPartition
    name: str
    file: int
    types: pa.Schema
    texts: frozenset[str] = frozenset()
    separator: str | None = None
    left_out: frozenset[str] = frozenset()

    def batches(self) -> Iterator[tuple[SourceTable, int]]:
        """The rows with the position of the first, some thousands at a time, in the columns and types of the table.

        Raises UncommonTypeError where a cell is lost in the common type.
        """
        for batch in self.partition.batches():
            for start in range(0, batch.columns.num_rows, BATCH_ROWS):
                cut = replace(batch, columns=batch.columns.slice(start, BATCH_ROWS), first_row=batch.first_row + start)
                columns = {
                    field.name: self._cells(cut, field) for field in self.types if field.name not in self.left_out
                }
                table = replace(cut, columns=pa.table(columns), name=self.name, separator=self.separator, notes=())
                yield table, int(positions_of(self.file, table.first_row, 1)[0])

    def _cells(self, batch: SourceTable, field: pa.Field) -> pa.ChunkedArray:
        name = field.name
        if name not in batch.names:  # what the kit writes beside the rows of a log, in other versions
            return pa.chunked_array([pa.nulls(batch.columns.num_rows, field.type)])
        cells = batch.cells(name)
        if name in self.texts:
            return cell_texts(cells)
        try:
            return cells.cast(field.type, safe=True)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
            raise UncommonTypeError(name) from None


@dataclass(frozen=True)
class LargeTable:
    """A large table that is open. `files` are the names of its files, and `outline` has its columns and no row."""

    parts: tuple[SourcePart, ...]
    files: tuple[str, ...]
    outline: SourceTable
    outlines: tuple[SourceTable, ...]
    bytes: int

    def with_texts(self, names: frozenset[str]) -> LargeTable:
        """The table with these columns as texts."""
        texts = frozenset({*names, *self.parts[0].texts})
        types = pa.schema([(one.name, pa.string() if one.name in texts else one.type) for one in self.parts[0].types])
        notes = [note_of_types(name, self.outlines) for name in types.names if name in names]
        outline = replace(self.outline, columns=types.empty_table(), notes=(*self.outline.notes, *notes))
        return replace(
            self, parts=tuple(replace(part, texts=texts, types=types) for part in self.parts), outline=outline
        )

    def without(self, names: Sequence[str], notes: Sequence[str]) -> LargeTable:
        """The table without these columns."""
        parts = tuple(replace(part, left_out=frozenset(names)) for part in self.parts)
        columns = self.outline.columns.drop_columns(list(names))
        outline = replace(self.outline, columns=columns, notes=(*self.outline.notes, *notes))
        return replace(self, parts=parts, outline=outline)


def bytes_in_parts(location: str, key: str, read: Read, least: int) -> int | None:
    """How many bytes a table that can be read part by part has, as its files say; None for others: no Parquet and no CSV.

    Files of fewer than `least` bytes are not looked into, and are none. Of files in a storage, which are fetched where they are
    read, those that are Parquet by their names count a byte.
    """
    if is_url(location):
        stored = stored_files(location, f"{key}: {safe_url(location)}")
        is_parquet = stored is not None and all(Path(name).suffix in PARQUET_SUFFIXES for name in stored.paths)
        return 1 if is_parquet else None
    files, found = local_files(location, Path()), 0
    if not files.paths or not all(path.is_file() for path in files.paths):
        return None
    if sum(path.stat().st_size for path in files.paths) < least:
        return None
    for path in files.paths:
        where = f"{key}: {safe_url(location)}" + (f" ({files.name(path)})" if files.base else "")
        with read_errors(where), opened_file(path, where, read) as (kind, stream):
            if kind not in STREAMED_FORMATS:
                return None
            found += stated_bytes(stream, where) if kind == "parquet" else path.stat().st_size
    return found


@contextmanager
def open_large(source: LargeSource, engine: Engine) -> Iterator[LargeTable]:
    """The table, until the block ends. Raises InputError, one line, for what cannot be read as one table."""
    where = f"{source.key}: {safe_url(source.location)}"
    with open_parts(source.location, source.key, source.read, engine) as found:
        firsts = {one.file: one for one in reversed(found.parts)}
        outlines = [_outline(one, found.files[number]) for number, one in sorted(firsts.items())]
        kits = dict.fromkeys(name for one in outlines for name in one.names if name.startswith(RESERVED_PREFIX))
        outlines = [_with_kits_columns(one, list(kits)) for one in outlines]
        for one in outlines[1:]:
            require_same_names(outlines[0], one, where)
        types, texts = _common_types(outlines)
        separators = {one.separator for one in outlines}
        separator = separators.pop() if len(separators) == 1 else None
        notes = [note for one in outlines for note in one.notes]
        notes += [note_of_types(name, outlines) for name in types.names if name in texts]
        outline = SourceTable(
            types.empty_table(),
            source.name,
            found.sha256,
            source.read_on,
            separator=separator,
            notes=tuple(dict.fromkeys([*notes, *note_left_out(found.left_out)])),
        )
        parts = tuple(SourcePart(one.partition, source.name, one.file, types, texts, separator) for one in found.parts)
        files = tuple(found.files) if len(found.files) > 1 else ("",)
        yield LargeTable(parts, files, outline, tuple(outlines), _size(found.parts))


def _size(parts: Sequence[Part]) -> int:
    """About how many bytes the rows take."""
    whole = [part.partition for part in parts if part.rows is None]
    known = sum(part.rows * BYTES_A_CELL * len(part.schema.names) for part in parts if part.rows and part.schema)
    return known + sum(one.path.stat().st_size for one in whole if isinstance(one, FilePartition))


def _outline(part: Part, file: str) -> SourceTable:
    """The columns of a file, in the types that a table has them in, and what its reader says of it."""
    if part.schema is not None:
        columns = plain_table(part.schema.empty_table())
        return SourceTable(columns, file, parts=(FilePart(file, 0),))
    first = next(islice(part.partition.batches(), 1), None)
    if first is None:
        raise InputError(f"{part.partition.name} has a header and no rows; write rows into it, or leave that file out")
    return replace(first, columns=first.columns.slice(0, 0), name=file, parts=(FilePart(file, 0),))


def _with_kits_columns(outline: SourceTable, names: Sequence[str]) -> SourceTable:
    columns = outline.columns
    for name in names:
        if name not in outline.names:
            columns = columns.append_column(name, pa.nulls(0))
    return replace(outline, columns=columns)


def _common_types(outlines: Sequence[SourceTable]) -> tuple[pa.Schema, frozenset[str]]:
    """The type that each column has in all files, and the names of those that have none in common: they are texts."""
    fields, texts = [], set()
    for name in outlines[0].names:
        types = list(dict.fromkeys(one.cells(name).type for one in outlines))
        try:
            schemas = [pa.schema([(name, kind)]) for kind in types]
            kind = pa.unify_schemas(schemas, promote_options="permissive").field(0).type
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            kind = pa.string()
            texts.add(name)
        fields.append((name, kind))
    return pa.schema(fields), frozenset(texts)


def lost_column(name: str, table: LargeTable) -> InputError:
    """The refusal of a column whose bytes are no text: no other type of a single file loses a cell."""
    return InputError(
        f"{table.outline.name}: column {quoted(name)} holds bytes that are no UTF-8 text; save it as text, or leave it out of the "
        "file"
    )
