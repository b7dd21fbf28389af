"""Deciding, from the training data, how a column is read from then on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lockgate.config.errors import InputError
from lockgate.config.params import Read
from lockgate.data.columns import (
    MAX_CATEGORIES,
    UndecidedColumnError,
    is_number,
    is_text,
    place_of,
    refuse_texts,
    require_plain_values,
)
from lockgate.data.markers import MARKERS_AMONG_CATEGORIES, are_missing_categories, are_missing_numbers
from lockgate.data.names import in_yaml, kinds_key, quoted
from lockgate.data.number_text import PERCENT, NumberTexts, in_known_notation, taken_apart, unit_of
from lockgate.data.source_table import SourceTable
from lockgate.data.text_cells import DistinctTexts, PlainNumbers, all_true, any_true, distinct_texts, plain_numbers
from lockgate.data.time_text import formats_of, nearest_format, times
from lockgate.documents.schema_json import MAX_DISTINCT, Decimal, Kind, NumberFormat, Reading, Thousands

MAX_EXAMPLES = 5
MAX_LABELS = 12  # distinct texts in the notation of a number that may well be labels, such as terms: 1M, 3M, 6M, 12M
IDENTIFIES = "prepare.id_columns for what identifies rows"
SAMPLE_CELLS = 1_000  # of each other column, where only they can tell what a comma is
_POINTS_AS_THOUSANDS = r"^[+-]?(?:\d+|[1-9]\d{0,2}(?:\.\d{3})+)$"
_LEADING_ZERO = r"^[+-]?0\d"
# Numbers whose sign, a point or a comma, can only be the decimal one: it does not stand before groups of three digits. A
# percent sign or a currency may stand beside them.
_SURELY_DECIMAL = {
    sign: rf"^[+-]?(?:[$€£]\s?)?(?:\d*{sign}(?:\d{{1,2}}|\d{{4,}})|0{sign}\d+|\d{{4,}}{sign}\d+)(?:\s?[%$€£]|\s[A-Z]{{3}})?$"
    for sign in (r"\.", ",")
}


def decide(name: str, cells: pa.ChunkedArray, read: Read, declared: Kind | None, table: SourceTable) -> Reading:
    """How the cells of a column are read from now on: by what it is declared to be, and by all of its cells.

    Raises UndecidedColumnError where it holds anything but one plain value a cell, or numbers that can be read in two ways; and
    where it is not declared and holds dates, too many different texts for categories, texts of which at least half are numbers
    and the others are not, nor known to mean missing, or numbers in a notation that is not read. Raises InputError where it is
    declared numeric and holds something else, and where its numbers are not written as `read` says.
    """
    require_plain_values(name, cells, table)
    if declared == "categorical":
        return Reading("categorical", tuple(read.missing))
    if not is_text(cells.type):
        return _decide_typed(name, cells, read, declared, table)
    cells = cells.cast(pa.string())
    number = _number_format(name, cells, read, declared, table)
    if number is not None:
        return Reading("numeric", tuple(read.missing), number)
    reading = Reading("categorical", (*MARKERS_AMONG_CATEGORIES, *read.missing))
    _require_few_texts(name, cells, reading, table)
    return reading


def decide_times(name: str, cells: pa.ChunkedArray, read: Read, table: SourceTable) -> Reading:
    """How the cells of the time column are read: as numbers, as ISO 8601, or in the one other format that all of them have.

    Raises InputError where some are in none of these, or where their format could be two.
    """
    require_plain_values(name, cells, table)
    missing = tuple(read.missing)
    if pa.types.is_timestamp(cells.type) or pa.types.is_date(cells.type):
        return Reading("time", missing)
    if is_number(cells.type):
        return Reading("numeric", missing, _default_format(name, read, table))
    if not is_text(cells.type):
        raise InputError(f"{table.name}: time column `{name}` holds {cells.type}; make it a date or a number")
    if read.dates is not None:
        return Reading("time", missing, dates=read.dates)
    cells = cells.cast(pa.string())
    texts = _written(cells, read).values
    trimmed = pc.utf8_trim_whitespace(texts)
    if all_true(taken_apart(trimmed).without_accounting().fit(NumberFormat())):
        return Reading("numeric", missing, _default_format(name, read, table))
    found = formats_of(trimmed)
    if len(found) == 1:
        return Reading("time", missing, dates=found[0])
    place, text = place_of(
        cells, texts if found else texts.filter(times(trimmed, nearest_format(trimmed)).is_null()), table
    )
    if found:
        raise InputError(
            f"{table.name}: time column `{name}` {place} holds {quoted(text)}, and its cells can be read as "
            f"{' and as '.join(quoted(one) for one in found)}; say which in prepare.read.dates"
        )
    raise InputError(
        f"{table.name}: time column `{name}` {place} holds {quoted(text)}, which is no ISO 8601 time or number, "
        "and not all cells have one other format; write it as 2026-01-31, or name the format in prepare.read.dates, such as "
        "'%d/%m/%Y'"
    )


def _decide_typed(name: str, cells: pa.ChunkedArray, read: Read, declared: Kind | None, table: SourceTable) -> Reading:
    if declared is None and pa.types.is_temporal(cells.type):
        _refuse_dates(name, "dates", table)
    if declared is None and pa.types.is_boolean(cells.type):
        return Reading("categorical", (*MARKERS_AMONG_CATEGORIES, *read.missing))
    return Reading("numeric", tuple(read.missing), _default_format(name, read, table))


def _number_format(
    name: str, cells: pa.ChunkedArray, read: Read, declared: Kind | None, table: SourceTable
) -> NumberFormat | None:
    """The format of the column's numbers; None where it holds categories."""
    plain = plain_numbers(cells, read.missing)
    if plain is not None:
        texts = _written(plain.others, read)
        if not texts.total and not _may_be_otherwise(plain, cells, read, table):
            if declared is None and plain.leading_zeros:
                return None
            if pa.types.is_integer(plain.values.type):
                return _default_format(name, read, table)
            return NumberFormat(thousands=read.thousands or "")
    texts = _written(cells, read, table.counts)
    if not texts.total:
        return _default_format(name, read, table)
    return _format_of_texts(name, cells, texts, read, declared, table)


