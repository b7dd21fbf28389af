"""What each column of a source is that is larger than the memory, decided by what its parts say: see `streamed_dataset`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
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
    UndecidedColumnError,
    is_text,
    read_column,
    read_weights,
    refuse_undecided,
)
from lockgate.data.dataset_columns import (
    declared_kind,
    read_checked_target,
    refuse_missing_times,
    require_numeric_for_bounds,
)
from lockgate.data.large_source import LargeTable, SourcePart, UncommonTypeError, lost_column
from lockgate.data.names import UNNAMED, check_texts, kinds_key
from lockgate.data.roles import Roles, assign_roles
from lockgate.data.source_table import SourceTable, cell_texts
from lockgate.data.sources import holds_nothing, note_of_empty_column
from lockgate.data.split import (
    are_late,
    are_no_identifiers,
    first_newest,
    refuse_late,
    refuse_missing,
)
from lockgate.data.tally import TalliedTable, Tally, place_of_position
from lockgate.data.target import Target, labels_of_batch
from lockgate.documents.schema_json import MAX_DISTINCT, Reading
from lockgate.engine.engine import Engine

Made = TypeVar("Made")


@dataclass(frozen=True)
class PartFacts:
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

    def __add__(self, other: PartFacts) -> PartFacts:
        first = self.first
        if first.num_rows < SAMPLE_CELLS:
            first = pa.concat_tables([first, other.first]).slice(0, SAMPLE_CELLS)
        missing = dict(self.missing)
        for name, (count, position) in other.missing.items():
            mine = missing.get(name, (0, position))
            missing[name] = (mine[0] + count, min(mine[1], position))
        names = self.tallies.keys() | other.tallies.keys()
        return PartFacts(
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


def look_at_all(table: LargeTable, settings: Prepare, engine: Engine) -> tuple[PartFacts, LargeTable]:
    """What all parts say, and the table with the columns and types that it turned out to have."""
    assign_roles(table.outline, settings)  # what can be refused before anything is read
    while True:
        found: PartFacts | None = None
        for part in watched(engine.map(partial(_look_at_part, settings), table.parts), "looking at", table):
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


def _look_at_part(settings: Prepare, part: SourcePart) -> PartFacts:
    found: PartFacts | None = None
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


def _look_at_batch(batch: SourceTable, position: int, settings: Prepare) -> PartFacts:
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
    return PartFacts(table.rows, first, tallies, missing, blank, ((position, table.rows, counted),))


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


def _outlined(table: LargeTable, facts: PartFacts) -> _Outline:
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
class Decided:
    """What is known of the source before its rows are typed, which travels to whoever types them."""

    roles: Roles
    settings: Prepare
    target: Target
    readings: dict[str, Reading]
    first_test_time: np.generic | None = None
    uncounted: frozenset[str] = frozenset()


def decide_all(facts: PartFacts, table: LargeTable, settings: Prepare, engine: Engine) -> Decided:
    """What each column is, by what all parts say. Raises InputError as `prepare` does."""
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
    found = Decided(roles, settings, replace(target, labels=target.labels[:0], kept=target.kept[:0]), {})
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
            refuse_many_texts(name, one.name)
        check_texts(pc.unique(read.values.drop_null()).to_pylist(), name, one.name)
    return reading


def refuse_many_texts(name: str, where: str) -> None:
    """Raises InputError: a column has more texts than are counted."""
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


def _with_times(decided: Decided, one: TalliedTable, table: LargeTable, engine: Engine) -> Decided:
    """With the reading of the time column, and the time from which on rows are test rows."""
    settings, name, where = decided.settings, str(decided.settings.time_column), table.outline.name
    reading = decide_times(name, one.cells(name), settings.read, one)
    read_column(name, one.cells(name), reading, one)
    decided, found = replace(decided, readings={name: reading}), _Times()
    for part in watched(engine.map(partial(_times_of_part, decided), table.parts), "reading the times of", table):
        found = found + part
    if found.missing:
        refuse_missing_times(name, found.missing, place_of_position(found.first_missing, table.files), where)
    if found.late and table.outline.read_on is not None:
        place = place_of_position(found.first_late, table.files)
        refuse_late(name, found.late_time, found.late, place, where, table.outline.read_on)
    times, counts = np.concatenate(found.times), np.concatenate(found.counts)
    return replace(decided, first_test_time=first_newest(times, counts, name, settings.test_size, where))


def _times_of_part(decided: Decided, part: SourcePart) -> _Times:
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
        times = time_numbers(values.filter(pa.array(kept)).drop_null())
        found = found + _Times((times,), (np.ones(len(times), np.int64),))
    if not found.times:
        return found
    times, counts = np.unique(np.concatenate(found.times), return_counts=True)
    return replace(found, times=(times,), counts=(counts,))


def time_numbers(times: pa.ChunkedArray) -> np.ndarray:
    """Times as numbers in their order: microseconds since 1970, or what stands there."""
    values: np.ndarray = (times.cast(pa.int64()) if pa.types.is_timestamp(times.type) else times).to_numpy()
    return values


def watched(parts: Iterable[Made], what: str, table: LargeTable) -> Iterator[Made]:
    """The parts, with a bar where a person watches."""
    with ProgressBar(f"{what} {table.outline.name}", len(table.parts)) as bar:
        yield from advancing(parts, bar)


def advancing(made: Iterable[Made], bar: ProgressBar) -> Iterator[Made]:
    """What is made, with the bar a step further for each."""
    for one in made:
        bar.advance()
        yield one
