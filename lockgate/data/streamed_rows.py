"""The rows of a source that is larger than the memory, typed, keyed and sorted on the disk: see `streamed_dataset`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lockgate.config.params import Prepare
from lockgate.config.progress import ProgressBar
from lockgate.data.columns import (
    ReadColumn,
    is_text,
    read_column,
    read_weights,
)
from lockgate.data.dataset_columns import (
    Column,
    ColumnSums,
    TrainingFacts,
    label_column,
    look_at,
    read_column_made,
    without_zone,
)
from lockgate.data.large_source import LargeTable, SourcePart
from lockgate.data.names import check_texts
from lockgate.data.sorted_runs import (
    LEFT_OUT,
    POSITION,
    ROLE,
    TEST,
    TRAIN,
    Bucket,
    RunWriter,
    SortedBucket,
    common_schema,
    number_of_buckets,
    sort_bucket,
)
from lockgate.data.source_table import SourceTable
from lockgate.data.split import (
    content_hashes,
    hashed_shares,
    identifier_hashes,
    refuse_repeated,
)
from lockgate.data.streamed_decisions import Decided, advancing, refuse_many_texts, time_numbers, watched
from lockgate.data.tally import place_of_position
from lockgate.data.target import labels_of_batch
from lockgate.documents.schema_json import MAX_DISTINCT, ROW_KEY
from lockgate.engine.engine import Engine

Made = TypeVar("Made")

FIRST_PARTS = 2  # after which the columns are known that have too many values to count


@dataclass(frozen=True)
class _Distinct:
    """The different values of a column, None where there are as many as are counted, or more."""

    values: pa.Array | None

    @classmethod
    def of(cls, values: pa.ChunkedArray) -> _Distinct:
        """Of the values that are there."""
        return cls(pc.unique(values).drop_null())._bounded()

    def __add__(self, other: _Distinct) -> _Distinct:
        if self.values is None or other.values is None:
            return _Distinct(None)
        kind = self.values.type if self.values.type == other.values.type else pa.float64()
        both = pa.chunked_array([one.values.cast(kind, safe=False) for one in (self, other) if one.values is not None])
        return _Distinct(pc.unique(both))._bounded()

    def _bounded(self) -> _Distinct:
        return self if self.values is not None and len(self.values) < MAX_DISTINCT else _Distinct(None)

    @property
    def count(self) -> int:
        """How many there are, up to those that are counted."""
        return MAX_DISTINCT if self.values is None else len(self.values)


@dataclass(frozen=True)
class RunSums:
    """What typing the rows of some parts gave: the files of the runs, and the sums of the columns."""

    runs: tuple[str, ...]
    schemas: tuple[pa.Schema, ...]
    rows: dict[int, int]
    events: dict[int, int]
    columns: dict[str, ColumnSums]
    distinct: dict[str, _Distinct]
    training: dict[str, TrainingFacts]

    def __add__(self, other: RunSums) -> RunSums:
        return RunSums(
            self.runs + other.runs,
            tuple(dict.fromkeys(self.schemas + other.schemas)),
            {role: self.rows.get(role, 0) + other.rows.get(role, 0) for role in (TRAIN, TEST, LEFT_OUT)},
            {role: self.events.get(role, 0) + other.events.get(role, 0) for role in (TRAIN, TEST)},
            _merged(self.columns, other.columns, ColumnSums.with_part),
            _merged(self.distinct, other.distinct, _Distinct.__add__),
            _merged(self.training, other.training, TrainingFacts.__add__),
        )


def _merged(one: dict[str, Made], other: dict[str, Made], add: Callable[[Made, Made], Made]) -> dict[str, Made]:
    found = dict(one)
    for name, value in other.items():
        found[name] = add(found[name], value) if name in found else value
    return found


NOTHING = RunSums((), (), {}, {}, {}, {}, {})


def write_source_runs(decided: Decided, table: LargeTable, engine: Engine, folder: Path) -> RunSums:
    """Type and key all rows, and write them in runs; the sums of all parts."""
    buckets = number_of_buckets(table.bytes)
    numbered = list(enumerate(table.parts))
    found = NOTHING

    def made() -> Iterator[RunSums]:
        first = partial(_write_part, decided, folder, buckets)
        yield from engine.map(first, numbered[:FIRST_PARTS])
        uncounted = frozenset(name for name, one in found.distinct.items() if one.values is None)
        rest = partial(_write_part, replace(decided, uncounted=uncounted), folder, buckets)
        yield from engine.map(rest, numbered[FIRST_PARTS:])

    for part in watched(made(), "preparing", table):
        found = found + part
    return found


def _write_part(decided: Decided, folder: Path, buckets: int, numbered: tuple[int, SourcePart]) -> RunSums:
    number, part = numbered
    writer, found = RunWriter(folder, number, buckets), NOTHING
    for batch, position in part.batches():
        rows, sums = _typed_batch(decided, batch, position)
        writer.add(rows)
        found = found + sums
    writer.close()
    return replace(found, runs=tuple(writer.runs))


def _typed_batch(decided: Decided, batch: SourceTable, position: int) -> tuple[pa.Table, RunSums]:
    """The rows of a batch as they are sorted, and their sums."""
    settings = decided.settings
    table = batch.renamed(settings.rename)
    roles = replace(decided.roles, table=table)
    target = labels_of_batch(decided.target, settings.target, table.cells(settings.target), table)
    keys = identifier_hashes(table, settings.id_columns) if settings.id_columns else content_hashes(roles.content)
    columns: dict[str, pa.ChunkedArray] = {}
    reads: dict[str, ReadColumn] = {}
    for name in table.names:
        role, cells = roles.roles[name], table.cells(name)
        if role in ("dropped", "identifier", "target", "weight"):
            reads[name] = look_at(cells)
            if role == "target":
                columns[name] = label_column(target)
            if role == "weight":
                columns[name] = read_weights(name, cells, decided.readings[name], table)
        else:
            reads[name] = read_column(name, cells, decided.readings[name], table)
            columns[name] = without_zone(reads[name].values) if role == "time" else reads[name].values
    if settings.time_column is None:
        texts = (key for chunk in keys.chunks for key in chunk.to_pylist())
        is_test = hashed_shares(texts, settings.seed, "test") < settings.test_size
    else:
        times = reads[settings.time_column].values
        is_test = np.zeros(table.rows, bool)
        is_test[target.kept] = time_numbers(times.filter(pa.array(target.kept))) >= decided.first_test_time
    role_of_row = np.where(target.kept, np.where(is_test, TEST, TRAIN), LEFT_OUT).astype(np.int8)
    is_training = pa.array(role_of_row == TRAIN)
    labels = pc.equal(columns[settings.target], 1).fill_null(False).to_numpy()
    positions = {POSITION: pa.array(position + np.arange(table.rows))} if settings.id_columns else {}
    rows = pa.table(
        {
            ROW_KEY: keys,
            ROLE: pa.array(role_of_row),
            **positions,
            **{name: large_texts(one) for name, one in columns.items()},
        }
    )
    sums = RunSums(
        (),
        (rows.schema,),
        {role: int((role_of_row == role).sum()) for role in (TRAIN, TEST, LEFT_OUT)},
        {role: int((labels & (role_of_row == role)).sum()) for role in (TRAIN, TEST)},
        {name: ColumnSums.of(read, 0) for name, read in reads.items()},
        {
            name: _Distinct(None) if name in decided.uncounted else _Distinct.of(read.values)
            for name, read in reads.items()
        },
        {
            name: TrainingFacts.of(large_texts(columns[name]).filter(is_training).combine_chunks())
            for name in roles.names("feature")
        },
    )
    return rows, sums


def large_texts(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column with 64-bit offsets where it holds texts, as a table of any size needs."""
    return values.cast(pa.large_string()) if is_text(values.type) else values


