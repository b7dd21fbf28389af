"""Turning columns as they were read into columns of a kind: numbers, or categories as text."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from pandas.api import types

from lockgate.config.errors import InputError
from lockgate.data.names import quoted
from lockgate.documents.schema_json import Kind

MAX_CATEGORIES = 1000
MAX_NUMBER = float(np.finfo(np.float32).max)  # models compute in float32, where anything larger is infinite


def infer_kind(column: pd.Series, where: str) -> Kind:
    """The kind of a column nobody declared: numbers are numeric, text and truth values are categorical.

    Raises InputError for dates, and for text with more distinct values than a category has.
    """
    name = column.name
    if types.is_bool_dtype(column):
        return "categorical"
    if types.is_numeric_dtype(column):
        return "numeric"
    if types.is_datetime64_any_dtype(column) or types.is_timedelta64_dtype(column):
        raise InputError(
            f"{where}: column `{name}` holds dates; name it as prepare.time_column, turn it into a number, "
            f"or set prepare.kinds: {{{name}: drop}}"
        )
    distinct = column.nunique()
    if distinct > MAX_CATEGORIES:
        odd = _text_among_numbers(column)
        hint = f"it looks numeric but for {odd}" if odd else "name it in prepare.id_columns if it identifies rows"
        raise InputError(
            f"{where}: column `{name}` has {distinct:,} distinct texts; {hint}, or set prepare.kinds: {{{name}: drop}}"
        )
    return "categorical"


def to_kind(column: pd.Series, kind: Kind, where: str) -> pd.Series:
    """The column as numbers (int64, or float64 where values are missing) or as text with None for missing.

    Raises InputError where a numeric column holds text, or a number that a model cannot compute with.
    """
    return to_numeric(column, where) if kind == "numeric" else to_text(column)


def to_numeric(column: pd.Series, where: str) -> pd.Series:
    """Numbers of `column`: int64 if all are whole and none is missing, else float64.

    Raises InputError naming the first value that is no number, and infinite values and such as float32 cannot hold.
    """
    name = column.name
    if types.is_numeric_dtype(column) or types.is_bool_dtype(column) or column.isna().all():
        numbers = pd.to_numeric(column, errors="coerce")
    elif types.is_datetime64_any_dtype(column) or types.is_timedelta64_dtype(column):
        raise InputError(f"{where}: column `{name}` holds dates where numbers belong; fix the column or prepare.kinds")
    else:
        numbers = pd.to_numeric(column, errors="coerce")
        bad = numbers.isna() & column.notna()
        if bad.any():
            position = int(np.flatnonzero(bad.to_numpy())[0])
            raise InputError(
                f"{where}: column `{name}` is numeric, but row {position + 1} holds {quoted(column.iloc[position])} "
                f"({int(bad.sum()):,} such); fix the values or set prepare.kinds: {{{name}: categorical}}"
            )
    values = numbers.to_numpy(dtype="float64", na_value=np.nan)
    infinite = np.isinf(values)
    if infinite.any():
        row = int(np.flatnonzero(infinite)[0]) + 1
        raise InputError(
            f"{where}: column `{name}` has {int(infinite.sum()):,} infinite values, the first in row {row}; "
            "make them missing or finite"
        )
    beyond = np.abs(values) > MAX_NUMBER
    if beyond.any():
        row = int(np.flatnonzero(beyond)[0])
        raise InputError(
            f"{where}: column `{name}` holds {values[row]:g} in row {row + 1} ({int(beyond.sum()):,} such), and a model "
            f"computes with numbers up to {MAX_NUMBER:.2g}; correct the values, make them missing, or use another unit"
        )
    if types.is_integer_dtype(numbers) and not numbers.isna().any() and numbers.max() <= np.iinfo("int64").max:
        return pd.Series(numbers.to_numpy(dtype="int64"), index=column.index, name=name)
    # One zero: -0.0 would be another row key and another byte, but no other value.
    return pd.Series(values + 0.0, index=column.index, name=name)


def checked_weights(column: pd.Series, where: str) -> pd.Series:
    """What each row counts, float64; raises InputError unless every value is a number above 0 and their sum is finite."""
    weights = to_numeric(column, where).astype("float64")
    wrong = ~(weights > 0).to_numpy()
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"{where}: weight column `{column.name}` holds {quoted(column.iloc[row])} in row {row + 1} ({int(wrong.sum()):,} "
            "such); a weight is a number above 0, and a row that counts for nothing is left out"
        )
    return weights


def to_text(column: pd.Series) -> pd.Series:
    """Values as text, the same for 2, 2.0 and "2"; missing stays missing."""
    missing = column.isna().to_numpy()
    text = np.array([_value_text(value) for value in column.to_numpy(dtype=object)], dtype=object)
    text[missing] = None
    return pd.Series(text, index=column.index, name=column.name, dtype="str")


def texts_that_are_numbers(values: Iterable[str]) -> bool:
    """Whether any of these category names is a number's text, so that the column may be read as numbers."""
    return any(_is_number(value) for value in values)


def _value_text(value: object) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (int, float, np.number)):
        return _number_text(value)
    return str(value)


def _number_text(value: object) -> str:
    if isinstance(value, (int, np.integer)):
        return str(int(value))  # exactly: beyond 2^53 two numbers share a float
    number = float(value)  # type: ignore[arg-type]
    return str(int(number)) if number.is_integer() else repr(number)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text in {"true", "false"}
    return True


def _text_among_numbers(column: pd.Series) -> str | None:
    """The first text of a column that otherwise holds numbers, or None where it mostly holds text."""
    numbers = pd.to_numeric(column, errors="coerce")
    bad = numbers.isna() & column.notna()
    if not bad.any() or bad.mean() > 0.5:
        return None
    position = int(np.flatnonzero(bad.to_numpy())[0])
    return f"{quoted(column.iloc[position])} in row {position + 1}"
