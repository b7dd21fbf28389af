"""Writing a table some rows at a time, as CSV or Parquet by the end of its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from lockgate.config.errors import InputError

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
    """A function that writes batches of rows to `path`; all have the columns and types of the first."""
    writer: pacsv.CSVWriter | pq.ParquetWriter | None = None

    def write(table: pa.Table) -> None:
        nonlocal writer
        if writer is None:
            writer = WRITERS[path.suffix](path, table.schema)
        writer.write_table(table)

    try:
        yield write
    finally:
        if writer is not None:
            writer.close()
