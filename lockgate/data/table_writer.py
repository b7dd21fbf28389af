"""Writing a table some rows at a time, as CSV or Parquet by the end of its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from lockgate.config.errors import InputError
from lockgate.data.columns import is_text

WRITERS: dict[str, Callable[[Path, pa.Schema], pacsv.CSVWriter | pq.ParquetWriter]] = {
    ".csv": pacsv.CSVWriter,
    ".parquet": lambda path, schema: pq.ParquetWriter(path, schema, compression="zstd"),
}


def require_table_name(path: Path, option: str) -> None:
    """Raises InputError naming `option` where the end of the name stands for no form of a table that is written."""
    if path.suffix not in WRITERS:
        raise InputError(f"{option} is {path}; give a name that ends in {' or '.join(WRITERS)}")


@contextmanager
def table_writer(path: Path) -> Iterator[Callable[[pa.Table], None]]:
    """A function that writes batches of rows to `path`; all have the columns of the first.

    Whole numbers may have other widths in a later batch, and where the first has texts be whole numbers there. Raises InputError
    where a column of Parquet held whole numbers and holds texts, or larger numbers than fit.
    """
    writer: pacsv.CSVWriter | pq.ParquetWriter | None = None
    schema: pa.Schema | None = None

    def write(table: pa.Table) -> None:
        nonlocal writer, schema
        if writer is None or schema is None:
            schema = _stored_schema(table.schema, path)
            writer = WRITERS[path.suffix](path, schema)
        writer.write_table(_cast(table, schema))

    try:
        yield write
    finally:
        if writer is not None:
            writer.close()


def _stored_schema(first: pa.Schema, path: Path) -> pa.Schema:
    """As the first batch has it, but with room for whole numbers that come later; in CSV, where all cells are texts, as texts."""

    def stored(kind: pa.DataType) -> pa.DataType:
        if not pa.types.is_integer(kind):
            return kind
        return pa.string() if path.suffix == ".csv" else kind if pa.types.is_uint64(kind) else pa.int64()

    return pa.schema([(field.name, stored(field.type)) for field in first])


def _cast(table: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = []
    for field in schema:
        column = table[field.name]
        try:
            if is_text(column.type) and not is_text(field.type) and column.null_count < len(column):
                raise pa.ArrowInvalid("a cast would make 7 of 007")
            columns.append(column.cast(field.type))
        except pa.ArrowInvalid:
            raise InputError(
                f"column `{field.name}` is {column.type} in some rows and {field.type} in those before; write it alike in all "
                "files, or give --output a name that ends in .csv"
            ) from None
    return pa.table(columns, schema=schema)
