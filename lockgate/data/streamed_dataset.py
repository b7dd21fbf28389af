"""`prepare` for a source that is larger than the memory: the same files, made part by part by an engine.

The parts are read once to decide what each column is, once more for the newest rows where there is a time column, and once to
type and key the rows, which are then sorted on the disk. What is decided, and every rule and message, is `dataset`'s own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lockgate.config.errors import InputError
from lockgate.config.params import Prepare
from lockgate.config.progress import ProgressBar
from lockgate.data.column_decision import SAMPLE_CELLS, decide, decide_times
from lockgate.data.columns import (
    MAX_NUMBER,
    ReadColumn,
    UndecidedColumnError,
    is_text,
    read_column,
    read_weights,
    refuse_undecided,
)
from lockgate.data.dataset import conformed_batch, conformed_columns
from lockgate.data.dataset_columns import (
    Column,
    ColumnSums,
    TrainingFacts,
    current_of_test,
    declared_kind,
    kept_names,
    label_column,
    left_out_words,
    look_at,
    read_checked_target,
    read_column_made,
    refuse_missing_times,
    require_numeric_for_bounds,
    require_two_classes,
    schema_of,
    summary_of,
    warnings_of,
    without_zone,
)
from lockgate.data.large_source import LargeSource, LargeTable, SourcePart, UncommonTypeError, lost_column, open_large
from lockgate.data.names import UNNAMED, check_texts, kinds_key
from lockgate.data.newest_day import NO_DAY, newest_day
from lockgate.data.roles import Roles, assign_roles
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
    sorted_groups,
    write_groups,
)
from lockgate.data.source_table import SourceTable, cell_texts
from lockgate.data.sources import holds_nothing, note_of_empty_column
from lockgate.data.split import (
    are_late,
    are_no_identifiers,
    content_hashes,
    first_newest,
    hashed_shares,
    identifier_hashes,
    refuse_late,
    refuse_missing,
    refuse_repeated,
)
from lockgate.data.tables import day_metadata
from lockgate.data.tally import TalliedTable, Tally, place_of_position
from lockgate.data.target import Target, labels_of_batch
from lockgate.data.validation import Role, check_table
from lockgate.documents.schema_json import MAX_DISTINCT, ROW_KEY, Reading, Schema
from lockgate.engine.engine import Engine

Made = TypeVar("Made")

FIRST_PARTS = 2  # after which the columns are known that have too many values to count
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
        facts, table = _look_at_all(opened, settings, engine)
        decided = _decide_all(facts, table, settings, engine)
        sums = _write_source_runs(decided, table, engine, folder)
        columns = _columns_made(decided, sums, settings)
        where = table.outline.name
        schema = schema_of(columns, settings, decided.target, where)
        for role in ROLES:
            require_two_classes(sums.rows[role], sums.events[role], ROLES[role], where)
        buckets = _sort(sums, number_of_buckets(table.bytes), engine, folder)
        copies = sum(one.copies for one in buckets)
        if settings.id_columns and copies:
            _refuse_repeated(decided, table, settings, buckets, copies)
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


@dataclass(frozen=True)
class _PartFacts:
    """What a part of the source says before anything is decided: see `Tally`; `first` are its first rows.

    `missing` has, of each identifier column, how many cells identify nothing and the position of the first. `counted` says how each
    column without a name counts the rows: from which number on, None where it does not.
    """

    rows: int
    first: pa.Table
    tallies: dict[str, Tally]
    missing: dict[str, tuple[int, int]]
    blank: frozenset[str]
    counted: tuple[tuple[int, int, dict[str, int | None]], ...]
    uncommon: frozenset[str] = frozenset()

    def __add__(self, other: _PartFacts) -> _PartFacts:
        first = self.first
        if first.num_rows < SAMPLE_CELLS:
            first = pa.concat_tables([first, other.first]).slice(0, SAMPLE_CELLS)
        missing = dict(self.missing)
        for name, (count, position) in other.missing.items():
            mine = missing.get(name, (0, position))
            missing[name] = (mine[0] + count, min(mine[1], position))
        names = self.tallies.keys() | other.tallies.keys()
        return _PartFacts(
            self.rows + other.rows,
            first,
            {name: _added(self.tallies.get(name), other.tallies.get(name)) for name in names},
            missing,
            self.blank & other.blank,
            self.counted + other.counted,
            self.uncommon | other.uncommon,
        )


def _added(one: Tally | None, other: Tally | None) -> Tally:
    if one is None or other is None:
        return one or other or Tally(pa.nulls(0), np.zeros(0, np.int64), np.zeros(0, np.int64))
    return one + other


def _look_at_all(table: LargeTable, settings: Prepare, engine: Engine) -> tuple[_PartFacts, LargeTable]:
    """What all parts say, and the table with the columns and types that it turned out to have."""
    assign_roles(table.outline, settings)  # what can be refused before anything is read
    while True:
        found: _PartFacts | None = None
        for part in _watched(engine.map(partial(_look_at_part, settings), table.parts), "looking at", table):
            found = part if found is None else found + part
        if found is None or not found.rows:
            raise InputError(f"{table.outline.name} has a header and no rows; it needs rows")
        if not found.uncommon:
            break
        if len(table.outlines) == 1:
            raise lost_column(min(found.uncommon), table)
        table = table.with_texts(found.uncommon)
    empty = [name for name in table.outline.names if UNNAMED.fullmatch(name) and name in found.blank]
    if empty:
        table = table.without(empty, [note_of_empty_column(name) for name in empty])
    return found, table


def _look_at_part(settings: Prepare, part: SourcePart) -> _PartFacts:
    found: _PartFacts | None = None
    uncommon: set[str] = set()
    while True:
        try:
            for table, position in replace(part, left_out=frozenset(uncommon)).batches():
                facts = _look_at_batch(table, position, settings)
                found = facts if found is None else found + facts
            break
        except UncommonTypeError as error:  # that one column is lost makes all of the part be read again
            uncommon.add(error.name)
            found = None
    if found is None:
        found = _look_at_batch(SourceTable(part.types.empty_table(), part.name), 0, settings)
    return replace(found, uncommon=frozenset(uncommon))


def _look_at_batch(batch: SourceTable, position: int, settings: Prepare) -> _PartFacts:
    table = batch.renamed(settings.rename)
    positions = position + np.arange(table.rows)
    unread = {*settings.id_columns, *settings.unavailable_at_decision}
    unread |= {name for name, kind in settings.kinds.items() if kind == "drop"}
    tallies, missing = {}, {}
    for name in table.names:
        if name not in unread:
            chosen = _telling_cells(name, table.cells(name), settings)
            if chosen is not None:
                cells = table.cells(name).filter(chosen) if isinstance(chosen, pa.ChunkedArray) else table.cells(name)
                places = positions[chosen.to_numpy()] if isinstance(chosen, pa.ChunkedArray) else positions
                tallies[name] = Tally.of(cells, places)
    for name in settings.id_columns:
        absent = are_no_identifiers(cell_texts(table.cells(name)), settings.read.missing)
        if count := pc.sum(absent).as_py():
            missing[name] = (count, int(positions[pc.index(absent, True).as_py()]))
    unnamed = [name for name in batch.names if UNNAMED.fullmatch(name)]
    blank = frozenset(name for name in unnamed if holds_nothing(batch.cells(name)))
    counted = {name: _counts_from(batch.cells(name)) for name in unnamed}
    texts = [name for name in table.names if is_text(table.cells(name).type)]
    first = table.columns.select(texts).slice(0, SAMPLE_CELLS)
    return _PartFacts(table.rows, first, tallies, missing, blank, ((position, table.rows, counted),))


def _telling_cells(name: str, cells: pa.ChunkedArray, settings: Prepare) -> pa.ChunkedArray | bool | None:
    """Which cells of a column say how it is read, or why it cannot be: all of texts, and of a file's numbers those that are none.

    None where no cell says anything that the type does not.
    """
    if is_text(cells.type) or name == settings.target:
        return True
    if name == settings.weight_column:
        try:
            return pc.invert(pc.greater(cells.cast(pa.float64(), safe=False), 0)).fill_null(True)
        except pa.ArrowNotImplementedError:
            return None
    if not pa.types.is_floating(cells.type):
        return None
    ends = pc.min_max(cells).as_py()
    if ends["min"] is None or max(-ends["min"], ends["max"]) <= MAX_NUMBER:
        return None
    return pc.greater(pc.abs(cells), MAX_NUMBER).fill_null(False)


def _counts_from(cells: pa.ChunkedArray) -> int | None:
    """The number in the first cell where each of the others is one more."""
    try:
        numbers = cells.cast(pa.int64())
    except pa.ArrowException:
        return None
    if numbers.null_count or not len(numbers):
        return None
    values = numbers.to_numpy()
    return int(values[0]) if np.array_equal(values, values[0] + np.arange(len(values))) else None


@dataclass(frozen=True)
class _Outline(SourceTable):
    """The columns of a table without its rows, and which of them count these."""

    counters: frozenset[str] = frozenset()

    def counts_rows(self, name: str) -> bool:
        """As `SourceTable.counts_rows`."""
        return name in self.counters


def _outlined(table: LargeTable, facts: _PartFacts) -> _Outline:
    """The outline of the table. A column counts its rows from 0 or from 1, through all files or in each anew."""
    outline = table.outline
    counters = set()
    for name in filter(UNNAMED.fullmatch, outline.names):
        through, anew, row = {0, 1}, {0, 1}, 0
        for position, rows, counted in facts.counted:
            first = counted.get(name)
            in_file = position & ((1 << 40) - 1)
            through &= {first - row} if first is not None else set()
            anew &= {first - in_file} if first is not None else set()
            row += rows
        if through or anew:
            counters.add(name)
    return _Outline(
        outline.columns,
        outline.name,
        outline.sha256,
        outline.read_on,
        separator=outline.separator,
        notes=outline.notes,
        counters=frozenset(counters),
    )


@dataclass(frozen=True)
class _Decided:
    """What is known of the source before its rows are typed, which travels to whoever types them."""

    roles: Roles
    settings: Prepare
    target: Target
    readings: dict[str, Reading]
    first_test_time: np.generic | None = None
    uncounted: frozenset[str] = frozenset()


def _decide_all(facts: _PartFacts, table: LargeTable, settings: Prepare, engine: Engine) -> _Decided:
    outline = _outlined(table, facts)
    roles = assign_roles(outline, settings)

    def tallied(name: str) -> TalliedTable:
        tally = facts.tallies.get(name)
        cells = roles.table.cells(name) if tally is None else tally.cells
        if is_text(cells.type):
            cells = cells.cast(pa.string())
        return TalliedTable(
            pa.table({name: cells}),
            outline.name,
            read_on=outline.read_on,
            separator=outline.separator,
            tally=tally or Tally(cells.combine_chunks(), np.zeros(0, np.int64), np.zeros(0, np.int64)),
            files=table.files,
            first=facts.first,
            all_rows=facts.rows,
        )

    one = tallied(settings.target)
    target = read_checked_target(one.cells(settings.target), settings, one)
    found = _Decided(roles, settings, replace(target, labels=target.labels[:0], kept=target.kept[:0]), {})
    if settings.time_column:
        found = _with_times(found, tallied(settings.time_column), table, engine)
    for name in settings.id_columns:
        if name in facts.missing:
            count, position = facts.missing[name]
            refuse_missing(name, count, place_of_position(position, table.files), outline.name)
    undecided: list[UndecidedColumnError] = []
    for name in roles.names("feature", "audit", "weight"):
        one = tallied(name)
        try:
            found.readings[name] = _decide_column(name, one, settings)
        except UndecidedColumnError as error:
            undecided.append(error)
    if undecided:
        refuse_undecided(undecided, roles.table)
    return found


def _decide_column(name: str, one: TalliedTable, settings: Prepare) -> Reading:
    """How the column is read. Raises InputError as reading all of its cells would."""
    cells = one.cells(name)
    if name == settings.weight_column:
        reading = decide(name, cells, settings.read, "numeric", one)
        read_weights(name, cells, reading, one)
        return reading
    reading = decide(name, cells, settings.read, declared_kind(name, settings), one)
    require_numeric_for_bounds(name, reading, settings, one)
    read = read_column(name, cells, reading, one)
    if reading.kind == "categorical":
        if one.is_reduced:
            _refuse_many_texts(name, one.name)
        check_texts(pc.unique(read.values.drop_null()).to_pylist(), name, one.name)
    return reading


def _refuse_many_texts(name: str, where: str) -> None:
    raise InputError(
        f"{where}: column `{name}` has more than {MAX_DISTINCT:,} distinct texts, and categories are fewer; name it in "
        f"prepare.id_columns if it identifies rows, or set {kinds_key(name, 'drop')}"
    )


@dataclass(frozen=True)
class _Times:
    """The times of the rows of a part that are kept, with how often each is there, and the rows that can have no such time.

    `missing` and `late` count the rows that miss one, and those of a day to come; beside them stands the position of the first.
    """

    times: tuple[np.ndarray, ...] = ()
    counts: tuple[np.ndarray, ...] = ()
    missing: int = 0
    first_missing: int = 0
    late: int = 0
    first_late: int = 0
    late_time: pa.ChunkedArray | None = None

    def __add__(self, other: _Times) -> _Times:
        missing, late = (self if self.missing else other), (self if self.late else other)
        return _Times(
            self.times + other.times,
            self.counts + other.counts,
            self.missing + other.missing,
            missing.first_missing,
            self.late + other.late,
            late.first_late,
            late.late_time,
        )


def _with_times(decided: _Decided, one: TalliedTable, table: LargeTable, engine: Engine) -> _Decided:
    """With the reading of the time column, and the time from which on rows are test rows."""
    settings, name, where = decided.settings, str(decided.settings.time_column), table.outline.name
    reading = decide_times(name, one.cells(name), settings.read, one)
    read_column(name, one.cells(name), reading, one)
    decided, found = replace(decided, readings={name: reading}), _Times()
    for part in _watched(engine.map(partial(_times_of_part, decided), table.parts), "reading the times of", table):
        found = found + part
    if found.missing:
        refuse_missing_times(name, found.missing, place_of_position(found.first_missing, table.files), where)
    if found.late and table.outline.read_on is not None:
        place = place_of_position(found.first_late, table.files)
        refuse_late(name, found.late_time, found.late, place, where, table.outline.read_on)
    times, counts = np.concatenate(found.times), np.concatenate(found.counts)
    return replace(decided, first_test_time=first_newest(times, counts, name, settings.test_size, where))


def _times_of_part(decided: _Decided, part: SourcePart) -> _Times:
    settings, name, last_day = decided.settings, str(decided.settings.time_column), decided.roles.table.read_on
    found = _Times()
    for batch, position in part.batches():
        table = batch.renamed(settings.rename)
        kept = labels_of_batch(decided.target, settings.target, table.cells(settings.target), table).kept
        values = read_column(name, table.cells(name), decided.readings[name], table).values
        missing = np.flatnonzero(values.is_null().to_numpy() & kept)
        if len(missing):
            found = found + _Times(missing=len(missing), first_missing=position + int(missing[0]))
        if settings.future_times == "refuse" and last_day is not None:
            late = are_late(values, last_day)
            if count := pc.sum(late).as_py():
                row = pc.index(late, True).as_py()
                found = found + _Times(late=count, first_late=position + row, late_time=values.slice(row, 1))
        times = _time_numbers(values.filter(pa.array(kept)).drop_null())
        found = found + _Times((times,), (np.ones(len(times), np.int64),))
    if not found.times:
        return found
    times, counts = np.unique(np.concatenate(found.times), return_counts=True)
    return replace(found, times=(times,), counts=(counts,))


def _time_numbers(times: pa.ChunkedArray) -> np.ndarray:
    """Times as numbers in their order: microseconds since 1970, or what stands there."""
    values: np.ndarray = (times.cast(pa.int64()) if pa.types.is_timestamp(times.type) else times).to_numpy()
    return values


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
class _RunSums:
    """What typing the rows of some parts gave: the files of the runs, and the sums of the columns."""

    runs: tuple[str, ...]
    schemas: tuple[pa.Schema, ...]
    rows: dict[int, int]
    events: dict[int, int]
    columns: dict[str, ColumnSums]
    distinct: dict[str, _Distinct]
    training: dict[str, TrainingFacts]

    def __add__(self, other: _RunSums) -> _RunSums:
        return _RunSums(
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


NOTHING = _RunSums((), (), {}, {}, {}, {}, {})


def _write_source_runs(decided: _Decided, table: LargeTable, engine: Engine, folder: Path) -> _RunSums:
    """Type and key all rows, and write them in runs; the sums of all parts."""
    buckets = number_of_buckets(table.bytes)
    numbered = list(enumerate(table.parts))
    found = NOTHING

    def made() -> Iterator[_RunSums]:
        first = partial(_write_part, decided, folder, buckets)
        yield from engine.map(first, numbered[:FIRST_PARTS])
        uncounted = frozenset(name for name, one in found.distinct.items() if one.values is None)
        rest = partial(_write_part, replace(decided, uncounted=uncounted), folder, buckets)
        yield from engine.map(rest, numbered[FIRST_PARTS:])

    for part in _watched(made(), "preparing", table):
        found = found + part
    return found


def _write_part(decided: _Decided, folder: Path, buckets: int, numbered: tuple[int, SourcePart]) -> _RunSums:
    number, part = numbered
    writer, found = RunWriter(folder, number, buckets), NOTHING
    for batch, position in part.batches():
        rows, sums = _typed_batch(decided, batch, position)
        writer.add(rows)
        found = found + sums
    writer.close()
    return replace(found, runs=tuple(writer.runs))


def _typed_batch(decided: _Decided, batch: SourceTable, position: int) -> tuple[pa.Table, _RunSums]:
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
        is_test[target.kept] = _time_numbers(times.filter(pa.array(target.kept))) >= decided.first_test_time
    role_of_row = np.where(target.kept, np.where(is_test, TEST, TRAIN), LEFT_OUT).astype(np.int8)
    is_training = pa.array(role_of_row == TRAIN)
    labels = pc.equal(columns[settings.target], 1).fill_null(False).to_numpy()
    positions = {POSITION: pa.array(position + np.arange(table.rows))} if settings.id_columns else {}
    rows = pa.table(
        {
            ROW_KEY: keys,
            ROLE: pa.array(role_of_row),
            **positions,
            **{name: _large(one) for name, one in columns.items()},
        }
    )
    sums = _RunSums(
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
            name: TrainingFacts.of(_large(columns[name]).filter(is_training).combine_chunks())
            for name in roles.names("feature")
        },
    )
    return rows, sums


def _large(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return values.cast(pa.large_string()) if is_text(values.type) else values


def _columns_made(decided: _Decided, sums: _RunSums, settings: Prepare) -> dict[str, Column]:
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
                    _refuse_many_texts(name, roles.table.name)
                else:
                    check_texts(different.values.to_pylist(), name, roles.table.name)
            training = sums.training.get(name) or TrainingFacts(0, 0, None, None, False, False, frozenset())
            columns[name] = read_column_made(name, roles, settings, one, reading, training)
    return columns


def _sort(sums: _RunSums, buckets: int, engine: Engine, folder: Path) -> list[SortedBucket]:
    schema = common_schema(sums.schemas)
    items = [Bucket(number, folder, sums.runs, schema) for number in range(buckets)]
    with ProgressBar("sorting", len(items)) as bar:
        return list(_advancing(engine.map(sort_bucket, items), bar))


def _refuse_repeated(
    decided: _Decided, table: LargeTable, settings: Prepare, buckets: Sequence[SortedBucket], copies: int
) -> None:
    """Raises the InputError for the first row whose identifiers are there before: it is read once more to be shown."""
    first = min(one.first_copy for one in buckets if one.first_copy is not None)
    for part in table.parts:
        for batch, position in part.batches():
            if position <= first < position + batch.rows:
                found = replace(batch.renamed(settings.rename), name=decided.roles.table.name)
                place = place_of_position(first, table.files)
                refuse_repeated(found, settings.id_columns, first - position, copies, place)


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
            for part in _watched(engine.map(function, list(enumerate(table.parts))), "reading", table):
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
            rows = pa.table({ROW_KEY: keys, ROLE: roles, **{name: _large(one) for name, one in columns.items()}})
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


def _watched(parts: Iterable[Made], what: str, table: LargeTable) -> Iterator[Made]:
    """The parts, with a bar where a person watches."""
    with ProgressBar(f"{what} {table.outline.name}", len(table.parts)) as bar:
        yield from _advancing(parts, bar)


def _advancing(made: Iterable[Made], bar: ProgressBar) -> Iterator[Made]:
    for one in made:
        bar.advance()
        yield one
