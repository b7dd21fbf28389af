"""`prepare` for a source that is larger than the memory: the same files, made part by part by an engine.

The parts are read once to decide what each column is, once more for the newest rows where there is a time column, and once to
type and key the rows, which are then sorted on the disk. What is decided, and every rule and message, is `dataset`'s own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa

from lockgate.config.errors import InputError
from lockgate.config.params import Prepare
from lockgate.data.dataset import conformed_batch, conformed_columns
from lockgate.data.dataset_columns import (
    current_of_test,
    kept_names,
    left_out_words,
    require_two_classes,
    schema_of,
    summary_of,
    warnings_of,
)
from lockgate.data.large_source import LargeSource, SourcePart, UncommonTypeError, open_large
from lockgate.data.newest_day import NO_DAY, newest_day
from lockgate.data.sorted_runs import (
    ROLE,
    TEST,
    TRAIN,
    Bucket,
    RunWriter,
    SortedBucket,
    common_schema,
    number_of_buckets,
    sort_bucket,
    sorted_groups,
    write_groups,
)
from lockgate.data.source_table import SourceTable
from lockgate.data.split import (
    content_hashes,
)
from lockgate.data.streamed_decisions import decide_all, look_at_all, watched
from lockgate.data.streamed_rows import columns_made, large_texts, refuse_repeated_row, sort_runs, write_source_runs
from lockgate.data.tables import day_metadata
from lockgate.data.validation import Role, check_table
from lockgate.documents.schema_json import ROW_KEY, Schema
from lockgate.engine.engine import Engine

Made = TypeVar("Made")

ROLES: dict[int, Role] = {TRAIN: "train", TEST: "test"}


@dataclass(frozen=True)
class StreamedDataset:
    """What was made of a source that is larger than the memory; its rows stand in files."""

    schema: Schema
    warnings: list[str]
    notes: list[str]
    source_sha256: str | None
    summary: str


def prepare_streamed(
    source: LargeSource,
    settings: Prepare,
    current: LargeSource | SourceTable | None,
    engine: Engine,
    files: Mapping[Role, Path],
    folder: Path,
    complete: Callable[[SourceTable], SourceTable] | None = None,
) -> StreamedDataset:
    """`prepare` with the rows in `files`, which have the same bytes.

    `folder` is an empty one for what is sorted on the disk; the engine's workers have to see it, too. `complete` adds to the rows
    of a current batch what is kept elsewhere. Raises InputError as `prepare` does.
    """
    with open_large(source, engine) as opened:
        facts, table = look_at_all(opened, settings, engine)
        decided = decide_all(facts, table, settings, engine)
        sums = write_source_runs(decided, table, engine, folder)
        columns = columns_made(decided, sums, settings)
        where = table.outline.name
        schema = schema_of(columns, settings, decided.target, where)
        for role in ROLES:
            require_two_classes(sums.rows[role], sums.events[role], ROLES[role], where)
        buckets = sort_runs(sums, number_of_buckets(table.bytes), engine, folder)
        copies = sum(one.copies for one in buckets)
        if settings.id_columns and copies:
            refuse_repeated_row(decided, table, settings, buckets, copies)
    rows_of = _rows_of(buckets, folder, common_schema(sums.schemas))
    names = [ROW_KEY, *kept_names(columns, schema)]
    for role, name in ROLES.items():
        _write(files[name], rows_of(role, names), schema, name, where)
    warnings = warnings_of(schema, decided.roles, facts.rows, copies, settings)
    if current is None:
        batches = (current_of_test(group, schema) for group in rows_of(TEST, names))
        current_rows = write_groups(files["current"], batches, {})
    else:
        for path in folder.iterdir():
            path.unlink()
        current_rows, more = _write_current(current, schema, engine, files["current"], folder, complete)
        warnings += more
    summary = summary_of(sums.rows[TRAIN], sums.rows[TEST], current_rows, sums.events[TRAIN], schema)
    notes = [*table.outline.notes, *left_out_words(decided.target)]
    return StreamedDataset(schema, warnings, notes, table.outline.sha256, summary)


def _rows_of(
    buckets: Sequence[SortedBucket], folder: Path, schema: pa.Schema
) -> Callable[[int, Sequence[str]], Iterator[pa.Table]]:
    def rows_of(role: int, names: Sequence[str]) -> Iterator[pa.Table]:
        return sorted_groups(folder, [one.files[role] for one in buckets if role in one.files], names)

    return rows_of


def _write(path: Path, groups: Iterator[pa.Table], schema: Schema, role: Role, where: str) -> int:
    def checked() -> Iterator[pa.Table]:
        for group in groups:
            check_table(group, schema, role, where)
            yield group

    return write_groups(path, checked(), {})


def _write_current(
    current: LargeSource | SourceTable,
    schema: Schema,
    engine: Engine,
    path: Path,
    folder: Path,
    complete: Callable[[SourceTable], SourceTable] | None,
) -> tuple[int, list[str]]:
    """Write the current batch; how many rows it has, and what to warn of."""
    if isinstance(current, SourceTable):
        batch, newest, warnings = conformed_batch(current, schema)
        return write_groups(path, iter([batch]), day_metadata(newest)), warnings
    with open_large(current, engine) as table:
        buckets = number_of_buckets(table.bytes)
        function = partial(_write_current_part, schema, complete, folder, buckets)
        found = _CurrentSums()
        while True:
            for part in watched(engine.map(function, list(enumerate(table.parts))), "reading", table):
                found = found + part
            if not found.uncommon:
                break
            table, found = table.with_texts(found.uncommon), _CurrentSums()
        common = common_schema(found.schemas)
        items = [Bucket(number, folder, found.runs, common) for number in range(buckets)]
        sorted_buckets = list(engine.map(sort_bucket, items))
    names = [name for name in common.names if name != ROLE]
    groups = _rows_of(sorted_buckets, folder, common)(TEST, names)
    newest = found.newest if found.problem is None else None
    warnings = [] if found.problem is None else [NO_DAY.format(found.problem)]

    def checked() -> Iterator[pa.Table]:
        for group in groups:
            check_table(group, schema, "current", table.outline.name)
            yield group

    return write_groups(path, checked(), day_metadata(newest)), warnings


@dataclass(frozen=True)
class _CurrentSums:
    """What reading parts of the current batch gave: the files of the runs, the newest day, or why nobody can tell it."""

    runs: tuple[str, ...] = ()
    schemas: tuple[pa.Schema, ...] = ()
    newest: date | None = None
    problem: str | None = None
    uncommon: frozenset[str] = frozenset()

    def __add__(self, other: _CurrentSums) -> _CurrentSums:
        days = [one.newest for one in (self, other) if one.newest is not None]
        return _CurrentSums(
            self.runs + other.runs,
            tuple(dict.fromkeys(self.schemas + other.schemas)),
            max(days, default=None),
            self.problem or other.problem,
            self.uncommon | other.uncommon,
        )


def _write_current_part(
    schema: Schema,
    complete: Callable[[SourceTable], SourceTable] | None,
    folder: Path,
    buckets: int,
    numbered: tuple[int, SourcePart],
) -> _CurrentSums:
    number, part = numbered
    writer, found = RunWriter(folder, number, buckets), _CurrentSums()
    try:
        for batch, _ in part.batches():
            whole = complete(batch) if complete else batch
            columns = conformed_columns(whole, schema)
            keys = content_hashes(whole.columns)
            roles = pa.array(np.full(whole.rows, TEST, np.int8))
            rows = pa.table({ROW_KEY: keys, ROLE: roles, **{name: large_texts(one) for name, one in columns.items()}})
            writer.add(rows)
            found = found + _newest(whole, schema) + _CurrentSums(schemas=(rows.schema,))
    except UncommonTypeError as error:
        return _CurrentSums(uncommon=frozenset([error.name]))
    writer.close()
    return replace(found, runs=tuple(writer.runs))


def _newest(batch: SourceTable, schema: Schema) -> _CurrentSums:
    try:
        return _CurrentSums(newest=newest_day(batch, schema))
    except InputError as error:
        return _CurrentSums(problem=str(error))
