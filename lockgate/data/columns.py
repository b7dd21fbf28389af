"""Reading the cells of a column by what was decided of it: numbers, times, or categories as the text that stood there.

Text is text until a reading says otherwise; what a typed file holds as numbers are numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lockgate.config.errors import InputError
from lockgate.data.markers import are_missing_categories, are_missing_numbers
from lockgate.data.names import MAX_TEXT, in_yaml, kinds_key, kinds_of, quoted
from lockgate.data.number_text import NumberTexts, taken_apart
from lockgate.data.source_table import TEXT_CODES, SourceTable, cell_texts
from lockgate.data.text_cells import DistinctTexts, PlainNumbers, all_true, any_true, distinct_texts, plain_numbers
from lockgate.data.time_text import UTC, times
from lockgate.documents.schema_json import Change, MarkerCount, NumberFormat, Reading

MAX_CATEGORIES = 1000
MAX_NUMBER = float(np.finfo(np.float32).max)  # models compute in float32, where anything larger is infinite


@dataclass(frozen=True)
class ReadColumn:
    """The values of a column, and what it took to read them.

    `values` are int64 (where all are whole and none is missing) or float64, texts (`TEXT_CODES` of such), or times in UTC; null
    where missing.
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
    if cells.type == TEXT_CODES:
        if reading.kind == "categorical":
            return _categories_of_codes(cells, reading)
        cells = cells.cast(pa.string())
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
    if count := table.count(wrong):
        row = pc.index(wrong, True).as_py()
        raise InputError(
            f"{table.name}: weight column `{name}` holds {shown_cell(cells, row)} in {table.place(row)} ({count:,} such); a weight "
            "is a number above 0, and a row that counts for nothing is left out"
        )
    return weights


class UndecidedColumnError(InputError):
    """A column that cannot be used as it is until somebody says what it is for.

    `what` says what it holds, `kind` is what `prepare.kinds` can say of it, `better_key` is a setting that may fit better, in
    words, and `odd_texts` stand among its numbers and may mean missing.
    """

    def __init__(
        self,
        table: SourceTable,
        name: str,
        what: str,
        how_to_fix: str,
        kind: Literal["categorical", "drop"] = "drop",
        better_key: str = "",
        odd_texts: Sequence[str] = (),
    ) -> None:
        super().__init__(f"{table.name}: column `{name}` {what}; {how_to_fix}, or set {kinds_key(name, kind)}")
        self.name, self.what, self.kind = name, what, kind
        self.better_key, self.odd_texts = better_key, tuple(odd_texts)


def refuse_undecided(found: Sequence[UndecidedColumnError], table: SourceTable) -> NoReturn:
    """Raises the InputError of the only column, or one that names all of them and the line of `prepare.kinds` for all."""
    if len(found) == 1:
        raise found[0]
    held = "; ".join(f"`{one.name}` {one.what}" for one in found)
    kinds = kinds_of({one.name: one.kind for one in found})
    texts = ", ".join(dict.fromkeys(in_yaml(text) for one in found for text in one.odd_texts))
    better = [one.better_key for one in found] + [
        f"prepare.read.missing: [{texts}] for texts that mean missing"
    ] * bool(texts)
    fits_better = ", ".join(dict.fromkeys(filter(None, better)))
    raise InputError(
        f"{table.name}: {len(found)} columns need a decision: {held}; set {kinds}"
        + (f", or of these what fits better: {fits_better}" if fits_better else "")
    )


def require_plain_values(name: str, cells: pa.ChunkedArray, table: SourceTable) -> None:
    """Raises UndecidedColumnError where the cells are lists, structures, or bytes that are no text."""
    kind = cells.type
    if pa.types.is_nested(kind):
        raise UndecidedColumnError(table, name, f"holds {kind}", "a table needs one plain value a cell: make it one")
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        raise UndecidedColumnError(table, name, "holds bytes that are no UTF-8 text", "save it as text")


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
    texts = _texts_among(plain, cells, table)
    missing = are_missing_numbers(texts.values, reading.missing)
    written = texts.chosen(pc.invert(missing))
    apart = taken_apart(written.values, number.currency)
    fitting = apart.fit(number)
    if not all_true(fitting):
        refuse_texts(name, cells, written.chosen(pc.invert(fitting)), table)
    numbers = apart.numbers(number).take(written.of_cells)
    values = _merged(plain, numbers) if plain else pa.chunked_array([numbers])
    if values.null_count:
        values = values.cast(pa.float64(), safe=False)
    return ReadColumn(
        _within_limits(name, values, cells, table),
        values.null_count,
        _markers(texts.chosen(missing), cells.null_count),
        _changed(written.values, apart, number),
    )


