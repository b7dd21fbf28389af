"""From a source table to train, test and current data with one schema: pure, no files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import overload

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from lockgate.config.errors import InputError
from lockgate.config.params import Prepare, Read
from lockgate.config.suggest import nearest
from lockgate.data.column_decision import decide, decide_times
from lockgate.data.columns import ReadColumn, UndecidedColumnError, is_text, read_column, read_weights, refuse_undecided
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
from lockgate.data.large_source import LargeSource
from lockgate.data.names import MAX_TEXT, check_left_out, check_texts
from lockgate.data.newest_day import NO_DAY, newest_day
from lockgate.data.roles import Roles, assign_roles, with_schema_names
from lockgate.data.source_table import TEXT_CODES, SourceTable, cell_texts
from lockgate.data.split import content_keys, count_copies, hashed_shares, identifier_keys, out_of_time, require_past
from lockgate.data.tables import Table, as_source
from lockgate.data.target import Target, read_labels
from lockgate.data.validation import Role, check_table
from lockgate.documents.schema_json import (
    DECISION_COLUMNS,
    LABEL,
    LOG_SCORE,
    LOG_TIME,
    OUTCOME,
    ROW_KEY,
    Feature,
    Kind,
    Reading,
    Schema,
    TargetClasses,
)

FEW_ROWS = 20  # of which each may well have a category of its own


@dataclass(frozen=True)
class Dataset:
    """Train, test and current rows, each sorted by row key, and what was learnt about their columns.

    The rows are Arrow tables; `train`, `test` and `current` are the same as data frames, made when they are asked for.
    `notes` say what was recognised or left out without being asked for, `warnings` what somebody should look at. `newest` is
    the day of the newest row of a current batch that is not the test rows, None where no column says.
    """

    train_table: pa.Table
    test_table: pa.Table
    current_table: pa.Table
    schema: Schema
    warnings: list[str]
    notes: list[str] = field(default_factory=list)
    source_sha256: str | None = None
    newest: date | None = None

    @cached_property
    def train(self) -> pd.DataFrame:
        """The training rows."""
        return _frame(self.train_table)

    @cached_property
    def test(self) -> pd.DataFrame:
        """The test rows."""
        return _frame(self.test_table)

    @cached_property
    def current(self) -> pd.DataFrame:
        """The rows of the current batch."""
        return _frame(self.current_table)

    @property
    def summary(self) -> str:
        """One line for people."""
        train, test, current = self.train_table, self.test_table, self.current_table
        events = _events(train, self.schema.target)
        return summary_of(train.num_rows, test.num_rows, current.num_rows, events, self.schema)


@dataclass(frozen=True)
class LargeDataset:
    """What `prepare` gives for a source that is larger than the memory: its rows are read only when they are written."""

    source: LargeSource
    settings: Prepare
    current: SourceTable | LargeSource | None = None


@overload
def prepare(
    source: SourceTable | Table | pd.DataFrame,
    settings: Prepare,
    current: SourceTable | Table | pd.DataFrame | LargeSource | None = None,
) -> Dataset: ...


@overload
def prepare(
    source: LargeSource, settings: Prepare, current: SourceTable | LargeSource | None = None
) -> LargeDataset: ...


def prepare(
    source: SourceTable | Table | pd.DataFrame | LargeSource,
    settings: Prepare,
    current: SourceTable | Table | pd.DataFrame | LargeSource | None = None,
) -> Dataset | LargeDataset:
    """Type, check and split the labelled `source`; conform the `current` batch to the schema that it has.

    `source` has one row an observation, the column `settings.target` among its columns. Of `settings` only what columns
    are, and how cells are read and rows are split, is used: nothing is read from where it says that data are. Without a
    current batch the test rows stand for it. Equal rows, in whatever order, give equal data.
    A source that is larger than the memory is only taken note of: `Project.write_dataset` does all of this with it.
    Raises InputError with one line that names the table, the column and how to fix it.
    """
    if isinstance(source, LargeSource):
        arrived = (
            current if current is None or isinstance(current, LargeSource) else as_source(current, "the current batch")
        )
        return LargeDataset(source, settings, arrived)
    if isinstance(current, LargeSource):
        raise InputError(
            f"{current.name} is larger than the memory, and the source is not read part by part; write both as Parquet or CSV"
        )
    given = as_source(source, "the source")
    roles = assign_roles(given, settings)
    where = roles.table.name
    target = read_checked_target(roles.table.cells(settings.target), settings, roles.table)
    times = _read_times(roles, settings, target)
    keys = _row_keys(roles, settings)
    split = _split_rows(keys, times, target, settings, where)
    columns, values = _columns(roles, settings, target, times, split)
    schema = schema_of(columns, settings, target, where)
    names = kept_names(columns, schema)
    train, test = (
        pa.table({ROW_KEY: _taken(keys, rows), **{name: values[name][part] for name in names}})
        for part, rows in enumerate(split)
    )
    roles_of_rows: tuple[tuple[pa.Table, Role], ...] = ((train, "train"), (test, "test"))
    for rows, role in roles_of_rows:
        require_two_classes(rows.num_rows, _events(rows, settings.target), role, where)
        check_table(rows, schema, role, where)
    warnings, newest = warnings_of(schema, roles, len(keys), count_copies(keys), settings), None
    if current is None:
        batch = current_of_test(test, schema)
    else:
        batch, newest, more = conformed_batch(as_source(current, "the current batch"), schema)
        warnings += more
    return Dataset(train, test, batch, schema, warnings, [*given.notes, *left_out_words(target)], given.sha256, newest)


def conform_current(batch: SourceTable | Table | pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """The columns of `schema` that a current batch has, read by it; rows sorted by content.

    Raises InputError where a feature is missing or has changed its type. Unseen categories and extremes stay:
    they are for drift to count. The rows of a decision log keep `DECISION_COLUMNS` too.
    """
    return _frame(_conformed(as_source(batch, "the current batch"), schema))


def counted_texts(schema: Schema) -> list[str]:
    """The names, in the source and in the schema, of the columns of text that `conform_rows` only counts."""
    kinds: dict[str, Kind] = {one.name: one.kind for one in schema.features}
    kinds |= {one.name: one.kind for one in schema.audit}
    texts = [column for column in schema.columns if kinds.get(column.name) == "categorical"]
    return sorted({name for column in texts for name in (column.name, column.source_name)})


def conform_rows(batch: SourceTable, schema: Schema) -> pd.DataFrame:
    """`conform_current` of some rows of a batch, in their order and without keys; what is text is categories, counted at once."""
    table = pa.table(conformed_columns(batch, schema))
    check_table(table, schema, "current", batch.name)
    texts = [name for name in table.column_names if is_text(table.schema.field(name).type)]
    frame: pd.DataFrame = table.to_pandas(categories=texts, split_blocks=True)  # or each number is copied once more
    return frame


def conformed_batch(batch: SourceTable, schema: Schema) -> tuple[pa.Table, date | None, list[str]]:
    """`conform_current` as a table, the day of the batch's newest row where a column says it, and what to warn of."""
    table = _conformed(batch, schema)
    try:
        return table, newest_day(batch, schema), []
    except InputError as error:
        return table, None, [NO_DAY.format(error)]


