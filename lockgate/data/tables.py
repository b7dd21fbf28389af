"""The tables that the stages hand on: written the same way each time, checked against the schema when read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lockgate.config.errors import InputError
from lockgate.data.validation import Role, check_frame
from lockgate.documents.schema_json import Schema

if TYPE_CHECKING:
    import pandas as pd


def write_table(frame: pd.DataFrame, path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write `frame` as Parquet: equal frames give equal bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(dict(metadata or {}))
    pq.write_table(table, path, compression="zstd")


def read_stage_table(path: Path, schema: Schema, role: Role) -> pd.DataFrame:
    """The table that `lockgate prepare` wrote to `path`, checked against `schema`."""
    frame, _ = read_parquet(path, "run `lockgate prepare` (or `dvc repro`) to make it")
    check_frame(frame, schema, role, str(path))
    return frame


def read_parquet(path: Path, mend: str) -> tuple[pd.DataFrame, dict[str, str]]:
    """A Parquet file's rows and its metadata; raises InputError where there is none or it cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with path.open("rb") as stream:
            table = pq.read_table(stream)
        metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
        return table.to_pandas(ignore_metadata=True), metadata
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; {mend}") from None
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as Parquet ({type(error).__name__}); {mend}") from None
