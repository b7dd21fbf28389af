"""A tally of a column is the same however the rows were cut, and says of them what counting them at once says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockgate.config.params import Read
from lockgate.data import tally
from lockgate.data.column_decision import decide
from lockgate.data.columns import read_column
from lockgate.data.dataset_columns import ColumnSums, TrainingFacts
from lockgate.data.source_table import SourceTable
from lockgate.data.tally import TalliedTable, Tally, place_of_position, positions_of
from lockgate.documents.schema_json import Reading

CELLS = st.lists(
    st.sampled_from(["1", "22", "-3.5", "04", "n.a.", "", "x", "1,200", "999", None]), min_size=1, max_size=60
)


def cut(cells: Sequence[str | None], places: list[int]) -> list[Tally]:
    """Tallies of the parts between the places."""
    positions = positions_of(0, 0, len(cells))
    ends = [0, *sorted(place % (len(cells) + 1) for place in places), len(cells)]
    whole = pa.chunked_array([pa.array(list(cells), pa.string())])
    return [Tally.of(whole.slice(begin, end - begin), positions[begin:end]) for begin, end in pairwise(ends)]


def summed(parts: list[Tally]) -> Tally:
    """The sum of the parts."""
    found = parts[0]
    for part in parts[1:]:
        found = found + part
    return found


@given(cells=CELLS, places=st.lists(st.integers(0, 60), max_size=4))
def test_cells_are_counted_with_their_first_rows(cells: list[str | None], places: list[int]) -> None:
    found = summed(cut(cells, places))
    counts = Counter(cells)
    assert dict(zip(found.cells.to_pylist(), found.counts.tolist(), strict=True)) == counts
    assert found.cells.to_pylist() == list(dict.fromkeys(cells))
    assert found.positions.tolist() == [cells.index(cell) for cell in dict.fromkeys(cells)]
    assert not found.is_reduced


@settings(max_examples=20)
@given(
    cells=st.lists(st.integers(-3000, 3000).map(str), min_size=80, max_size=200),
    places=st.lists(st.integers(0, 200), max_size=4),
)
def test_too_many_different_ones_are_kept_by_how_they_are_written(cells: list[str], places: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tally, "MAX_DISTINCT", 40)
        patch.setattr(tally, "KEPT_AS_THEY_ARE", 5)
        found, whole = summed(cut(cells, places)), summed(cut(cells, []))
    assert found.is_reduced == whole.is_reduced == (len(set(cells)) > 40)
    assert found.counts.sum() == len(cells)
    assert {len(cell) for cell in found.cells.to_pylist()} == {len(cell) for cell in cells}
    if found.is_reduced:
        assert found.cells.to_pylist()[:5] == whole.cells.to_pylist()[:5] == list(dict.fromkeys(cells))[:5]
        assert {cell.startswith("-") for cell in found.cells.to_pylist()} == {cell.startswith("-") for cell in cells}


@given(cells=CELLS, places=st.lists(st.integers(0, 60), max_size=4))
def test_a_column_is_decided_by_its_tally_as_by_its_cells(cells: list[str | None], places: list[int]) -> None:
    source = SourceTable(pa.table({"x": pa.array(cells, pa.string())}), "loans.csv", separator=",")
    found = summed(cut(cells, places))
    texts = pa.chunked_array([found.cells.cast(pa.string())])
    stands_for = TalliedTable(
        pa.table({"x": texts}), "loans.csv", separator=",", tally=found, files=("",), all_rows=len(cells)
    )
    for declared in (None, "numeric"):
        results: list[Reading | str] = []
        for table in (source, stands_for):
            try:
                results.append(decide("x", table.cells("x"), Read(), declared, table))
            except Exception as error:
                results.append(str(error))
        assert results[0] == results[1]


@given(cells=CELLS, place=st.integers(0, 60))
def test_what_was_read_of_parts_adds_up(cells: list[str | None], place: int) -> None:
    reading = Reading("categorical", ("n.a.", "999"))
    table = SourceTable(pa.table({"x": pa.array(cells, pa.string())}), "loans.csv")
    reads = [
        read_column("x", part, reading, table)
        for part in (table.cells("x"), table.cells("x")[: place % len(cells)], table.cells("x")[place % len(cells) :])
    ]
    whole, *parts = (ColumnSums.of(read, 0) for read in reads)
    assert parts[0].with_part(parts[1]) == whole
    values = [read.values.combine_chunks() for read in reads]
    training, *facts = (TrainingFacts.of(one.cast(pa.large_string())) for one in values)
    assert facts[0] + facts[1] == training


@given(numbers=st.lists(st.floats(-1e6, 1e6) | st.none(), min_size=1, max_size=40), place=st.integers(0, 40))
def test_facts_of_numbers_add_up(numbers: list[float | None], place: int) -> None:
    cut_at = place % len(numbers)
    whole, first, second = (
        TrainingFacts.of(pa.array(one, pa.float64())) for one in (numbers, numbers[:cut_at], numbers[cut_at:])
    )
    assert first + second == whole
    present = {number for number in numbers if number is not None}
    is_constant = len(present) == 1 and None not in numbers
    assert bool(whole.reason_to_drop) == (not present or is_constant)


def test_a_place_names_the_file_where_there_are_several() -> None:
    position = int(positions_of(2, 999, 1)[0])
    assert place_of_position(position, ["a.csv", "b.csv", "c.csv"]) == "c.csv, row 1,000"
    assert place_of_position(int(np.int64(41)), ["a.csv"]) == "row 42"
