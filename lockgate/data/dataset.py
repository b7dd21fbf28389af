"""From a source table to train, test and current data with one schema: pure, no files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lockgate.config.errors import InputError
from lockgate.config.params import Prepare
from lockgate.config.suggest import nearest
from lockgate.data.columns import checked_weights, infer_kind, texts_that_are_numbers, to_kind
from lockgate.data.names import check_left_out, check_names, check_texts
from lockgate.data.split import hashed_shares, out_of_time, row_keys
from lockgate.data.tables import Table, as_table
from lockgate.data.target import binary_target, known_labels, prepared_labels
from lockgate.data.validation import check_frame
from lockgate.documents.schema_json import (
    RESERVED_COLUMNS,
    RESERVED_FOR_PREDICTIONS,
    RESERVED_PREFIX,
    ROW_KEY,
    AuditColumn,
    DroppedColumn,
    Feature,
    Schema,
    SourceColumn,
)

FEW_ROWS = 20  # of which each may well have a category of its own


@dataclass(frozen=True)
class Dataset:
    """Train, test and current rows, each sorted by row key, and what was learnt about their columns."""

    train: pd.DataFrame
    test: pd.DataFrame
    current: pd.DataFrame
    schema: Schema
    warnings: list[str]
    source_sha256: str | None = None

    @property
    def summary(self) -> str:
        """One line for people."""
        return (
            f"prepared {len(self.train):,} train, {len(self.test):,} test and {len(self.current):,} current rows, "
            f"{len(self.schema.features)} features, {self.train[self.schema.target].mean():.1%} of {self.schema.target}"
        )


def prepare(source: Table | pd.DataFrame, settings: Prepare, current: Table | pd.DataFrame | None = None) -> Dataset:
    """Type, check and split the labelled `source`; conform the `current` batch to the schema that it has.

    `source` has one row an observation, the column `settings.target` among its columns. Of `settings` only what columns
    are and how rows are split is used: nothing is read from where it says that data are. Without a current batch the test
    rows stand for it. Equal rows, in whatever order, give equal data.
    Raises InputError with one line that names the table, the column and how to fix it.
    """
    table = as_table(source, "the source")
    train, test, schema, warnings = _split(table, settings)
    batch = Table(test, "the test split") if current is None else as_table(current, "the current batch")
    return Dataset(train, test, conform_current(batch.rows, schema, batch.name), schema, warnings, table.sha256)


def _split(given: Table, prepare: Prepare) -> tuple[pd.DataFrame, pd.DataFrame, Schema, list[str]]:
    source, where = given.rows, given.name
    _check_roles(source, prepare, where)
    labels, positive = binary_target(source[prepare.target], prepare.positive, where)
    check_texts([positive], prepare.target, where)
    left_out = _left_out(source, prepare)
    others = {*left_out, prepare.target, *prepare.id_columns, prepare.time_column, prepare.weight_column}
    typed = {name: _typed(source[name], prepare, where) for name in source.columns if name not in others}
    table = pd.DataFrame(typed, index=source.index)
    table[prepare.target] = labels
    if prepare.weight_column:
        table[prepare.weight_column] = checked_weights(source[prepare.weight_column], where)
    if prepare.time_column:
        table[prepare.time_column] = source[prepare.time_column]
    key_columns = source[prepare.id_columns] if prepare.id_columns else table
    table.insert(0, ROW_KEY, row_keys(key_columns, prepare.id_columns, where))

    if prepare.time_column:
        last_day = given.read_on if prepare.future_times == "refuse" else None
        is_test = out_of_time(source[prepare.time_column], prepare.test_size, where, last_day)
    else:
        is_test = hashed_shares(table[ROW_KEY].to_numpy(), prepare.seed, "test") < prepare.test_size
    features = [name for name in typed if name not in prepare.audit_columns]
    kept, dropped = _informative(table.loc[~is_test, features])
    if not kept:
        raise InputError(f"{where}: no column is left to train on; every feature is constant or missing")
    table = table.drop(columns=[column.name for column in dropped])
    train, test = _sorted(table[~is_test]), _sorted(table[is_test])
    schema = Schema(
        target=prepare.target,
        positive=positive,
        features=tuple(_feature(train[name], prepare) for name in kept),
        audit=tuple(AuditColumn(name, _kind_of(train[name])) for name in prepare.audit_columns),
        id_columns=tuple(prepare.id_columns),
        time_column=prepare.time_column,
        weight_column=prepare.weight_column,
        columns=tuple(
            SourceColumn(name, name, "dropped", "inferred", None, 0, (), 0, (), reason)
            for name, reason in (*left_out.items(), *((column.name, column.reason) for column in dropped))
        ),
    )
    for part, role in ((train, "train"), (test, "test")):
        if part[prepare.target].nunique() != 2:
            raise InputError(
                f"{where}: the {role} split has {len(part):,} rows of one class; change prepare.test_size or the data"
            )
    check_frame(train, schema, "train", where)
    check_frame(test, schema, "test", where)
    warnings = [f"column `{column.name}` is dropped: {column.reason}" for column in dropped]
    return train, test, schema, warnings


def conform_current(batch: pd.DataFrame, schema: Schema, where: str) -> pd.DataFrame:
    """The columns of `schema` that a current batch has, typed; rows sorted by content.

    Raises InputError where a feature is missing or has changed its type. Unseen categories and extremes stay:
    they are for drift to count.
    """
    current = conform_features(batch, schema.features, where)
    for audit in schema.audit:
        if audit.name in batch.columns:
            current[audit.name] = to_kind(batch[audit.name], audit.kind, where)
    check_frame(current, schema, "current", where)
    if schema.target in batch.columns:
        column = batch[schema.target]
        current[schema.target] = (
            prepared_labels(column, where) if ROW_KEY in batch else known_labels(column, schema.positive, where)
        )
    current.insert(0, ROW_KEY, row_keys(current, [], where))
    return _sorted(current)


def conform_features(batch: pd.DataFrame, features: Sequence[Feature], where: str) -> pd.DataFrame:
    """The columns of `features`, typed, as `conform_current` takes them."""
    columns = {}
    for feature in features:
        if feature.name not in batch.columns:
            raise InputError(
                f"{where}: column `{feature.name}` is missing; it is needed ({nearest(feature.name, batch.columns)})"
            )
        column = batch[feature.name]
        if (
            feature.kind == "categorical"
            and pd.api.types.is_numeric_dtype(column)
            and not column.isna().all()
            and not texts_that_are_numbers(feature.categories)
        ):
            raise InputError(
                f"{where}: column `{feature.name}` is categorical (such as {feature.categories[0]}), but holds numbers; "
                "fix the batch or train on data of its new type"
            )
        columns[feature.name] = to_kind(column, feature.kind, where)
    return pd.DataFrame(columns, index=batch.index)


@dataclass(frozen=True)
class TypedTable:
    """A table whose columns are features, and the names of the columns that cannot be one."""

    table: pd.DataFrame
    features: tuple[Feature, ...]
    left_out: list[str]


def infer_features(source: pd.DataFrame, where: str) -> TypedTable:
    """The columns of a table that comes without settings, typed by what they hold.

    Dates, texts with more values than a category has, and texts of which every row has another are left out.
    Raises InputError for infinite values, and where no column is left.
    """
    check_left_out(source.columns, where)  # drift.json names them all
    columns, left_out = {}, []
    for name in source.columns:
        column = source[name]
        if _is_feature(column):
            columns[name] = _typed(column, Prepare(), where)
        else:
            left_out.append(name)
    if not columns:
        raise InputError(f"{where} has no column that can be compared; it needs numbers, or categories")
    table = pd.DataFrame(columns, index=source.index)
    return TypedTable(table, tuple(_feature(table[name], Prepare()) for name in columns), left_out)


def _is_feature(column: pd.Series) -> bool:
    try:
        kind = "numeric" if column.isna().all() else infer_kind(column, "")
    except InputError:
        return False
    return kind == "numeric" or len(column) < FEW_ROWS or column.nunique() < len(column)


def _check_roles(source: pd.DataFrame, prepare: Prepare, where: str) -> None:
    left_out = _left_out(source, prepare)
    check_left_out(left_out, where)
    check_names([name for name in source.columns if name not in left_out], where)
    taken = {prepare.target, prepare.weight_column, *prepare.id_columns, *left_out}
    for name in source.columns:
        if (name in RESERVED_COLUMNS or name.startswith(RESERVED_PREFIX)) and name not in taken:
            raise InputError(
                f"{where}: column `{name}` has a name that Lockgate uses itself; rename it, or set prepare.kinds: "
                f"{{{name}: drop}}"
            )
    for written in (*prepare.audit_columns, prepare.weight_column):
        if written in RESERVED_FOR_PREDICTIONS:
            raise InputError(f"{where}: column `{written}` has the name of a column of predictions; rename it")
    roles: list[tuple[str, list[str]]] = [
        ("prepare.target", [prepare.target]),
        ("prepare.id_columns", prepare.id_columns),
        ("prepare.time_column", [prepare.time_column] if prepare.time_column else []),
        ("prepare.weight_column", [prepare.weight_column] if prepare.weight_column else []),
        ("prepare.audit_columns", prepare.audit_columns),
        ("prepare.unavailable_at_decision", prepare.unavailable_at_decision),
        ("prepare.kinds", list(prepare.kinds)),
        ("prepare.bounds", list(prepare.bounds)),
        ("prepare.texts", list(prepare.texts)),
    ]
    for key, names in roles:
        for name in names:
            if name not in source.columns:
                raise InputError(f"{where}: column `{name}` of {key} is not there; {nearest(name, source.columns)}")
    for name in prepare.bounds:
        if prepare.kinds.get(name) == "categorical" or not pd.api.types.is_numeric_dtype(source[name]):
            raise InputError(f"{where}: prepare.bounds names `{name}`, which is not numeric; leave it out")


def _left_out(source: pd.DataFrame, prepare: Prepare) -> dict[str, str]:
    """Columns the user took out, with the reason, in the order of the source."""
    reasons = {name: "prepare.kinds says drop" for name, kind in prepare.kinds.items() if kind == "drop"}
    reasons |= dict.fromkeys(prepare.unavailable_at_decision, "declared unavailable at decision")
    return {name: reasons[name] for name in source.columns if name in reasons}


def _typed(column: pd.Series, prepare: Prepare, where: str) -> pd.Series:
    declared = prepare.kinds.get(str(column.name))
    if column.isna().all():
        return pd.Series(np.full(len(column), np.nan), index=column.index, name=column.name)
    kind = declared if declared in ("numeric", "categorical") else infer_kind(column, where)
    typed = to_kind(column, kind, where)
    if kind == "categorical":
        check_texts(typed.dropna().unique(), str(column.name), where)
    return typed


def _informative(training: pd.DataFrame) -> tuple[list[str], list[DroppedColumn]]:
    kept, dropped = [], []
    for name in training.columns:
        distinct = training[name].nunique(dropna=False)
        if training[name].isna().all():
            dropped.append(DroppedColumn(name, "every value is missing in the training rows"))
        elif distinct <= 1:
            dropped.append(DroppedColumn(name, "constant in the training rows"))
        else:
            kept.append(name)
    return kept, dropped


def _feature(column: pd.Series, prepare: Prepare) -> Feature:
    name = str(column.name)
    present = column.dropna()
    kind = _kind_of(column)
    low, high = prepare.bounds.get(name, (None, None))
    return Feature(
        name=name,
        kind=kind,
        integer=kind == "numeric" and bool((present == np.floor(present)).all()),
        nullable=bool(column.isna().any()),
        categories=tuple(sorted(present.unique())) if kind == "categorical" else (),
        minimum=low,
        maximum=high,
        text=prepare.texts.get(name, name.replace("_", " ")),
    )


def _kind_of(column: pd.Series):  # type: ignore[no-untyped-def]
    return "numeric" if pd.api.types.is_numeric_dtype(column) else "categorical"


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values(ROW_KEY, kind="stable", ignore_index=True)
