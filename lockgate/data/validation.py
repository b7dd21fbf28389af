"""The schema as checks, run wherever data is read; the first column that fails one as one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
from pandas.api import types

from lockgate.config.errors import InputError
from lockgate.documents.schema_json import ROW_KEY, Feature, Schema

if TYPE_CHECKING:
    import pandas as pd

# What is ours to demand: of labelled data names, types, bounds and labels; of a current batch names and types only,
# since its unseen categories and extremes are what drift is to count.
Role = Literal["train", "test", "current"]

# What is wrong and how to fix it, by what a value must not be.
BELOW = "is below the lowest value allowed; correct the rows or prepare.bounds"
ABOVE = "is above the highest value allowed; correct the rows or prepare.bounds"
UNKNOWN = "has a value that the schema does not know; prepare the data again"
MISSING = "must not be missing; fill it or leave the rows out"
NO_WEIGHT = "must be above 0; leave out rows that count for nothing"
COPIED = "must be there once; remove the copies"

# Which rows fail, and what that means to the reader.
Failure = tuple["pd.Series[bool]", str]


# A column by its name: made when it is looked at, so that an Arrow table is never a data frame as a whole.
Columns = Callable[[str], "pd.Series"]


def check_frame(frame: pd.DataFrame, schema: Schema, role: Role, where: str) -> None:
    """Raises InputError with one line that names the column and how to fix it where `frame` does not follow `schema`."""

    def is_kind(feature: Feature) -> bool:
        values = frame[feature.name]
        if feature.kind == "numeric":
            return bool(types.is_numeric_dtype(values) and not types.is_bool_dtype(values))
        return bool(types.is_string_dtype(values))

    _check(list(frame.columns), frame.__getitem__, is_kind, schema, role, where)


def check_table(table: pa.Table, schema: Schema, role: Role, where: str) -> None:
    """`check_frame` of an Arrow table."""

    def is_kind(feature: Feature) -> bool:
        kind = table.schema.field(feature.name).type
        if feature.kind == "numeric":
            return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))
        texts = kind.value_type if pa.types.is_dictionary(kind) else kind
        return bool(pa.types.is_string(texts) or pa.types.is_large_string(texts))

    def column(name: str) -> pd.Series:
        made: pd.Series = table.column(name).to_pandas()
        return made.rename(name)

    _check(table.column_names, column, is_kind, schema, role, where)


def _check(
    names: list[str], column: Columns, is_kind: Callable[[Feature], bool], schema: Schema, role: Role, where: str
) -> None:
    needed = schema.feature_names
    if role != "current":
        needed = [*needed, ROW_KEY, schema.target, *([schema.weight_column] if schema.weight_column else [])]
        needed += [audit.name for audit in schema.audit]
    for name in needed:
        if name not in names:
            raise InputError(f"{where}: column `{name}` is missing; bring it back or take it out of the training data")
    for feature in schema.features:
        if not is_kind(feature):
            wanted = "numbers" if feature.kind == "numeric" else "text"
            raise InputError(
                f"{where}: column `{feature.name}` must hold {wanted}; correct the column or prepare.kinds"
            )
        if role != "current":
            values = column(feature.name)
            _refuse(values, _feature_failures(values, feature, role), where)
    if role != "current":
        for values, failures in _own_failures(column, schema):
            _refuse(values, failures, where)


def _feature_failures(column: pd.Series, feature: Feature, role: Role) -> Iterator[Failure]:
    if feature.minimum is not None:
        yield column < feature.minimum, BELOW
    if feature.maximum is not None:
        yield column > feature.maximum, ABOVE
    if role == "train" and feature.kind == "categorical":
        yield column.notna() & ~column.isin(feature.categories), UNKNOWN


def _own_failures(column: Columns, schema: Schema) -> Iterator[tuple[pd.Series, list[Failure]]]:
    """The columns that are the kit's own or named in `prepare`, which are never missing."""
    key, target = column(ROW_KEY), column(schema.target)
    yield key, [(key.isna(), MISSING), (key.duplicated(keep=False), COPIED)]
    yield target, [(target.isna(), MISSING), (~target.isin([0, 1]), UNKNOWN)]
    if schema.weight_column:
        weight = column(schema.weight_column)
        yield weight, [(weight.isna(), MISSING), (~(weight > 0), NO_WEIGHT)]


def _refuse(column: pd.Series, failures: Iterator[Failure] | list[Failure], where: str) -> None:
    for failing, meaning in failures:
        rows = column[failing.fillna(False).astype(bool)]
        if len(rows):
            shown = f"({len(rows):,} rows, the first with {rows.iloc[0]})"
            raise InputError(f"{where}: column `{column.name}` {shown} {meaning}")