def _events(rows: pa.Table, target: str) -> int:
    return int(pc.sum(rows[target]).as_py() or 0)


def _conformed(batch: SourceTable, schema: Schema) -> pa.Table:
    columns = conformed_columns(batch, schema)
    keys = content_keys(batch.columns)
    rows = _sorted_rows(keys, np.ones(len(keys), bool))
    table = pa.table({ROW_KEY: _taken(keys, rows), **{name: _taken(values, rows) for name, values in columns.items()}})
    check_table(table, schema, "current", batch.name)
    return table


def conformed_columns(batch: SourceTable, schema: Schema) -> dict[str, pa.ChunkedArray]:
    """The columns of `schema` that a current batch, or a part of it, has, read by it; the rows in their order."""
    source = with_schema_names(batch, schema)
    readings = {feature.name: schema.reading_of(feature.name) for feature in schema.features}
    columns = _read_features(source, schema.features, readings)
    for audit in schema.audit:
        if audit.name in source.names:
            reading = schema.reading_of(audit.name)
            columns[audit.name] = read_column(audit.name, source.cells(audit.name), reading, source).values
    if schema.target in source.names:
        # A table that was prepared already has 0 and 1.
        classes = TargetClasses(("1",), ("0",)) if ROW_KEY in source.names else schema.classes
        reading = schema.reading_of(schema.target)
        labels = read_labels(schema.target, source.cells(schema.target), reading, classes, source)
        columns[schema.target] = pa.chunked_array([pa.array(labels, from_pandas=True)])
    elif LABEL in source.names and pa.types.is_floating(source.cells(LABEL).type):
        columns[schema.target] = source.cells(LABEL).cast(pa.float64())
    if has_decisions(source.columns.schema):
        columns |= {name: source.cells(name) for name in (*DECISION_COLUMNS, OUTCOME) if name in source.names}
    return columns


