"""What can be seen of the columns of a table that nobody has said anything of yet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from lockgate.config.errors import InputError
from lockgate.config.params import Read
from lockgate.data.column_decision import decide
from lockgate.data.columns import MAX_CATEGORIES, is_text, read_column, require_plain_values
from lockgate.data.markers import are_missing_numbers
from lockgate.data.names import UNNAMED, words_of
from lockgate.data.number_text import in_known_notation, taken_apart
from lockgate.data.source_table import SourceTable, cell_texts
from lockgate.data.text_cells import any_true, plain_numbers
from lockgate.data.time_text import formats_of
from lockgate.documents.schema_json import Change, Kind, Reading

MAX_ODD_TEXTS = 4
MAX_EXAMPLES = 3
SAMPLE_CELLS = 1_000
AS_RECOGNISED = Read()
INDEX_NAME = re.compile(rf"{UNNAMED.pattern}|index|level_\d+|rownames")  # of columns that libraries write of an index
CODE = re.compile(r"(?=.*\d)[A-Za-z0-9_./-]{3,40}")


@dataclass(frozen=True)
class ColumnFacts:
    """What can be seen of a column of `rows` cells.

    `values` are its texts with how often each is there, most frequent first, empty where they are more than a category may
    have; `examples` are a few of its texts, however many there are. `kind` is how `prepare` reads it without being told, None
    where it does not; `changed` says what is done to its texts then. `odd_texts` stand among numbers, `odd_texts_are_missing`
    that all others are numbers. `times_are_clear` says that its times can be read in one way only, and so `numbers_are_clear`
    of its numbers. `are_unread_numbers`: at least half of its cells are numbers in a notation that no setting reads, such as
    12k. `are_codes`: letters and digits without a space. `is_row_counter`: it counts the rows, under a name that libraries give
    to such columns, or none. `is_plain` is False for lists, structures and bytes.
    """

    name: str
    rows: int
    missing: int
    distinct: int
    values: tuple[tuple[str, int], ...]
    kind: Kind | None
    examples: tuple[str, ...] = ()
    changed: tuple[Change, ...] = ()
    odd_texts: tuple[str, ...] = ()
    odd_texts_are_missing: bool = False
    holds_times: bool = False
    times_are_clear: bool = False
    numbers_are_clear: bool = True
    are_unread_numbers: bool = False
    is_whole: bool = False
    are_codes: bool = False
    is_row_counter: bool = False
    is_plain: bool = True

    @property
    def is_unique(self) -> bool:
        """Whether each row has a value of its own."""
        return self.missing == 0 and self.distinct == self.rows

    @property
    def is_unnamed(self) -> bool:
        """Whether the file gives it no name."""
        return UNNAMED.fullmatch(self.name) is not None

    @property
    def words(self) -> list[str]:
        """The words of its name, in small letters: split where the case changes, and at what is no letter or digit."""
        return words_of(self.name)


def column_facts(table: SourceTable, read: Read = AS_RECOGNISED) -> list[ColumnFacts]:
    """What can be seen of each column, in the order of the table, where its cells are written as `read` says."""
    return [_facts_of(table, name, read) for name in table.names]


def first_row_names_columns(table: SourceTable) -> bool:
    """Whether the first row is the real header, below a title or a header of codes: names alone, above columns of numbers."""
    first = [cell_texts(table.cells(name).slice(0, 1))[0].as_py() or "" for name in table.names]
    names = pa.array(first, pa.string())
    is_number = pc.or_(taken_apart(names).digits.is_valid(), are_missing_numbers(names, ()))
    if len(set(first)) < len(first) or pc.any(is_number).as_py():
        return False
    below = [table.cells(name).slice(1, SAMPLE_CELLS) for name in table.names]
    numbers = sum(plain_numbers(cells) is not None for cells in below if is_text(cells.type))
    return numbers * 2 >= len(first)


def _facts_of(table: SourceTable, name: str, read: Read) -> ColumnFacts:
    cells = table.cells(name)
    try:
        require_plain_values(name, cells, table)
    except InputError:
        return ColumnFacts(name, len(cells), cells.null_count, len(cells), (), None, is_plain=False)
    try:
        reading = decide(name, cells, read, None, table)
    except InputError:
        return _facts_of_undecided(name, cells, table, read)
    try:
        return _facts_of_read(name, cells, reading, table)
    except InputError:  # a single value, such as an infinite one, which is for people to correct
        kind: Kind = "numeric" if reading.kind == "numeric" else "categorical"
        return replace(_facts_of_texts(name, cells, read), kind=kind)


def _facts_of_read(name: str, cells: pa.ChunkedArray, reading: Reading, table: SourceTable) -> ColumnFacts:
    """Of a column that `prepare` takes as it is; raises InputError for a value that it does not take."""
    read = read_column(name, cells, reading, table)
    numbers = read.values if reading.kind == "numeric" else None
    distinct = pc.count_distinct(read.values).as_py()
    present = cells.filter(read.values.is_valid())
    values = _counted(present) if distinct <= MAX_CATEGORIES else ()
    return ColumnFacts(
        name,
        len(cells),
        read.missing,
        len(values) or distinct,
        values,
        "categorical" if numbers is None else "numeric",
        tuple(text for text, _ in values[:MAX_EXAMPLES]) if numbers is None else (),
        changed=read.changed,
        is_whole=numbers is not None and _are_whole(numbers),
        are_codes=numbers is None and _are_codes(present),
        is_row_counter=INDEX_NAME.fullmatch(name) is not None and table.counts_rows(name),
    )


def _facts_of_texts(name: str, cells: pa.ChunkedArray, read: Read) -> ColumnFacts:
    """Of a column by its texts alone."""
    texts = _present_texts(cells, read)
    distinct = pc.unique(texts)
    return ColumnFacts(
        name,
        len(cells),
        len(cells) - len(texts),
        len(distinct),
        _counted(texts) if len(distinct) <= MAX_CATEGORIES else (),
        None,
        tuple(distinct.slice(0, MAX_EXAMPLES).to_pylist()),
        are_codes=_are_codes(texts),
    )


def _present_texts(cells: pa.ChunkedArray, read: Read) -> pa.ChunkedArray:
    texts = cell_texts(cells).drop_null()
    return texts.filter(pc.invert(are_missing_numbers(texts, read.missing)))


def _facts_of_undecided(name: str, cells: pa.ChunkedArray, table: SourceTable, read: Read) -> ColumnFacts:
    """Of a column that `prepare` does not take undeclared: dates, numbers with other texts among them, too many texts."""
    facts, texts = _facts_of_texts(name, cells, read), _present_texts(cells, read)
    distinct = pc.unique(texts)
    trimmed = pc.utf8_trim_whitespace(distinct)
    formats = [None] if pa.types.is_temporal(cells.type) else formats_of(trimmed)
    if formats:
        return replace(facts, holds_times=True, times_are_clear=len(formats) == 1)
    odd = distinct.filter(taken_apart(trimmed).without_accounting().digits.is_null())
    if not len(odd):
        return replace(facts, numbers_are_clear=False)
    if len(odd) == len(distinct):
        numbers = pc.sum(taken_apart(in_known_notation(texts.combine_chunks())).digits.is_valid()).as_py() or 0
        is_amount = numbers * 2 >= len(texts) > 0
        return replace(facts, are_unread_numbers=is_amount, are_codes=facts.are_codes and not is_amount)
    shown = tuple(odd.slice(0, MAX_ODD_TEXTS).to_pylist())
    are_numbers = any_true(taken_apart(in_known_notation(odd)).digits.is_valid())
    are_missing = not are_numbers and _reads_without(name, cells, shown, table, read)
    return replace(facts, odd_texts=shown, odd_texts_are_missing=are_missing)


def _reads_without(name: str, cells: pa.ChunkedArray, texts: Sequence[str], table: SourceTable, read: Read) -> bool:
    """Whether it is a column of numbers where these texts mean missing too."""
    missing = read.model_copy(update={"missing": [*read.missing, *texts]})
    try:
        return decide(name, cells, missing, None, table).kind == "numeric"
    except InputError:
        return False


def _counted(cells: pa.ChunkedArray) -> tuple[tuple[str, int], ...]:
    """The different cells as texts, with how often each is there, most frequent first."""
    counted = pc.value_counts(cells)
    texts = cell_texts(pa.chunked_array([counted.field("values")])).to_pylist()
    pairs = zip(texts, counted.field("counts").to_pylist(), strict=True)
    return tuple(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))


def _are_codes(cells: pa.ChunkedArray) -> bool:
    return all(CODE.fullmatch(text) for text in cell_texts(cells.slice(0, SAMPLE_CELLS)).drop_null().to_pylist())


def _are_whole(numbers: pa.ChunkedArray) -> bool:
    return pa.types.is_integer(numbers.type) or bool(pc.all(pc.equal(pc.floor(numbers), numbers)).as_py())
