"""From a source table to train, test and current data with one schema: pure, no files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import replace

from lockgate.config.errors import InputError
from lockgate.config.params import Prepare, Read
from lockgate.config.suggest import nearest
from lockgate.data.column_decision import decide, decide_times
from lockgate.data.columns import ReadColumn, UndecidedColumnError, is_text, read_column, read_weights, refuse_undecided
from lockgate.data.names import MAX_TEXT, check_left_out, check_texts, quoted
from lockgate.data.newest_day import NO_DAY, newest_day
from lockgate.data.roles import COUNTS_THE_ROWS, Roles, assign_roles, identifier_proposals, with_schema_names
from lockgate.data.source_table import SourceTable, cell_texts
from lockgate.data.split import content_keys, count_copies, hashed_shares, identifier_keys, out_of_time, require_past
from lockgate.data.tables import Table, as_source
from lockgate.data.target import Target, read_labels, read_target
from lockgate.data.validation import Role, check_table
from lockgate.documents.schema_json import (
    DECISION_COLUMNS,
    LABEL,
    LOG_SCORE,
    LOG_TIME,
    ROW_KEY,
    AuditColumn,
    Feature,
    Kind,
    MarkerCount,
    Reading,
    Schema,
    SourceColumn,
    TargetClasses,
    Why,
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
        sizes = [table.num_rows for table in (self.train_table, self.test_table, self.current_table)]
        rate = float(np.mean(self.train_table[self.schema.target].to_numpy()))
        return (
            f"prepared {sizes[0]:,} train, {sizes[1]:,} test and {sizes[2]:,} current rows, "
            f"{len(self.schema.features)} features, {rate:.1%} of {self.schema.target}"
        )


def prepare(
    source: SourceTable | Table | pd.DataFrame,
    settings: Prepare,
    current: SourceTable | Table | pd.DataFrame | None = None,
) -> Dataset:
    """Type, check and split the labelled `source`; conform the `current` batch to the schema that it has.

    `source` has one row an observation, the column `settings.target` among its columns. Of `settings` only what columns
    are, and how cells are read and rows are split, is used: nothing is read from where it says that data are. Without a
    current batch the test rows stand for it. Equal rows, in whatever order, give equal data.
    Raises InputError with one line that names the table, the column and how to fix it.
    """
    given = as_source(source, "the source")
    roles = assign_roles(given, settings)
    where = roles.table.name
    target = _read_target(roles, settings)
    times = _read_times(roles, settings, target)
    keys = _row_keys(roles, settings)
    split = _split_rows(keys, times, target, settings, where)
    columns = _columns(roles, settings, target, times, split)
    schema = _schema(columns, settings, target, where)
    train, test = (_assembled(rows, part, keys, columns, schema) for part, rows in enumerate(split))
    roles_of_rows: tuple[tuple[pa.Table, Role], ...] = ((train, "train"), (test, "test"))
    for rows, role in roles_of_rows:
        if pc.count_distinct(rows[settings.target]).as_py() != 2:
            raise InputError(
                f"{where}: the {role} split has {rows.num_rows:,} rows of one class; change prepare.test_size or the data"
            )
        check_table(rows, schema, role, where)
    warnings, newest = _warnings(schema, roles, keys, settings), None
    if current is None:
        batch = _as_batch(test, schema)
    else:
        arrived = as_source(current, "the current batch")
        batch = _conformed(arrived, schema)
        try:
            newest = newest_day(arrived, schema)
        except InputError as error:
            warnings.append(NO_DAY.format(error))
    return Dataset(train, test, batch, schema, warnings, [*given.notes, *_left_out_words(target)], given.sha256, newest)


def conform_current(batch: SourceTable | Table | pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """The columns of `schema` that a current batch has, read by it; rows sorted by content.

    Raises InputError where a feature is missing or has changed its type. Unseen categories and extremes stay:
    they are for drift to count. The rows of a decision log keep `DECISION_COLUMNS` too.
    """
    return _frame(_conformed(as_source(batch, "the current batch"), schema))


def _conformed(batch: SourceTable, schema: Schema) -> pa.Table:
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
    if _has_decisions(source):
        columns |= {name: source.cells(name) for name in DECISION_COLUMNS}
    keys = content_keys(batch.columns)
    rows = _sorted_rows(keys, np.ones(len(keys), bool))
    table = pa.table({ROW_KEY: _taken(keys, rows), **{name: _taken(values, rows) for name, values in columns.items()}})
    check_table(table, schema, "current", batch.name)
    return table


def _as_batch(test: pa.Table, schema: Schema) -> pa.Table:
    """The test rows as a current batch, which may lack labels, has them."""
    audit = [audit.name for audit in schema.audit]
    table = test.select([ROW_KEY, *schema.feature_names, *audit])
    return table.append_column(schema.target, test[schema.target].cast(pa.float64()))


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


def _has_decisions(source: SourceTable) -> bool:
    """Whether the rows say when they were decided, by which model and how: a decision log, or what `prepare` kept of one."""
    names = set(source.names)
    return {*DECISION_COLUMNS} <= names and pa.types.is_timestamp(source.cells(LOG_TIME).type)


def _is_decision_log(source: SourceTable) -> bool:
    return LOG_SCORE in source.names and pa.types.is_floating(source.cells(LOG_SCORE).type)


def _logged_values(feature: Feature, source: SourceTable) -> pa.ChunkedArray:
    """The values of requests: as in JSON, only null is missing there, and no text or number stands for it."""
    cells = source.cells(feature.name)
    if feature.kind == "categorical" and is_text(cells.type):
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
        _feature(name, values.combine_chunks(), readings[name].kind, Prepare()) for name, values in columns.items()
    )
    return TypedTable(_frame(pa.table(columns)), features, readings, left_out)


def _are_all_different(cells: pa.ChunkedArray) -> bool:
    return bool(pc.count_distinct(cell_texts(cells)).as_py() == len(cells))


@dataclass(frozen=True)
class _Column:
    """A column of the source: what was made of it, and its values in the training and in the test rows, if it is kept."""

    described: SourceColumn
    parts: tuple[pa.Array, pa.Array] | None = None
    feature: Feature | None = None


def _read_target(roles: Roles, settings: Prepare) -> Target:
    target = read_target(roles.table.cells(settings.target), settings, roles.table)
    check_texts([*target.classes.positive, *target.classes.negative], settings.target, roles.table.name)
    return target


def _read_times(roles: Roles, settings: Prepare, target: Target) -> ReadColumn | None:
    """The time column; without missing values and times to come in rows that are kept."""
    name, table = settings.time_column, roles.table
    if name is None:
        return None
    cells = table.cells(name)
    times = read_column(name, cells, decide_times(name, cells, settings.read, table), table)
    missing = np.flatnonzero(times.values.is_null().to_numpy() & target.kept)
    if len(missing):
        raise InputError(
            f"{table.name}: time column `{name}` has {len(missing):,} missing values, the first in "
            f"{table.place(int(missing[0]))}; fill them, or leave these rows out"
        )
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
) -> dict[str, _Column]:
    """All columns by their names; raises InputError for the first that cannot be read, or for all that need a decision at once."""
    columns, undecided = {}, []
    for name in roles.table.names:
        try:
            columns[name] = _column(name, roles, settings, target, times, split)
        except UndecidedColumnError as error:
            undecided.append(error)
    if undecided:
        refuse_undecided(undecided, roles.table)
    return columns


def _column(
    name: str,
    roles: Roles,
    settings: Prepare,
    target: Target,
    times: ReadColumn | None,
    split: tuple[np.ndarray, np.ndarray],
) -> _Column:
    table, role, cells = roles.table, roles.roles[name], roles.table.cells(name)

    def parts(values: pa.ChunkedArray) -> tuple[pa.Array, pa.Array]:
        return _taken(values, split[0]), _taken(values, split[1])

    if role in ("dropped", "identifier"):
        return _Column(_looked_at(name, roles))
    if role == "target":
        return _Column(_looked_at(name, roles, target.reading), parts(_labels(target)))
    if role == "time" and times is not None:
        return _Column(_described(name, roles, times, "declared"), parts(_without_zone(times.values)))
    if role == "weight":
        weights = read_weights(name, cells, decide(name, cells, settings.read, "numeric", table), table)
        return _Column(_looked_at(name, roles), parts(weights))
    declared = _declared_kind(name, settings)
    reading = decide(name, cells, settings.read, declared, table)
    if name in settings.bounds and reading.kind != "numeric":
        raise InputError(f"{table.name}: prepare.bounds names `{name}`, which is not numeric; leave it out")
    read = read_column(name, cells, reading, table)
    if reading.kind == "categorical":
        check_texts(pc.unique(read.values.drop_null()).to_pylist(), name, table.name)
    described = _described(name, roles, read, "declared" if declared else "inferred", reading)
    kept = parts(read.values)
    if role == "audit":
        return _Column(described, kept)
    if reason := _reason_to_drop(kept[0]):
        return _Column(replace(described, role="dropped", reading=None, reason=reason))
    return _Column(described, kept, _feature(name, kept[0], reading.kind, settings))


def _declared_kind(name: str, settings: Prepare) -> Kind | None:
    declared = settings.kinds.get(name)
    return None if declared == "drop" else declared


def _described(name: str, roles: Roles, read: ReadColumn, why: Why, reading: Reading | None = None) -> SourceColumn:
    """What `prepare` made of a column that it read."""
    return SourceColumn(
        name=name,
        source_name=roles.file_names.get(name, name),
        role=roles.roles[name],
        why=why,
        reading=reading,
        missing=read.missing,
        markers=read.markers,
        distinct=pc.count_distinct(read.values).as_py(),
        changed=read.changed,
    )


def _looked_at(name: str, roles: Roles, reading: Reading | None = None) -> SourceColumn:
    """What `prepare` says of a column whose cells are no values that a model sees."""
    texts = cell_texts(roles.table.cells(name))
    texts = pc.if_else(pc.equal(texts, ""), pa.scalar(None, texts.type), texts)
    reason = roles.reasons.get(name, "")
    read = ReadColumn(texts, texts.null_count, (MarkerCount("", texts.null_count),) if texts.null_count else ())
    return replace(
        _described(name, roles, read, "inferred" if reason == COUNTS_THE_ROWS else "declared", reading), reason=reason
    )


def _labels(target: Target) -> pa.ChunkedArray:
    """A label for each row of the source, null for rows that are left out."""
    labels = np.zeros(len(target.kept), np.int8)
    labels[target.kept] = target.labels
    return pa.chunked_array([pa.array(labels, mask=~target.kept)])


def _without_zone(times: pa.ChunkedArray) -> pa.ChunkedArray:
    return times.cast(pa.timestamp("us")) if pa.types.is_timestamp(times.type) else times


def _reason_to_drop(training: pa.Array) -> str:
    """Why a column tells a model nothing; empty where it may tell something."""
    if training.null_count == len(training):
        return "every value is missing in the training rows"
    if pc.count_distinct(training, mode="all").as_py() <= 1:
        return "constant in the training rows"
    return ""


def _feature(name: str, training: pa.Array, kind: str, settings: Prepare) -> Feature:
    present = training.drop_null()
    low, high = settings.bounds.get(name, (None, None))
    is_numeric = kind == "numeric"
    return Feature(
        name=name,
        kind="numeric" if is_numeric else "categorical",
        integer=is_numeric and bool(pc.all(pc.equal(pc.floor(present), present)).as_py()),
        nullable=training.null_count > 0,
        categories=() if is_numeric else tuple(sorted(pc.unique(present).to_pylist())),
        minimum=low,
        maximum=high,
        text=settings.texts.get(name, name.replace("_", " ")),
    )


def _schema(columns: Mapping[str, _Column], settings: Prepare, target: Target, where: str) -> Schema:
    features = tuple(column.feature for column in columns.values() if column.feature)
    if not features:
        raise InputError(f"{where}: no column is left to train on; every feature is constant or missing")
    kinds = {name: column.described.reading.kind for name, column in columns.items() if column.described.reading}
    return Schema(
        target=settings.target,
        classes=target.classes,
        features=features,
        audit=tuple(
            AuditColumn(name, "numeric" if kinds[name] == "numeric" else "categorical")
            for name in settings.audit_columns
        ),
        id_columns=tuple(settings.id_columns),
        time_column=settings.time_column,
        weight_column=settings.weight_column,
        columns=tuple(column.described for column in columns.values()),
    )


def _assembled(
    rows: np.ndarray, part: int, keys: pa.ChunkedArray, columns: Mapping[str, _Column], schema: Schema
) -> pa.Table:
    """The training rows (part 0) or the test rows (1): key, features and audit columns, label, weight and time."""
    last = [name for name in (schema.target, schema.weight_column, schema.time_column) if name]
    names = [*(name for name, column in columns.items() if column.parts and name not in last), *last]
    kept = {name: parts[part] for name in names if (parts := columns[name].parts)}
    return pa.table({ROW_KEY: _taken(keys, rows), **kept})


def _left_out_words(target: Target) -> list[str]:
    rows = sum(marker.count for marker in target.left_out)
    values = ", ".join(f"{marker.count:,} {quoted(marker.text)}" for marker in target.left_out)
    return [f"{rows:,} rows are left out, as prepare.classes says: {values}"] if rows else []


def _warnings(schema: Schema, roles: Roles, keys: pa.ChunkedArray, settings: Prepare) -> list[str]:
    """What somebody should look at: columns that are left out unasked, and rows that nothing identifies."""
    asked = {name for name, reason in roles.reasons.items() if reason != COUNTS_THE_ROWS}
    found = [f"column `{one.name}` is dropped: {one.reason}" for one in schema.dropped if one.name not in asked]
    if settings.id_columns:
        return found
    if proposed := identifier_proposals(schema, roles):
        found.append(
            f"column `{proposed[0]}` looks like an identifier: set prepare.id_columns: [{proposed[0]}], or prepare.kinds: "
            f"{{{proposed[0]}: drop}}; without identifiers a row is known by its whole content, and a new column in the file "
            "gives every row another key and another side of the split"
        )
    elif copies := count_copies(keys):
        found.append(
            f"{copies:,} rows are copies of others, which stay on the same side of the split; if they are different "
            "observations, name the columns that tell them apart in prepare.id_columns"
        )
    return found