def _written(cells: pa.ChunkedArray, read: Read, counts: np.ndarray | None = None) -> DistinctTexts:
    """The texts that do not mean missing."""
    texts = distinct_texts(cells, counts)
    return texts.chosen(pc.invert(are_missing_numbers(texts.values, read.missing)))


def _may_be_otherwise(plain: PlainNumbers, cells: pa.ChunkedArray, read: Read, table: SourceTable) -> bool:
    """Whether numbers with points, 1.234, are whole ones with thousands, 1234, or are none by the project's settings."""
    if pa.types.is_integer(plain.values.type) or read.decimal == ".":
        return False
    if read.decimal == "," or read.thousands == ".":
        return True
    if read.thousands == "," or table.separator == ",":
        return False
    for part in (slice(0, SAMPLE_CELLS), slice(0, len(cells))):
        written = pc.match_substring_regex(cells[part], _POINTS_AS_THOUSANDS)
        if not all_true(pc.or_(written, plain.values[part].is_null())):
            return False
    return True


@dataclass(frozen=True)
class _Fit:
    """A format, which of the different texts are numbers in it, and how many cells that are."""

    number: NumberFormat
    fitting: pa.Array
    count: int


def _format_of_texts(
    name: str, cells: pa.ChunkedArray, texts: DistinctTexts, read: Read, declared: Kind | None, table: SourceTable
) -> NumberFormat | None:
    apart = taken_apart(texts.values, read.currency)
    if declared is None and not _has_balances(apart):
        apart = apart.without_accounting()
    best = [max(fits, key=lambda fit: fit.count) for fits in _fits(texts, apart, read)]
    fitting_all = [fit for fit in best if fit.count == texts.total]
    chosen = max(best, key=lambda fit: fit.count)
    if len(fitting_all) > 1:
        chosen = _told_apart(name, cells, texts, fitting_all, table)
    others = texts.chosen(pc.invert(chosen.fitting))
    if declared == "numeric":
        if others.total:
            refuse_texts(name, cells, others, table)
        return chosen.number
    if any_true(pc.match_substring_regex(apart.digits, _LEADING_ZERO), chosen.fitting, pc.equal(apart.units, "")):
        return None
    if not others.total:
        return chosen.number
    trimmed = pc.utf8_trim_whitespace(texts.values)
    if formats_of(trimmed) or (read.dates and not times(trimmed, read.dates).null_count):
        _refuse_dates(name, f"dates, such as {quoted(texts.values[0])}", table)
    if chosen.count * 2 >= texts.total:
        _refuse_mixed(name, cells, texts, chosen, apart, table)
    _require_known_notation(name, cells, texts, chosen, read, table)
    if read.decimal or read.thousands is not None:
        _require_no_numbers(name, cells, texts, apart, read, table)
    return None


