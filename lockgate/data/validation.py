"""The schema as checks, run wherever data is read; the first column that fails one as one line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

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


def check_frame(frame: pd.DataFrame, schema: Schema, role: Role, where: str) -> None:
    """Raises InputError with one line that names the column and how to fix it where `frame` does not follow `schema`."""
    names = schema.feature_names
    if role != "current":
        names = [*names, ROW_KEY, schema.target, *([schema.weight_column] if schema.weight_column else [])]
        names += [audit.name for audit in schema.audit]
    for name in names:
        if name not in frame.columns:
            raise InputError(f"{where}: column `{name}` is missing; bring it back or take it out of the training data")
    for feature in schema.features:
        column = frame[feature.name]
        if not _is_kind(column, feature):
            wanted = "numbers" if feature.kind == "numeric" else "text"
            raise InputError(
                f"{where}: column `{feature.name}` must hold {wanted}; correct the column or prepare.kinds"
            )
        _refuse(column, _feature_failures(column, feature, role), where)
    if role != "current":
        for name, failures in _own_failures(frame, schema):
            _refuse(frame[name], failures, where)


def _is_kind(column: pd.Series, feature: Feature) -> bool:
    if feature.kind == "numeric":
        return bool(types.is_numeric_dtype(column) and not types.is_bool_dtype(column))
    return bool(types.is_string_dtype(column))


def _feature_failures(column: pd.Series, feature: Feature, role: Role) -> Iterator[Failure]:
    if role == "current":
        return
    if feature.minimum is not None:
        yield column < feature.minimum, BELOW
    if feature.maximum is not None:
        yield column > feature.maximum, ABOVE
    if role == "train" and feature.kind == "categorical":
        yield column.notna() & ~column.isin(feature.categories), UNKNOWN


def _own_failures(frame: pd.DataFrame, schema: Schema) -> Iterator[tuple[str, list[Failure]]]:
    """The columns that are the kit's own or named in `prepare`, which are never missing."""
    key, target = frame[ROW_KEY], frame[schema.target]
    yield ROW_KEY, [(key.isna(), MISSING), (key.duplicated(keep=False), COPIED)]
    yield schema.target, [(target.isna(), MISSING), (~target.isin([0, 1]), UNKNOWN)]
    if schema.weight_column:
        weight = frame[schema.weight_column]
        yield schema.weight_column, [(weight.isna(), MISSING), (~(weight > 0), NO_WEIGHT)]


def _refuse(column: pd.Series, failures: Iterator[Failure] | list[Failure], where: str) -> None:
    for failing, meaning in failures:
        rows = column[failing.fillna(False).astype(bool)]
        if len(rows):
            shown = f"({len(rows):,} rows, the first with {rows.iloc[0]})"
            raise InputError(f"{where}: column `{column.name}` {shown} {meaning}")
