"""What `prepare` says of each column, from sums that may have been made of its rows part by part: the rules, and no reading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import structs

from lockgate.config.errors import InputError
from lockgate.config.params import Prepare
from lockgate.data.columns import ReadColumn
from lockgate.data.names import check_texts, quoted
from lockgate.data.roles import COUNTS_THE_ROWS, Roles, identifier_proposals
from lockgate.data.source_table import SourceTable, cell_texts
from lockgate.data.target import Target, read_target
from lockgate.data.text_cells import all_true
from lockgate.documents.schema_json import (
    MAX_DISTINCT,
    ROW_KEY,
    AuditColumn,
    Change,
    Feature,
    Kind,
    MarkerCount,
    Reading,
    Schema,
    SourceColumn,
    Why,
)


@dataclass(frozen=True)
class TrainingFacts:
    """What the training rows of a column say: how many there are and miss, the ends and wholeness of numbers, the texts."""

    rows: int
    missing: int
    low: float | None
    high: float | None
    is_whole: bool
    is_float: bool
    texts: frozenset[str]

    @classmethod
    def of(cls, values: pa.Array) -> TrainingFacts:
        """The facts of these rows."""
        present = values.drop_null()
        if pa.types.is_large_string(values.type) or pa.types.is_string(values.type):
            texts = frozenset(pc.unique(present).to_pylist())
            return cls(len(values), values.null_count, None, None, False, False, texts)
        ends = pc.min_max(present).as_py()
        return cls(
            len(values),
            values.null_count,
            ends["min"],
            ends["max"],
            pa.types.is_integer(values.type) or all_true(pc.equal(pc.floor(present), present)),
            pa.types.is_floating(values.type),
            frozenset(),
        )

    def __add__(self, other: TrainingFacts) -> TrainingFacts:
        lows = [one.low for one in (self, other) if one.low is not None]
        highs = [one.high for one in (self, other) if one.high is not None]
        return TrainingFacts(
            self.rows + other.rows,
            self.missing + other.missing,
            min(lows, default=None),
            max(highs, default=None),
            self.is_whole and other.is_whole,
            self.is_float or other.is_float,
            self.texts | other.texts,
        )

    @property
    def reason_to_drop(self) -> str:
        """Why a column tells a model nothing; empty where it may tell something."""
        if self.missing == self.rows:
            return "every value is missing in the training rows"
        same = self.low == self.high or (self.is_float and float(self.low or 0) == float(self.high or 0))
        if not self.missing and (len(self.texts) == 1 if self.texts else same):
            return "constant in the training rows"
        return ""

    def feature(self, name: str, kind: str, settings: Prepare) -> Feature:
        """The feature that the column is."""
        low, high = settings.bounds.get(name, (None, None))
        is_numeric = kind == "numeric"
        return Feature(
            name=name,
            kind="numeric" if is_numeric else "categorical",
            integer=is_numeric and self.is_whole,
            nullable=self.missing > 0,
            categories=() if is_numeric else tuple(sorted(self.texts)),
            minimum=low,
            maximum=high,
            text=settings.texts.get(name, name.replace("_", " ")),
        )


@dataclass(frozen=True)
class ColumnSums:
    """What was read of a column: see `SourceColumn`. `distinct` is at most MAX_DISTINCT."""

    missing: int
    markers: tuple[MarkerCount, ...]
    distinct: int
    changed: tuple[Change, ...] = ()

    @classmethod
    def of(cls, read: ReadColumn, distinct: int | None = None) -> ColumnSums:
        """The sums of a column that was read as a whole, or of a part of it without the count of values, which do not add up."""
        if distinct is None:
            distinct = min(pc.count_distinct(read.values).as_py(), MAX_DISTINCT)
        return cls(read.missing, read.markers, distinct, read.changed)

    def with_part(self, part: ColumnSums) -> ColumnSums:
        """With the rows of another part; `distinct` stays."""
        counts = Counter({one.text: one.count for one in self.markers})
        counts.update({one.text: one.count for one in part.markers})
        markers = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        changed = {*self.changed, *part.changed}
        return replace(
            self,
            missing=self.missing + part.missing,
            markers=tuple(MarkerCount(text, count) for text, count in markers),
            changed=tuple(change for change in CHANGES if change in changed),
        )

    def described(self, name: str, roles: Roles, why: Why, reading: Reading | None = None) -> SourceColumn:
        """What `prepare` made of the column."""
        return SourceColumn(
            name=name,
            source_name=roles.file_names.get(name, name),
            role=roles.roles[name],
            why=why,
            reading=reading,
            missing=self.missing,
            markers=self.markers,
            distinct=self.distinct,
            changed=self.changed,
        )

    def looked_at(self, name: str, roles: Roles, reading: Reading | None = None) -> SourceColumn:
        """What `prepare` says of a column whose cells are no values that a model sees."""
        reason = roles.reasons.get(name, "")
        why: Why = "inferred" if reason == COUNTS_THE_ROWS else "declared"
        return structs.replace(self.described(name, roles, why, reading), reason=reason)


# In the order in which they are named, of numbers and of times.
CHANGES: tuple[Change, ...] = ("stripped", "percent", "currency", "thousands", "decimal", "negative", "dates")


def look_at(cells: pa.ChunkedArray) -> ReadColumn:
    """The cells of a column that no model sees, as texts; nothing but the empty one is missing."""
    texts = cell_texts(cells)
    texts = pc.if_else(pc.equal(texts, ""), pa.scalar(None, texts.type), texts)
    return ReadColumn(texts, texts.null_count, (MarkerCount("", texts.null_count),) if texts.null_count else ())


def read_checked_target(cells: pa.ChunkedArray, settings: Prepare, table: SourceTable) -> Target:
    """`read_target`, with classes that documents can hold."""
    target = read_target(cells, settings, table)
    check_texts([*target.classes.positive, *target.classes.negative], settings.target, table.name)
    return target


def refuse_missing_times(name: str, count: int, first: str, where: str) -> NoReturn:
    """Raises the InputError for a time column with missing values in rows that are kept, the first in the place `first`."""
    raise InputError(
        f"{where}: time column `{name}` has {count:,} missing values, the first in {first}; fill them, or leave these rows out"
    )


@dataclass(frozen=True)
class Column:
    """A column of the source: what was made of it, whether its values are kept, and the feature that it may be."""

    described: SourceColumn
    is_kept: bool = False
    feature: Feature | None = None


def declared_kind(name: str, settings: Prepare) -> Kind | None:
    """The kind that the settings declare."""
    declared = settings.kinds.get(name)
    return None if declared == "drop" else declared


def require_numeric_for_bounds(name: str, reading: Reading, settings: Prepare, table: SourceTable) -> None:
    """Raises InputError where the settings give bounds to what is no number."""
    if name in settings.bounds and reading.kind != "numeric":
        raise InputError(f"{table.name}: prepare.bounds names `{name}`, which is not numeric; leave it out")


def read_column_made(
    name: str, roles: Roles, settings: Prepare, sums: ColumnSums, reading: Reading, training: TrainingFacts
) -> Column:
    """What a feature or an audit column is, by its sums and by what its training rows say."""
    described = sums.described(name, roles, "declared" if declared_kind(name, settings) else "inferred", reading)
    if roles.roles[name] == "audit":
        return Column(described, True)
    if reason := training.reason_to_drop:
        return Column(structs.replace(described, role="dropped", reading=None, reason=reason))
    return Column(described, True, training.feature(name, reading.kind, settings))


def label_column(target: Target) -> pa.ChunkedArray:
    """A label for each row of the source, null for rows that are left out."""
    labels = np.zeros(len(target.kept), np.int8)
    labels[target.kept] = target.labels
    return pa.chunked_array([pa.array(labels, mask=~target.kept)])


def without_zone(times: pa.ChunkedArray) -> pa.ChunkedArray:
    """Times as the stages' files have them."""
    return times.cast(pa.timestamp("us")) if pa.types.is_timestamp(times.type) else times