def _has_balances(apart: NumberTexts) -> bool:
    """Whether (12.5) and 12.5- are numbers below zero: others stand beside them, and all are too many for grades or bands."""
    others = pc.and_not(apart.digits.is_valid(), apart.accounting)
    return any_true(others) and len(pc.unique(apart.digits.drop_null())) > MAX_LABELS


def _require_known_notation(
    name: str, cells: pa.ChunkedArray, texts: DistinctTexts, chosen: _Fit, read: Read, table: SourceTable
) -> None:
    """Raises UndecidedColumnError where at least half of the cells are numbers, but in a notation that is not read."""
    apart = taken_apart(in_known_notation(texts.values), read.currency)
    best = max((fit for fits in _fits(texts, apart, read) for fit in fits), key=lambda fit: fit.count)
    if best.count * 2 < texts.total or len(pc.unique(texts.values.filter(best.fitting))) <= MAX_LABELS:
        return
    if any_true(pc.match_substring_regex(apart.digits, _LEADING_ZERO), best.fitting):
        return
    found = _OtherTexts.of(cells, texts.chosen(pc.and_not(best.fitting, chosen.fitting)), table)
    hint = _hint_of_accounting(name, found.examples)
    raise UndecidedColumnError(
        table,
        name,
        f"holds numbers in a notation that is not read, in {found.share}: {found.shown}",
        f"write them in digits, as 12500 or -12.5, say in prepare.read.missing: [{found.in_yaml}] that they mean "
        f"missing{', set ' * bool(hint)}{hint}",
        "categorical",
        better_key=hint or "digits in the file, as 12500 or -12.5",
    )


@dataclass(frozen=True)
class _OtherTexts:
    """Texts that are no numbers of their column: the share of its cells, the most frequent ones in words, and as YAML."""

    share: str
    shown: str
    examples: list[str]

    @classmethod
    def of(cls, cells: pa.ChunkedArray, others: DistinctTexts, table: SourceTable) -> _OtherTexts:
        examples = [text for text, _ in others.most_frequent(MAX_EXAMPLES)]
        place, first = place_of(cells, pa.array(examples[:1]), table)
        shown = ", ".join([f"{quoted(first)} (first in {place})", *(quoted(text) for text in examples[1:])])
        kinds = len(np.unique(others.values.to_numpy(zero_copy_only=False)))
        more = f" and {kinds - len(examples):,} more" if kinds > len(examples) else ""
        share = f"{others.total:,} of {table.rows:,} cells ({others.total / table.rows:.1%})"
        return cls(share, shown + more, examples)

    @property
    def in_yaml(self) -> str:
        return ", ".join(in_yaml(text) for text in self.examples)


