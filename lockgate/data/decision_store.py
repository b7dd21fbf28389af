"""A decision log and the outcomes beside it, wherever they are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lockgate.config.errors import InputError
from lockgate.config.files import sha256_bytes
from lockgate.data.stored_folder import StoredFolder, folder_beside, folder_of_table
from lockgate.data.tables import table_bytes

OUTCOMES = "outcomes"


@dataclass(frozen=True)
class DecisionStore:
    """The Parquet files of a log, and those of the folder `outcomes` beside it."""

    log: StoredFolder
    outcomes: StoredFolder

    def read_log(self, columns: Sequence[str]) -> pa.Table:
        """These columns of all decisions; null where a file lacks one. Raises InputError where there is no decision."""
        return pa.concat_tables(self.log_tables(columns), promote_options="permissive")

    def log_tables(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """As `read_log`, file by file."""
        is_empty = True
        for _, table in self.log.tables():
            is_empty = False
            yield _with_columns(table, columns)
        if is_empty:
            raise InputError(
                f"{self.log.where} has no decisions; name the folder that `lockgate serve --decision-log` writes"
            )

    def read_outcomes(self, empty: pa.Schema) -> pa.Table:
        """All outcomes, in columns as `empty` has them; raises InputError naming a file of anything else."""
        tables = [empty.empty_table()]
        for name, table in self.outcomes.tables():
            if table.schema.remove_metadata() != empty:
                raise InputError(
                    f"{self.outcomes.where} ({name}) holds no outcomes as `lockgate outcomes add` writes; move it to another folder"
                )
            tables.append(table.replace_schema_metadata(None))
        return pa.concat_tables(tables)

    def add_outcomes(self, rows: pa.Table) -> None:
        """Keep outcomes that are new, as a file that their content names."""
        self.outcomes.write(f"outcomes-{sha256_bytes(table_bytes(rows))[:16]}.parquet", rows)


def decision_store(location: str, key: str) -> DecisionStore:
    """The log that a folder, a pattern of names or a URL stands for; `key` is the option that named it."""
    folder = folder_of_table(location)
    return DecisionStore(StoredFolder(folder, key), StoredFolder(folder_beside(folder, OUTCOMES), "outcomes"))


def remove_rows(folder: StoredFolder, are_gone: Callable[[pa.Table], np.ndarray]) -> int:
    """Write each file anew without the rows for which `are_gone` is true, and how many these were; a file left empty goes."""
    removed = 0
    for name, table in folder.tables():
        gone = are_gone(table)
        if not gone.any():
            continue
        if gone.all():
            folder.remove(name)
        else:
            folder.write(name, table.filter(pa.array(~gone)))
        removed += int(gone.sum())
    return removed


def _with_columns(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    there = set(table.column_names)
    missing = pa.nulls(table.num_rows)
    return pa.table({name: table[name] if name in there else missing for name in columns})
