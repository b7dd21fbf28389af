"""The tables that the stages hand on: written the same way each time, checked against the schema when read."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import BinaryIO

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lockgate.config.errors import InputError
from lockgate.config.files import open_file
from lockgate.data.parquet_file import read_parquet_stream
from lockgate.data.source_table import SourceTable, source_of_frame
from lockgate.data.validation import Role, check_frame
from lockgate.documents.schema_json import Schema

HOW_TO_MAKE_IT = "run `lockgate prepare` (or `dvc repro`) to make it"
GROUP_ROWS = 1_048_576  # in a group of a Parquet file, as pyarrow writes it
NEWEST_DAY = "lockgate.newest_day"  # in the metadata of a file whose rows have lost their time column


@dataclass(frozen=True)
class Table:
    """Rows, what messages call them, and the sha256 of the file that they stand in (None: they stand in none).

    `read_on` is the day on which they were read, where days begin first on Earth: none of them can be of a later one. None
    where nobody says, and then they may be of any. `newest` is the day of the newest row, None where no column says.
    """

    rows: pd.DataFrame
    name: str
    sha256: str | None = None
    read_on: date | None = None
    newest: date | None = None


def as_table(rows: Table | pd.DataFrame, name: str) -> Table:
    """`rows` as a table; a bare data frame gets `name`."""
    return rows if isinstance(rows, Table) else Table(rows, name)


def as_source(rows: SourceTable | Table | pd.DataFrame, name: str) -> SourceTable:
    """`rows` as a file holds them; a bare data frame gets `name`."""
    if isinstance(rows, SourceTable):
        return rows
    table = as_table(rows, name)
    return replace(source_of_frame(table.rows, table.name), sha256=table.sha256, read_on=table.read_on)


def table_bytes(rows: pd.DataFrame | pa.Table, metadata: Mapping[str, str] | None = None) -> bytes:
    """`rows` as Parquet: equal rows give equal bytes."""
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_pandas(rows, preserve_index=False)
    stream = io.BytesIO()
    pq.write_table(
        table.replace_schema_metadata(dict(metadata or {})), stream, compression="zstd", row_group_size=GROUP_ROWS
    )
    return stream.getvalue()


GROUP_ROWS = 1_048_576  # of a Parquet file, as pyarrow cuts a table that it writes at once


def write_frames(
    file: Path | BinaryIO, frames: Iterable[pd.DataFrame], metadata: Mapping[str, str] | None = None
) -> None:
    """Write frames that follow each other: the same bytes as `table_bytes` of all their rows, of which a group is in memory.

    Raises InputError where a column has another type than in the first frame.
    """
    waiting: list[pa.Table] = []
    rows = 0
    with ExitStack() as opened:
        writer: pq.ParquetWriter | None = None
        for frame in frames:
            table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(dict(metadata or {}))
            if writer is None:
                writer = opened.enter_context(pq.ParquetWriter(file, table.schema, compression="zstd"))
            _require_same_types(table.schema, writer.schema)
            waiting.append(table)
            rows += table.num_rows
            while rows >= GROUP_ROWS:
                together = pa.concat_tables(waiting)
                writer.write_table(together.slice(0, GROUP_ROWS).combine_chunks())
                waiting, rows = [together.slice(GROUP_ROWS)], rows - GROUP_ROWS
        if writer is not None and rows:
            writer.write_table(pa.concat_tables(waiting).combine_chunks())


def _require_same_types(found: pa.Schema, wanted: pa.Schema) -> None:
    for field, expected in zip(found, wanted, strict=True):
        if field.type != expected.type:
            raise InputError(
                f"column `{field.name}` is {expected.type} in some rows and {field.type} in others; write it alike in all of them"
            )


def read_stage_table(path: Path, schema: Schema, role: Role) -> pd.DataFrame:
    """The table that `lockgate prepare` wrote to `path`, checked against `schema`."""
    frame, _ = read_parquet(path, HOW_TO_MAKE_IT)
    check_frame(frame, schema, role, str(path))
    return frame


def day_metadata(newest: date | None) -> dict[str, str]:
    """What a file says of its newest row, for `table_bytes`."""
    return {NEWEST_DAY: newest.isoformat()} if newest else {}


def read_newest_day(path: Path) -> date | None:
    """The day that `day_metadata` wrote into a file; None where it says nothing. Raises InputError where that is no day."""
    with parquet_errors(path, HOW_TO_MAKE_IT), open_file(path) as stream:
        text = (pq.read_schema(stream).metadata or {}).get(NEWEST_DAY.encode(), b"").decode()
        return date.fromisoformat(text) if text else None


def read_parquet(path: Path, how_to_fix: str) -> tuple[pd.DataFrame, dict[str, str]]:
    """A Parquet file's rows and its metadata; raises InputError where there is none or it cannot be read."""
    with parquet_errors(path, how_to_fix):
        table, metadata = read_arrow(path, how_to_fix)
        return table.to_pandas(ignore_metadata=True), metadata


def read_arrow(path: Path, how_to_fix: str) -> tuple[pa.Table, dict[str, str]]:
    """`read_parquet` with the rows as they stand in the file."""
    with parquet_errors(path, how_to_fix), open_file(path) as stream:
        table = read_parquet_stream(stream, str(path))
        return table, {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}


@contextmanager
def parquet_errors(path: Path, how_to_fix: str) -> Iterator[None]:
    """A file that is not there, or that cannot be read as Parquet, raises InputError, one line."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; {how_to_fix}") from None
    except (pa.ArrowException, OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or type(error).__name__
        raise InputError(f"{path} cannot be read as Parquet ({problem}); {how_to_fix}") from None