def _require_no_numbers(
    name: str, cells: pa.ChunkedArray, texts: DistinctTexts, apart: NumberTexts, read: Read, table: SourceTable
) -> None:
    """Raises InputError where the texts would be numbers but for the signs that the settings name."""
    free = read.model_copy(update={"decimal": None, "thousands": None})
    best = max((fit for fits in _fits(texts, apart, free) for fit in fits), key=lambda fit: fit.count)
    if best.count * 2 >= texts.total:
        place, text = place_of(cells, texts.values.filter(best.fitting), table)
        raise InputError(
            f"{table.name}: column `{name}` holds numbers, such as {quoted(text)} in {place}, that are not written as "
            f"prepare.read.decimal and prepare.read.thousands say; correct these keys, or set {kinds_key(name, 'categorical')}"
        )


def _fits(texts: DistinctTexts, apart: NumberTexts, read: Read) -> list[list[_Fit]]:
    """How well the formats fit that the settings allow, by their decimal sign; those of fewer signs first."""
    unit, optional = _unit(texts, apart, read)
    found = []
    for decimal in (read.decimal,) if read.decimal else get_args(Decimal):
        fits = []
        for thousands in _thousands(decimal, apart, read):
            number = NumberFormat(
                decimal, thousands, unit == PERCENT, unit if unit != PERCENT else "", unit_optional=optional
            )
            fitting = apart.fit(number)
            fits.append(_Fit(number, fitting, int(texts.counts[fitting.to_numpy(zero_copy_only=False)].sum())))
        found += [fits] if fits else []
    return found


def _thousands(decimal: Decimal, apart: NumberTexts, read: Read) -> list[Thousands]:
    if read.thousands is not None:
        return [read.thousands] if read.thousands != decimal else []
    return [
        sign
        for sign in get_args(Thousands)
        if sign != decimal and (not sign or any_true(pc.match_substring(apart.digits, sign)))
    ]


def _unit(texts: DistinctTexts, apart: NumberTexts, read: Read) -> tuple[str, bool]:
    """What stands beside most of the numbers, of what the settings allow; and whether others may go without."""
    counts = {
        unit: int(texts.counts[pc.equal(apart.units, unit).fill_null(False).to_numpy(zero_copy_only=False)].sum())
        for unit in sorted(pc.unique(apart.units.drop_null()).to_pylist())
    }
    if read.percent is False:
        counts.pop(PERCENT, None)
    if read.currency is not None:
        counts = {unit: count for unit, count in counts.items() if unit in ("", PERCENT, read.currency)}
    named = [unit for unit in counts if (unit == PERCENT and read.percent) or (unit and unit == read.currency)]
    unit = max(named or counts, key=lambda unit: counts[unit], default="")
    return unit, bool(named)


def _told_apart(name: str, cells: pa.ChunkedArray, texts: DistinctTexts, fits: list[_Fit], table: SourceTable) -> _Fit:
    """The one of two formats, of a decimal point and a decimal comma, in both of which all texts are numbers."""
    signed = pc.match_substring_regex(texts.values, "[.,]")
    decimal = _decimal_of_others(name, table)
    if decimal is None and (table.separator == "," or not any_true(signed)):
        decimal = "."
    if decimal is None:
        place, text = place_of(cells, texts.values.filter(signed), table)
        raise UndecidedColumnError(
            table,
            name,
            f"holds {quoted(text)} in {place}, and in all of its cells the sign may be the decimal one or one between thousands",
            "say which in prepare.read.decimal or prepare.read.thousands, such as decimal: ','",
            better_key="prepare.read.decimal or prepare.read.thousands for a sign that may be either",
        )
    return next(fit for fit in fits if fit.number.decimal == decimal)


def _decimal_of_others(name: str, table: SourceTable) -> Decimal | None:
    """The decimal sign that other columns of the table show, where they show one."""
    shown: list[Decimal] = []
    head = table.head(SAMPLE_CELLS)
    samples = [head.column(other) for other in head.column_names if other != name]
    for sign, pattern in _SURELY_DECIMAL.items():
        if any(any_true(pc.match_substring_regex(one, pattern)) for one in samples if is_text(one.type)):
            shown.append("," if sign == "," else ".")
    return shown[0] if len(shown) == 1 else None


