"""What `lockgate prepare` makes of a file, or refuses of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from dialects import (
    SETTINGS,
)
from support import assert_refused, invoke, tree, write_params


def refuse(folder: Path, *words: str, **settings: Any) -> None:
    """`lockgate prepare` ends with 2 and one line that has these words; nothing is written."""
    before = tree(folder / "data")
    write_params(folder, {"prepare": {**SETTINGS, **settings}})
    assert_refused(invoke(folder, "prepare"), *words)
    assert tree(folder / "data") == before


def typed(table: pd.DataFrame) -> pa.Table:
    """The table as a typed file has it: numbers where all cells are, empty cells null."""
    columns: dict[str, Any] = {name: [cell or None for cell in table[name]] for name in table.columns}
    for name in ("income", "util"):
        columns[name] = [None if cell is None else float(cell) for cell in columns[name]]
    for name in ("late", "default"):
        columns[name] = [int(cell) for cell in columns[name]]
    return pa.table(columns)


def row_contents(rows: pd.DataFrame) -> list[tuple[object, ...]]:
    """Rows without their keys, which tell rows apart by what stands in the file, sorted."""
    return sorted(rows.drop(columns="row_key").itertuples(index=False, name=None))