def columns_made(decided: Decided, sums: RunSums, settings: Prepare) -> dict[str, Column]:
    """What each column is, by the sums of all rows."""
    roles, columns = decided.roles, {}
    for name in roles.table.names:
        role, one = roles.roles[name], replace(sums.columns[name], distinct=sums.distinct[name].count)
        if role in ("dropped", "identifier"):
            columns[name] = Column(one.looked_at(name, roles))
        elif role == "target":
            columns[name] = Column(one.looked_at(name, roles, decided.target.reading), True)
        elif role == "weight":
            columns[name] = Column(one.looked_at(name, roles), True)
        elif role == "time":
            columns[name] = Column(one.described(name, roles, "declared"), True)
        else:
            reading, different = decided.readings[name], sums.distinct[name]
            if reading.kind == "categorical":
                if different.values is None:
                    refuse_many_texts(name, roles.table.name)
                else:
                    check_texts(different.values.to_pylist(), name, roles.table.name)
            training = sums.training.get(name) or TrainingFacts(0, 0, None, None, False, False, frozenset())
            columns[name] = read_column_made(name, roles, settings, one, reading, training)
    return columns


def sort_runs(sums: RunSums, buckets: int, engine: Engine, folder: Path) -> list[SortedBucket]:
    """The rows of all runs, sorted bucket by bucket."""
    schema = common_schema(sums.schemas)
    items = [Bucket(number, folder, sums.runs, schema) for number in range(buckets)]
    with ProgressBar("sorting", len(items)) as bar:
        return list(advancing(engine.map(sort_bucket, items), bar))


def refuse_repeated_row(
    decided: Decided, table: LargeTable, settings: Prepare, buckets: Sequence[SortedBucket], copies: int
) -> None:
    """Raises the InputError for the first row whose identifiers are there before: it is read once more to be shown."""
    first = min(one.first_copy for one in buckets if one.first_copy is not None)
    for part in table.parts:
        for batch, position in part.batches():
            if position <= first < position + batch.rows:
                found = replace(batch.renamed(settings.rename), name=decided.roles.table.name)
                place = place_of_position(first, table.files)
                refuse_repeated(found, settings.id_columns, first - position, copies, place)
