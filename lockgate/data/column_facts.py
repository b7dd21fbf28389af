"""What can be seen of the columns of a table that nobody has said anything of yet."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from lockgate.data.columns import MAX_CATEGORIES
from lockgate.data.source_table import SourceTable, cell_texts
from lockgate.documents.schema_json import Kind

MARKERS = pa.array(["", "na", "n/a", "nan", "null", "?"])
NAME_PARTS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
UNNAMED = re.compile(r"Unnamed: \d+|index|level_\d+")
CODE = re.compile(r"(?=.*\d)[A-Za-z0-9_./-]{3,40}")


@dataclass(frozen=True)
class ColumnFacts:
    """What can be seen of a column of `rows` cells.

    `values` are its texts with how often each is there, most frequent first, at most as many as a category has. `kind` is how
    `prepare` reads it without being told, None where it refuses to. `odd_texts` are those of a column that otherwise holds
    numbers. `are_codes`: texts of letters and digits without a space. `counts_rows`: 0, 1, 2, ... or 1, 2, 3, ...
    `is_plain` is False for lists, structures and bytes.
    """

    name: str
    rows: int
    missing: int
    distinct: int
    values: tuple[tuple[str, int], ...]
    kind: Kind | None
    odd_texts: tuple[str, ...] = ()
    holds_times: bool = False
    is_whole: bool = False
    are_codes: bool = False
    counts_rows: bool = False
    is_plain: bool = True

    @property
    def is_unique(self) -> bool:
        """Whether each row has a value of its own."""
        return self.missing == 0 and self.distinct == self.rows

    @property
    def is_unnamed(self) -> bool:
        """Whether its name is one that a library gives to the numbers of rows."""
        return UNNAMED.fullmatch(self.name) is not None

    @property
    def words(self) -> list[str]:
        """The words of its name, in small letters: split where the case changes, and at what is no letter or digit."""
        return [part.lower() for part in NAME_PARTS.findall(self.name)]


def column_facts(table: SourceTable) -> list[ColumnFacts]:
    """What can be seen of each column, in the order of the table."""
    return [_facts_of(table, name) for name in table.names]


def is_row_counter(one: ColumnFacts) -> bool:
    """Whether a column only numbers the rows: it has no name of its own, and counts."""
    return one.counts_rows and one.is_unnamed


def _facts_of(table: SourceTable, name: str) -> ColumnFacts:
    cells = table.cells(name)
    rows = len(cells)
    if pa.types.is_nested(cells.type) or pa.types.is_binary(cells.type) or pa.types.is_fixed_size_binary(cells.type):
        return ColumnFacts(name, rows, cells.null_count, rows, (), None, is_plain=False)
    counted = pc.value_counts(cells)
    texts = cell_texts(pa.chunked_array([counted.field("values")])).combine_chunks()
    counts = counted.field("counts").to_numpy()
    numbers = pd.to_numeric(texts.to_pandas(), errors="coerce").to_numpy(float)
    blank = np.asarray(pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(texts)), MARKERS).to_numpy(zero_copy_only=False))
    blank |= np.asarray(texts.is_null().to_numpy(zero_copy_only=False))
    present, counts = texts.filter(pa.array(~blank)), counts[~blank]
    numbers = numbers[~blank]
    order = np.argsort(-counts, kind="stable")[:MAX_CATEGORIES]
    values = tuple(zip(present.take(order).to_pylist(), counts[order].tolist(), strict=True))
    is_number = np.isfinite(numbers)
    among = counts[is_number].sum() * 2 >= counts.sum()
    times = bool(len(present)) and pa.types.is_temporal(cells.type)
    if pa.types.is_string(cells.type) and len(present):
        times = pc.all(pc.match_substring_regex(present, r"^\d{4}-\d{2}(-\d{2}([T ].*)?)?$")).as_py()
    kind: Kind | None = None
    if is_number.all() and not pa.types.is_boolean(cells.type):
        kind = "numeric"
    elif (not among and len(present) <= MAX_CATEGORIES and not times) or pa.types.is_boolean(cells.type):
        kind = "categorical"
    whole = numbers[is_number]
    return ColumnFacts(
        name,
        rows,
        rows - int(counts.sum()),
        len(present),
        values,
        kind,
        tuple(present.filter(pa.array(~is_number)).to_pylist()[:10]) if among and kind is None and not times else (),
        holds_times=times,
        is_whole=bool(is_number.all() and (whole == np.floor(whole)).all()),
        are_codes=kind != "numeric" and all(CODE.fullmatch(text) for text in present[:1000].to_pylist()),
        counts_rows=bool(
            is_number.all()
            and len(whole) == rows
            and (whole == np.arange(rows) + whole[0]).all()
            and whole[0] in (0, 1)
        ),
    )
