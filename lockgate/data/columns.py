"""Reading the cells of a column by what was decided of it: numbers, times, or categories as the text that stood there.

Text is text until a reading says otherwise; what a typed file holds as numbers are numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandas.api import types

from lockgate.config.errors import InputError
from lockgate.data.markers import are_missing_categories, are_missing_numbers
from lockgate.data.names import in_yaml, kinds_key, quoted
from lockgate.data.number_text import NumberTexts, taken_apart
from lockgate.data.source_table import SourceTable, cell_texts
from lockgate.data.text_cells import DistinctTexts, PlainNumbers, all_true, any_true, distinct_texts, plain_numbers
from lockgate.data.time_text import UTC, times
from lockgate.documents.schema_json import Change, Kind, MarkerCount, NumberFormat, Reading

MAX_CATEGORIES = 1000
MAX_NUMBER = float(np.finfo(np.float32).max)  # models compute in float32, where anything larger is infinite


@dataclass(frozen=True)
class ReadColumn:
    """The values of a column, and what it took to read them.

    `values` are int64 (where all are whole and none is missing) or float64, texts, or times in UTC; null where missing.
    `markers` are the texts of the missing cells, the most frequent first. `changed` says what was done to texts.
    `note` is a sentence on what a reader may not expect, empty where there is nothing to say.
    """

    values: pa.ChunkedArray
    missing: int
    markers: tuple[MarkerCount, ...]
    changed: tuple[Change, ...] = ()
    note: str = ""


def read_column(
    name: str, cells: pa.ChunkedArray, reading: Reading, table: SourceTable, categories: Sequence[str] = ()
) -> ReadColumn:
    """The cells of a column of `table`, read as `reading` says.

    A category is the text of its cell. `categories` are those that are known: a cell of a typed file, 1.0 or true, is the
    one of them that is the same number ("1", "1.0") or truth value ("True"), where there is one and its own text is none.
    Raises InputError where a column of numbers or times holds something else, or a number that no model can compute with, and
    where a column holds no plain values at all.
    """
    require_plain_values(name, cells, table)
    if reading.kind == "categorical":
        if is_text(cells.type):
            return _categories_of_texts(cells.cast(pa.string()), reading)
        return _categories_of_values(name, cells, reading, table, categories)
    if not is_text(cells.type):
        read = _typed_numbers if reading.kind == "numeric" else _typed_times
        return read(name, cells, reading, table)
    read_texts = _numbers if reading.kind == "numeric" else _times
    return read_texts(name, cells.cast(pa.string()), reading, table)


def read_weights(name: str, cells: pa.ChunkedArray, reading: Reading, table: SourceTable) -> pa.ChunkedArray:
    """What each row counts, float64; raises InputError unless every cell is a number above 0."""
    weights = read_column(name, cells, reading, table).values.cast(pa.float64())
    wrong = pc.invert(pc.greater(weights, 0)).fill_null(True)
    if count := pc.sum(wrong).as_py():
        row = pc.index(wrong, True).as_py()
        raise InputError(
            f"{table.name}: weight column `{name}` holds {shown_cell(cells, row)} in {table.place(row)} ({count:,} such); a weight "
            "is a number above 0, and a row that counts for nothing is left out"
        )
    return weights


def require_plain_values(name: str, cells: pa.ChunkedArray, table: SourceTable) -> None:
    """Raises InputError where the cells are lists, structures, or bytes that are no text."""
    kind = cells.type
    if pa.types.is_nested(kind):
        raise InputError(
            f"{table.name}: column `{name}` holds {kind}; a table needs one plain value a cell: make it one, or set "
            f"{kinds_key(name, 'drop')}"
        )
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        raise InputError(
            f"{table.name}: column `{name}` holds bytes that are no UTF-8 text; save it as text, or set "
            f"{kinds_key(name, 'drop')}"
        )


def is_text(kind: pa.DataType) -> bool:
    """Whether a file holds a column of this type as texts."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_number(kind: pa.DataType) -> bool:
    """Whether a file holds a column of this type as numbers."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def shown_cell(cells: pa.ChunkedArray, row: int) -> str:
    """A cell as a message shows it."""
    return quoted(cell_texts(cells.slice(row, 1))[0].as_py() or "")


def place_of(cells: pa.ChunkedArray, texts: pa.Array, table: SourceTable) -> tuple[str, str]:
    """Where the first cell with one of these texts stands, and its text."""
    row = pc.index(pc.is_in(cells, texts), True).as_py()
    return table.place(row), cells[row].as_py()


def _numbers(name: str, cells: pa.ChunkedArray, reading: Reading, table: SourceTable) -> ReadColumn:
    number = reading.number or NumberFormat()
    plain = plain_numbers(cells, reading.missing) if _takes_plain_numbers(number) else None
    texts = distinct_texts(plain.others if plain else cells)
    missing = are_missing_numbers(texts.values, reading.missing)
    written = texts.chosen(pc.invert(missing))
    apart = taken_apart(written.values, number.currency)
    fitting = apart.fit(number)
    if not all_true(fitting):
        refuse_texts(name, cells, written.chosen(pc.invert(fitting)), table)
    numbers = apart.numbers(number).take(written.of_cells)
    values = _merged(plain, numbers) if plain else pa.chunked_array([numbers])
    if values.null_count:
        values = values.cast(pa.float64())
    return ReadColumn(
        _within_limits(name, values, cells, table),
        values.null_count,
        _markers(texts.chosen(missing), cells.null_count),
        _changed(written.values, apart, number),
    )


def _takes_plain_numbers(number: NumberFormat) -> bool:
    return number.decimal == "." and not number.percent and (not number.currency or number.unit_optional)


def _merged(plain: PlainNumbers, others: pa.Array) -> pa.ChunkedArray:
    """One column of the numbers that are written plainly and of those of the other cells."""
    if others.null_count == len(others):
        return plain.values
    kind = plain.values.type if plain.values.type == others.type else pa.float64()
    return pc.replace_with_mask(plain.values.cast(kind), pa.array(plain.are_other), others.cast(kind))


def refuse_texts(name: str, cells: pa.ChunkedArray, bad: DistinctTexts, table: SourceTable) -> NoReturn:
    """Raises InputError for the first of the texts `bad` in a column of numbers."""
    place, text = place_of(cells, bad.values, table)
    raise InputError(
        f"{table.name}: column `{name}` is numeric, but {place} holds {quoted(text)} ({bad.total:,} such); correct "
        f"the cells, or say how they are meant: prepare.read.missing: [{in_yaml(text)}] (or decimal, thousands, percent, currency "
        f"of prepare.read), or {kinds_key(name, 'categorical')}"
    )


def _changed(texts: pa.Array, apart: NumberTexts, number: NumberFormat) -> tuple[Change, ...]:
    """What was done to make numbers of these texts."""
    happened: dict[Change, bool] = {
        "stripped": _has_spaces_around(texts),
        "percent": number.percent and len(texts) > 0,
        "currency": bool(number.currency) and len(texts) > 0,
        "thousands": bool(number.thousands) and _any_holds(apart.digits, number.thousands),
        "decimal": number.decimal == "," and _any_holds(apart.digits, ","),
    }
    return tuple(change for change, so in happened.items() if so)


def _any_holds(texts: pa.Array, part: str) -> bool:
    return any_true(pc.match_substring(texts, part))


def _has_spaces_around(texts: pa.Array) -> bool:
    return not pc.utf8_trim_whitespace(texts).equals(texts)


def _typed_numbers(name: str, cells: pa.ChunkedArray, reading: Reading, table: SourceTable) -> ReadColumn:
    kind = cells.type
    if pa.types.is_temporal(kind):
        raise InputError(
            f"{table.name}: column `{name}` holds dates where numbers belong; correct the column or prepare.kinds"
        )
    counted = _empty(cells)
    if pa.types.is_boolean(kind):
        cells = cells.cast(pa.int8()).cast(pa.float64())
    values = cells if pa.types.is_integer(kind) else pc.cast(cells, pa.float64(), safe=False)
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, pa.float64()), values)
        counted = _empty(values)
    if named := _as_numbers(reading.missing):
        values, counted = _without_named(values, named, counted)
    if values.null_count or not pa.types.is_integer(kind) or _beyond_int64(values):
        values = pc.cast(values, pa.float64(), safe=False)
    else:
        values = values.cast(pa.int64())
    return ReadColumn(_within_limits(name, values, cells, table), values.null_count, counted)


def _as_numbers(texts: Iterable[str]) -> dict[float, str]:
    """The numbers that some of the texts are, with their texts."""
    listed = pa.array(list(texts), pa.string())
    apart = taken_apart(listed)
    fitting = apart.fit(NumberFormat())
    numbers = apart.taken(fitting).numbers(NumberFormat())
    return dict(zip(numbers.to_pylist(), listed.filter(fitting).to_pylist(), strict=True))


def _without_named(
    values: pa.ChunkedArray, named: dict[float, str], counted: tuple[MarkerCount, ...]
) -> tuple[pa.ChunkedArray, tuple[MarkerCount, ...]]:
    """Null for numbers that mean missing, such as -999."""
    for number, text in named.items():
        same = pc.equal(values, pa.scalar(number))
        if count := pc.sum(same).as_py():
            values = pc.if_else(same, pa.scalar(None, values.type), values)
            counted = (*counted, MarkerCount(text, count))
    return values, tuple(sorted(counted, key=lambda one: (-one.count, one.text)))


def _beyond_int64(values: pa.ChunkedArray) -> bool:
    if not pa.types.is_uint64(values.type):
        return False
    return any_true(pc.greater(values, pa.scalar(np.iinfo(np.int64).max, pa.uint64())))


def _within_limits(name: str, values: pa.ChunkedArray, cells: pa.ChunkedArray, table: SourceTable) -> pa.ChunkedArray:
    """The numbers, with one zero: -0.0 would be another row key and another byte, but no other value.

    Raises InputError for infinite ones, and for those that float32 cannot hold.
    """
    if not len(values) or pa.types.is_integer(values.type):
        return values  # 64 bits end long before float32 does
    ends = pc.min_max(values).as_py()
    if ends["min"] is None or max(-ends["min"], ends["max"]) <= MAX_NUMBER:
        return pc.add(values, 0.0)
    infinite = pc.is_inf(values).fill_null(False)
    if count := pc.sum(infinite).as_py():
        place = table.place(pc.index(infinite, True).as_py())
        raise InputError(
            f"{table.name}: column `{name}` has {count:,} infinite values, the first in {place}; make them missing or finite"
        )
    beyond = pc.greater(pc.abs(values), MAX_NUMBER).fill_null(False)
    row = pc.index(beyond, True).as_py()
    raise InputError(
        f"{table.name}: column `{name}` holds {values[row].as_py():g} in {table.place(row)} ({pc.sum(beyond).as_py():,} such), and "
        f"a model computes with numbers up to {MAX_NUMBER:.2g}; correct the values, make them missing, or use another unit"
    )


def _times(name: str, cells: pa.ChunkedArray, reading: Reading, table: SourceTable) -> ReadColumn:
    """Times that name no zone are taken to be in UTC."""
    texts = distinct_texts(cells)
    missing = are_missing_numbers(texts.values, reading.missing)
    written = texts.chosen(pc.invert(missing))
    found = times(pc.utf8_trim_whitespace(written.values), reading.dates)
    if found.null_count:
        bad = written.chosen(found.is_null())
        place, text = place_of(cells, bad.values, table)
        wanted = f"time of the format {reading.dates}" if reading.dates else "ISO 8601 time or number"
        raise InputError(
            f"{table.name}: time column `{name}` {place} holds {quoted(text)} ({bad.total:,} such), which is no "
            f"{wanted}; write it as 2026-01-31, or name the format of the column in prepare.read.dates"
        )
    changed: list[Change] = ["stripped"] if _has_spaces_around(written.values) else []
    changed += ["dates"] if reading.dates else []
    values = pa.chunked_array([found.take(written.of_cells)])
    return ReadColumn(values, values.null_count, _markers(texts.chosen(missing), cells.null_count), tuple(changed))


def _typed_times(name: str, cells: pa.ChunkedArray, reading: Reading, table: SourceTable) -> ReadColumn:
    kind = cells.type
    if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        raise InputError(
            f"{table.name}: time column `{name}` holds {kind} where the training data have dates; correct the column"
        )
    zone = kind.tz if pa.types.is_timestamp(kind) else None
    values = cells.cast(pa.timestamp("us", zone), safe=False).cast(UTC)
    return ReadColumn(values, values.null_count, _empty(values))


def _categories_of_texts(cells: pa.ChunkedArray, reading: Reading) -> ReadColumn:
    missing = are_missing_categories(cells, reading.missing)
    values = pc.if_else(missing, pa.scalar(None, pa.string()), cells)
    markers = _markers(distinct_texts(cells.filter(missing)), cells.null_count)
    return ReadColumn(values, values.null_count, markers, note=_note_on_zeros(values))


def _note_on_zeros(values: pa.ChunkedArray) -> str:
    """What to say of texts that are all digits, some with a zero in front."""
    texts = pc.unique(values.drop_null())
    zeros = texts.filter(pc.match_substring_regex(texts, r"^[+-]?0\d"))
    if not len(zeros) or not all_true(taken_apart(texts).fit(NumberFormat())):
        return ""
    return (
        f"digits with a zero in front, such as {quoted(zeros[0])}, are text; prepare.kinds: numeric makes them numbers"
    )


def _categories_of_values(
    name: str, cells: pa.ChunkedArray, reading: Reading, table: SourceTable, categories: Sequence[str]
) -> ReadColumn:
    if pa.types.is_floating(cells.type):
        cells = pc.if_else(pc.is_nan(cells), pa.scalar(None, cells.type), cells)
    if categories and is_number(cells.type) and cells.null_count < len(cells) and not _numbers_among(categories):
        raise InputError(
            f"{table.name}: column `{name}` is categorical (such as {quoted(categories[0])}), but holds numbers; correct the "
            "file, or train on data of its new type"
        )
    encoded = pa.chunked_array(cells.chunks, cells.type).dictionary_encode().combine_chunks()
    texts = cell_texts(pa.chunked_array([encoded.dictionary])).to_pylist()
    same = SameValue(categories)
    found = pa.array(
        [None if text is None or text in reading.missing else same.text_of(text) for text in texts], pa.string()
    )
    values = pa.chunked_array([found.take(encoded.indices)])
    named = distinct_texts(
        pa.chunked_array([pa.array(texts, pa.string()).take(encoded.indices)]).filter(values.is_null())
    )
    return ReadColumn(values, values.null_count, _markers(named, cells.null_count))


def _numbers_among(categories: Iterable[str]) -> bool:
    return any(isinstance(plain_value(text), float) for text in categories)


class SameValue:
    """Which of some texts a typed value is: 1 is "1", else "1.0" or "01"; true is "true", else "True"."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = set(texts)
        self._by_value: dict[float | str, list[str]] = {}
        for text in sorted(self._texts):
            self._by_value.setdefault(plain_value(text), []).append(text)

    def text_of(self, text: str) -> str:
        """The one of the texts that is the same value as `text`; `text` itself where it is one, or none or several are."""
        if text in self._texts:
            return text
        found = self._by_value.get(plain_value(text), [])
        return found[0] if len(found) == 1 else text


def plain_value(text: str) -> float | str:
    """What the text is apart from how it is written: a number, a truth value without case, or itself."""
    if text.lower() in {"true", "false"}:
        return text.lower()
    try:
        return float(text) if text.isascii() and "_" not in text else text
    except ValueError:
        return text


def _markers(missing: DistinctTexts, nulls: int = 0) -> tuple[MarkerCount, ...]:
    counts = dict(missing.most_frequent())
    if nulls:
        counts[""] = counts.get("", 0) + nulls
    return tuple(
        MarkerCount(text, count) for text, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )


def _empty(cells: pa.ChunkedArray) -> tuple[MarkerCount, ...]:
    return (MarkerCount("", cells.null_count),) if cells.null_count else ()


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