def _texts_among(plain: PlainNumbers | None, cells: pa.ChunkedArray, table: SourceTable) -> DistinctTexts:
    """The texts of the cells that are no plain numbers."""
    if plain is None:
        return distinct_texts(cells, table.counts)
    return distinct_texts(plain.others, None if table.counts is None else table.counts[plain.are_other])


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
        "negative": any_true(apart.accounting),
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
    is_whole = pa.types.is_integer(kind) and not _beyond_int64(cells)
    values = cells if is_whole else pc.cast(cells, pa.float64(), safe=False)
    if pa.types.is_floating(values.type) and any_true(are_nan := pc.is_nan(values)):
        values = pc.if_else(are_nan, pa.scalar(None, pa.float64()), values)
        counted = _empty(values)
    if named := _as_numbers(reading.missing):
        values, counted = _without_named(values, named, counted)
    values = (
        values.cast(pa.int64()) if is_whole and not values.null_count else pc.cast(values, pa.float64(), safe=False)
    )
    return ReadColumn(_within_limits(name, values, cells, table), values.null_count, counted)


@lru_cache
def _as_numbers(texts: tuple[str, ...]) -> Mapping[float, str]:
    """The numbers that some of the texts are, with their texts; kept, as each batch asks it anew."""
    listed = pa.array(list(texts), pa.string())
    apart = taken_apart(listed)
    fitting = apart.fit(NumberFormat())
    numbers = apart.taken(fitting).numbers(NumberFormat())
    return dict(zip(numbers.to_pylist(), listed.filter(fitting).to_pylist(), strict=True))


def _without_named(
    values: pa.ChunkedArray, named: Mapping[float, str], counted: tuple[MarkerCount, ...]
) -> tuple[pa.ChunkedArray, tuple[MarkerCount, ...]]:
    """Null for numbers that mean missing, such as -999."""
    for number, text in named.items():
        if pa.types.is_integer(values.type):  # pyarrow compares no broken number with whole ones that no float holds
            if not float(number).is_integer() or not np.iinfo(np.int64).min <= number <= np.iinfo(np.int64).max:
                continue
            same = pc.equal(values, pa.scalar(int(number)))
        else:
            same = pc.equal(values, pa.scalar(float(number)))
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
    least, most = pc.min_max(values).as_py().values()
    if least is None or (least > 0 and most <= MAX_NUMBER):
        return values
    if max(-least, most) <= MAX_NUMBER:
        return pc.add(values, 0.0)
    infinite = pc.is_inf(values).fill_null(False)
    if count := table.count(infinite):
        place = table.place(pc.index(infinite, True).as_py())
        raise InputError(
            f"{table.name}: column `{name}` has {count:,} infinite values, the first in {place}; make them missing or finite"
        )
    beyond = pc.greater(pc.abs(values), MAX_NUMBER).fill_null(False)
    row = pc.index(beyond, True).as_py()
    raise InputError(
        f"{table.name}: column `{name}` holds {values[row].as_py():g} in {table.place(row)} ({table.count(beyond):,} such), and "
        f"a model computes with numbers up to {MAX_NUMBER:.2g}; correct the values, make them missing, or use another unit"
    )


def _times(name: str, cells: pa.ChunkedArray, reading: Reading, table: SourceTable) -> ReadColumn:
    """Times that name no zone are taken to be in UTC."""
    texts = distinct_texts(cells, table.counts)
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


def _categories_of_codes(cells: pa.ChunkedArray, reading: Reading) -> ReadColumn:
    """As `_categories_of_texts`, without the note: whoever takes codes counts by a schema, and nobody reads it."""
    values, named = list[pa.Array](), list[pa.Array]()
    for chunk in cells.chunks:
        missing = are_missing_categories(chunk.dictionary, reading.missing)
        codes = chunk.indices
        if any_true(missing):
            gone = missing.take(codes).fill_null(False)
            named.append(chunk.filter(gone).cast(pa.string()))
            codes = pc.if_else(gone, pa.scalar(None, codes.type), codes)
        values.append(pa.DictionaryArray.from_arrays(codes, chunk.dictionary))
    read = pa.chunked_array(values, TEXT_CODES)
    texts = distinct_texts(pa.chunked_array(named, pa.string())) if named else None
    return ReadColumn(read, read.null_count, _markers(texts, cells.null_count) if texts else _empty(cells))


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


def are_codes(categories: Sequence[str]) -> bool:
    """Whether all of these texts are numbers, or all truth values: a program that reads a table by itself has no texts there."""
    values = [plain_value(text) for text in categories]
    return all(isinstance(value, float) for value in values) or set(values) <= {"true", "false"}


def plain_value(text: str) -> float | str:
    """What the text is apart from how it is written: a number, a truth value without case, or itself."""
    if text.lower() in {"true", "false"}:
        return text.lower()
    try:
        return float(text) if text.isascii() and "_" not in text else text
    except ValueError:
        return text


def _markers(missing: DistinctTexts, nulls: int = 0) -> tuple[MarkerCount, ...]:
    counts: Counter[str] = Counter()
    for text, count in missing.most_frequent():
        counts[text[:MAX_TEXT]] += count  # white space may be of any length, what schema.json holds not
    if nulls:
        counts[""] += nulls
    return tuple(
        MarkerCount(text, count) for text, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )


def _empty(cells: pa.ChunkedArray) -> tuple[MarkerCount, ...]:
    return (MarkerCount("", cells.null_count),) if cells.null_count else ()