def schema_of(columns: Mapping[str, Column], settings: Prepare, target: Target, where: str) -> Schema:
    """The schema of these columns. Raises InputError where none is a feature."""
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


def kept_names(columns: Mapping[str, Column], schema: Schema) -> list[str]:
    """The columns of the training and test rows behind the key: features and audit columns, label, weight and time."""
    last = [name for name in (schema.target, schema.weight_column, schema.time_column) if name]
    return [*(name for name, column in columns.items() if column.is_kept and name not in last), *last]


def current_of_test(test: pa.Table, schema: Schema) -> pa.Table:
    """The test rows as a current batch, which may lack labels, has them."""
    audit = [audit.name for audit in schema.audit]
    table = test.select([ROW_KEY, *schema.feature_names, *audit])
    return table.append_column(schema.target, test[schema.target].cast(pa.float64()))


def require_two_classes(rows: int, positive: int, role: str, where: str) -> None:
    """Raises InputError where a split has rows of one class."""
    if not 0 < positive < rows:
        raise InputError(
            f"{where}: the {role} split has {rows:,} rows of one class; change prepare.test_size or the data"
        )


def summary_of(train: int, test: int, current: int, positive: int, schema: Schema) -> str:
    """One line for people; `positive` counts the training rows of the event."""
    return (
        f"prepared {train:,} train, {test:,} test and {current:,} current rows, "
        f"{len(schema.features)} features, {positive / train:.1%} of {schema.target}"
    )


def left_out_words(target: Target) -> list[str]:
    """A sentence on the rows that are left out, where there are any."""
    rows = sum(marker.count for marker in target.left_out)
    values = ", ".join(f"{marker.count:,} {quoted(marker.text)}" for marker in target.left_out)
    return [f"{rows:,} rows are left out, as prepare.classes says: {values}"] if rows else []


def warnings_of(schema: Schema, roles: Roles, rows: int, copies: int, settings: Prepare) -> list[str]:
    """What somebody should look at: columns that are left out unasked, and rows that nothing identifies."""
    asked = {name for name, reason in roles.reasons.items() if reason != COUNTS_THE_ROWS}
    found = [f"column `{one.name}` is dropped: {one.reason}" for one in schema.dropped if one.name not in asked]
    if settings.id_columns:
        return found
    if proposed := identifier_proposals(schema, rows):
        found.append(
            f"column `{proposed[0]}` looks like an identifier: set prepare.id_columns: [{proposed[0]}], or prepare.kinds: "
            f"{{{proposed[0]}: drop}}; without identifiers a row is known by its whole content, and a new column in the file "
            "gives every row another key and another side of the split"
        )
    elif copies:
        found.append(
            f"{copies:,} rows are copies of others, which stay on the same side of the split; if they are different "
            "observations, name the columns that tell them apart in prepare.id_columns"
        )
    return found