def _default_format(name: str, read: Read, table: SourceTable) -> NumberFormat:
    """Of a column that shows none: whole numbers, or no texts at all."""
    thousands = read.thousands or ""
    if read.decimal or thousands in (".", ","):
        return NumberFormat(read.decimal or ("," if thousands == "." else "."), thousands)
    return NumberFormat((table.separator != "," and _decimal_of_others(name, table)) or ".", thousands)


def _require_few_texts(name: str, cells: pa.ChunkedArray, reading: Reading, table: SourceTable) -> None:
    texts = pc.unique(cells).drop_null()
    texts = texts.filter(pc.invert(are_missing_categories(texts, reading.missing)))
    if len(texts) <= MAX_CATEGORIES and not table.is_reduced:
        return
    many = f"more than {MAX_DISTINCT:,}" if table.is_reduced else f"{len(texts):,}"
    zeros = texts.filter(pc.match_substring_regex(texts, r"^[+-]?0\d+$"))
    if len(zeros):
        place, text = place_of(cells, zeros, table)
        what = f"has {many} distinct texts, such as {quoted(text)} in {place}, where digits after a zero are no number"
        how_to_fix = (
            f"name it in prepare.id_columns if it identifies rows, set {kinds_key(name, 'numeric')} if it is one"
        )
        raise UndecidedColumnError(table, name, what, how_to_fix, better_key=IDENTIFIES)
    place, text = place_of(cells, texts, table)
    what = f"has {many} distinct texts, such as {quoted(text)} in {place}"
    raise UndecidedColumnError(
        table, name, what, "name it in prepare.id_columns if it identifies rows", better_key=IDENTIFIES
    )


def _refuse_dates(name: str, what: str, table: SourceTable) -> NoReturn:
    how_to_fix = "name it as prepare.time_column, turn it into a number"
    better = "prepare.time_column for the time of a row"
    raise UndecidedColumnError(table, name, f"holds {what}", how_to_fix, better_key=better)


def _refuse_mixed(
    name: str, cells: pa.ChunkedArray, texts: DistinctTexts, chosen: _Fit, apart: NumberTexts, table: SourceTable
) -> NoReturn:
    others = texts.chosen(pc.invert(chosen.fitting))
    found = _OtherTexts.of(cells, others, table)
    odd_texts = found.examples
    if others.total == 1 and cells[0].as_py() == others.values[0].as_py():
        hint, odd_texts = "prepare.read.header: 2 if the first row names the columns", []
    else:
        hint = _hint_of_units(apart, chosen) or _hint_of_accounting(name, found.examples)
    raise UndecidedColumnError(
        table,
        name,
        f"holds numbers, but in {found.share} other texts: {found.shown}",
        f"say in prepare.read.missing: [{found.in_yaml}] that they mean missing{', set ' * bool(hint)}{hint}",
        "categorical",
        better_key=hint,
        odd_texts=odd_texts,
    )


def _hint_of_units(apart: NumberTexts, chosen: _Fit) -> str:
    """The key that makes numbers of the other texts, where only the sign beside them differs."""
    units = {*apart.taken(pc.invert(chosen.fitting)).units.to_pylist(), unit_of(chosen.number)}
    if units == {"", PERCENT}:
        return "prepare.read.percent: true where numbers without % are percentages too"
    if None not in units and PERCENT not in units and len(units) == 2 and "" in units:
        return f"prepare.read.currency: {in_yaml(max(units - {''}))} where numbers without it are of it too"
    return ""


def _hint_of_accounting(name: str, examples: list[str]) -> str:
    """The key that makes numbers below zero of texts such as (12.5) and 12.5-, where there are such."""
    below_zero = taken_apart(pa.array(examples, pa.string())).accounting
    if not any_true(below_zero):
        return ""
    return f"{kinds_key(name, 'numeric')} where {quoted(examples[below_zero.index(True).as_py()])} is below zero"