def conform_features(
    batch: SourceTable | Table | pd.DataFrame, features: Sequence[Feature], readings: Mapping[str, Reading]
) -> pd.DataFrame:
    """The columns of `features`, read as `readings` say, as `conform_current` takes them."""
    return _frame(pa.table(_read_features(as_source(batch, "the current table"), features, readings)))


def read_features(rows: SourceTable, schema: Schema) -> pa.Table:
    """The features of `schema` in any table, read by it: in its order, the rows in theirs.

    Raises InputError where one is missing or has changed its type.
    """
    readings = {feature.name: schema.reading_of(feature.name) for feature in schema.features}
    return pa.table(_read_features(with_schema_names(rows, schema), schema.features, readings))


def _frame(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _read_features(
    source: SourceTable, features: Sequence[Feature], readings: Mapping[str, Reading]
) -> dict[str, pa.ChunkedArray]:
    columns, names, is_log = {}, set(source.names), _is_decision_log(source)
    for feature in features:
        name = feature.name
        if name not in names:
            raise InputError(f"{source.name}: column `{name}` is missing; it is needed ({nearest(name, source.names)})")
        if is_log:
            columns[name] = _logged_values(feature, source)
        else:
            columns[name] = read_column(name, source.cells(name), readings[name], source, feature.categories).values
    return columns


def has_decisions(columns: pa.Schema) -> bool:
    """Whether rows say when they were decided, by which model and how: a decision log, or what `prepare` kept of one."""
    return {*DECISION_COLUMNS} <= {*columns.names} and pa.types.is_timestamp(columns.field(LOG_TIME).type)


def _is_decision_log(source: SourceTable) -> bool:
    return LOG_SCORE in source.names and pa.types.is_floating(source.cells(LOG_SCORE).type)


def _logged_values(feature: Feature, source: SourceTable) -> pa.ChunkedArray:
    """The values of requests: as in JSON, only null is missing there, and no text or number stands for it."""
    cells = source.cells(feature.name)
    if feature.kind == "categorical" and (is_text(cells.type) or cells.type == TEXT_CODES):
        return cells
    return read_column(feature.name, cells, Reading(feature.kind), source, feature.categories).values


@dataclass(frozen=True)
class TypedTable:
    """A table whose columns are features, how their cells were read, and why each other column cannot be one."""

    table: pd.DataFrame
    features: tuple[Feature, ...]
    readings: dict[str, Reading]
    left_out: dict[str, str]


def infer_features(source: SourceTable | Table | pd.DataFrame) -> TypedTable:
    """The columns of a table that comes without settings, typed by what they hold.

    Left out is what `prepare` would have to be told of, such as dates, and texts of which every row has another.
    Raises InputError for infinite values, and where no column is left.
    """
    given = as_source(source, "the table")
    check_left_out(given.names, given.name)  # drift.json names them all
    columns, readings, left_out = {}, {}, {}
    for name in given.names:
        cells = given.cells(name)
        try:
            reading = decide(name, cells, Read(), None, given)
        except UndecidedColumnError as error:
            left_out[name] = error.what
            continue
        if reading.kind == "categorical" and len(cells) >= FEW_ROWS and _are_all_different(cells):
            left_out[name] = "has another text in every row"
            continue
        values = read_column(name, cells, reading, given).values
        if reading.kind == "categorical" and (longest := pc.max(pc.utf8_length(values)).as_py() or 0) > MAX_TEXT:
            left_out[name] = f"holds a text of {longest:,} characters"
            continue
        readings[name], columns[name] = reading, values
    if not columns:
        held = "; ".join(f"`{name}` {what}" for name, what in left_out.items())
        raise InputError(f"{given.name} has no column that can be compared; it needs numbers, or categories: {held}")
    features = tuple(
        TrainingFacts.of(values.combine_chunks()).feature(name, readings[name].kind, Prepare())
        for name, values in columns.items()
    )
    return TypedTable(_frame(pa.table(columns)), features, readings, left_out)


def _are_all_different(cells: pa.ChunkedArray) -> bool:
    return bool(pc.count_distinct(cell_texts(cells)).as_py() == len(cells))


def _read_times(roles: Roles, settings: Prepare, target: Target) -> ReadColumn | None:
    """The time column; without missing values and times to come in rows that are kept."""
    name, table = settings.time_column, roles.table
    if name is None:
        return None
    cells = table.cells(name)
    times = read_column(name, cells, decide_times(name, cells, settings.read, table), table)
    missing = np.flatnonzero(times.values.is_null().to_numpy() & target.kept)
    if len(missing):
        refuse_missing_times(name, len(missing), table.place(int(missing[0])), table.name)
    if settings.future_times == "refuse" and table.read_on is not None:
        require_past(times.values, name, table, table.read_on)
    return times


def _row_keys(roles: Roles, settings: Prepare) -> pa.ChunkedArray:
    if settings.id_columns:
        return identifier_keys(roles.table, settings.id_columns, settings.read.missing)
    return content_keys(roles.content)


def _split_rows(
    keys: pa.ChunkedArray, times: ReadColumn | None, target: Target, settings: Prepare, where: str
) -> tuple[np.ndarray, np.ndarray]:
    """The positions of the training and of the test rows in the source, in the order of their keys."""
    if times is None:
        texts = (key for chunk in keys.chunks for key in chunk.to_pylist())
        is_test = hashed_shares(texts, settings.seed, "test") < settings.test_size
    else:
        is_test = np.zeros(len(keys), bool)
        values = times.values.filter(pa.array(target.kept))
        is_test[target.kept] = out_of_time(values, str(settings.time_column), settings.test_size, where)
    return _sorted_rows(keys, ~is_test & target.kept), _sorted_rows(keys, is_test & target.kept)


def _sorted_rows(keys: pa.ChunkedArray, chosen: np.ndarray) -> np.ndarray:
    """The positions of the chosen rows, in the order of their keys."""
    rows = np.flatnonzero(chosen)
    sorted_rows: np.ndarray = rows[pc.sort_indices(_taken(keys, rows)).to_numpy()]
    return sorted_rows


def _taken(values: pa.ChunkedArray, rows: np.ndarray) -> pa.Array:
    """The values at these positions; texts with 64-bit offsets, which a table of any size needs."""
    kind = pa.large_string() if pa.types.is_string(values.type) else values.type
    return values.cast(kind).combine_chunks().take(pa.array(rows))


def _columns(
    roles: Roles, settings: Prepare, target: Target, times: ReadColumn | None, split: tuple[np.ndarray, np.ndarray]
) -> tuple[dict[str, Column], dict[str, tuple[pa.Array, pa.Array]]]:
    """All columns by their names, and the values of those that are kept in the training and in the test rows.

    Raises InputError for the first that cannot be read, or for all that need a decision at once.
    """
    columns, values, undecided = dict[str, Column](), dict[str, tuple[pa.Array, pa.Array]](), []
    for name in roles.table.names:
        try:
            column, found = _column(name, roles, settings, target, times, split)
        except UndecidedColumnError as error:
            undecided.append(error)
            continue
        columns[name] = column
        if column.is_kept and found:
            values[name] = found
    if undecided:
        refuse_undecided(undecided, roles.table)
    return columns, values


def _column(
    name: str,
    roles: Roles,
    settings: Prepare,
    target: Target,
    times: ReadColumn | None,
    split: tuple[np.ndarray, np.ndarray],
) -> tuple[Column, tuple[pa.Array, pa.Array] | None]:
    table, role, cells = roles.table, roles.roles[name], roles.table.cells(name)

    def parts(values: pa.ChunkedArray) -> tuple[pa.Array, pa.Array]:
        return _taken(values, split[0]), _taken(values, split[1])

    if role in ("dropped", "identifier"):
        return Column(ColumnSums.of(look_at(cells)).looked_at(name, roles)), None
    if role == "target":
        described = ColumnSums.of(look_at(cells)).looked_at(name, roles, target.reading)
        return Column(described, True), parts(label_column(target))
    if role == "time" and times is not None:
        return Column(ColumnSums.of(times).described(name, roles, "declared"), True), parts(without_zone(times.values))
    if role == "weight":
        weights = read_weights(name, cells, decide(name, cells, settings.read, "numeric", table), table)
        return Column(ColumnSums.of(look_at(cells)).looked_at(name, roles), True), parts(weights)
    reading = decide(name, cells, settings.read, declared_kind(name, settings), table)
    require_numeric_for_bounds(name, reading, settings, table)
    read = read_column(name, cells, reading, table)
    if reading.kind == "categorical":
        check_texts(pc.unique(read.values.drop_null()).to_pylist(), name, table.name)
    kept = parts(read.values)
    training = TrainingFacts.of(kept[0])
    return read_column_made(name, roles, settings, ColumnSums.of(read), reading, training), kept
