"""Text that is stored as codes and only counted: what it is read as does not depend on that, nor does what is refused."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.config.errors import InputError
from lockgate.config.params import Read
from lockgate.data.columns import read_column
from lockgate.data.partitions import FilePartition
from lockgate.data.source_table import TEXT_CODES, SourceTable, plain_table
from lockgate.documents.schema_json import Reading
from lockgate.drift.bins import category_counts

CATEGORICAL = Reading("categorical", missing=("NA", "?"))
CELLS = st.lists(st.sampled_from([None, "", "NA", "?", "a", "b", " a", "01", "1"]), min_size=1, max_size=40)
BAD_UTF_8 = b"caf\xe9"


def written(folder: Path, table: pa.Table, **how: object) -> FilePartition:
    """The table as a Parquet file."""
    pq.write_table(table, folder / "rows.parquet", **how)
    return FilePartition(folder / "rows.parquet", "rows", Read())


def cells_of(partition: FilePartition, coded: tuple[str, ...]) -> pa.ChunkedArray:
    """The column `text` of all batches."""
    parts = [batch.cells("text") for batch in partition.batches(coded)]
    return pa.chunked_array([chunk for part in parts for chunk in part.chunks], parts[0].type)


@given(CELLS, CELLS)
def test_they_are_read_as_the_texts_are(first: list[str | None], second: list[str | None]) -> None:
    chunks = [pa.array(part, pa.string()) for part in (first, second)]
    texts = pa.chunked_array(chunks)
    codes = pa.chunked_array([chunk.dictionary_encode() for chunk in chunks], TEXT_CODES)
    table = SourceTable(pa.table({"text": texts}), "rows")
    plain, coded = (read_column("text", cells, CATEGORICAL, table) for cells in (texts, codes))
    assert coded.values.to_pylist() == plain.values.to_pylist()
    assert (coded.missing, coded.markers) == (plain.missing, plain.markers)
    found, expected = (category_counts(one.values.to_pandas(), ["a", "01"]) for one in (coded, plain))
    assert found.counts.tolist() == expected.counts.tolist()
    assert found.unseen == expected.unseen


def test_codes_of_numbers_are_read_as_their_texts() -> None:
    codes = pa.chunked_array([pa.array(["1", "2.5", "NA", None]).dictionary_encode()], TEXT_CODES)
    read = read_column("text", codes, Reading("numeric"), SourceTable(pa.table({"text": codes}), "rows"))
    assert read.values.to_pylist() == [1.0, 2.5, None, None]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_a_file_gives_codes_where_it_is_asked_for_them(tmp_path: Path, kind: pa.DataType) -> None:
    texts = ["a", "b", None, "a"] * 50
    partition = written(tmp_path, pa.table({"text": pa.array(texts, kind), "number": range(200)}), row_group_size=70)
    plain, coded = cells_of(partition, ()), cells_of(partition, ("text", "number", "not there"))
    assert plain.type == pa.string()
    assert coded.type == TEXT_CODES
    assert plain.to_pylist() == coded.to_pylist() == texts


def test_texts_that_hardly_repeat_and_dictionaries_that_do_are_decoded() -> None:
    """The dictionary of a slice may be longer than the slice, and that of another program may have a text twice."""
    longer = pa.DictionaryArray.from_arrays(pa.array([0], pa.int32()), pa.array(["a", "b"]))
    twice = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0], pa.int32()), pa.array(["a", "a"]))
    none = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0], pa.int32()), pa.array(["a", None]))
    for codes in (longer, twice, none):
        plain = plain_table(pa.table({"text": codes}), ["text"]).column("text")
        assert plain.type == pa.string()
        assert plain.to_pylist() == codes.to_pylist()


@pytest.mark.parametrize("use_dictionary", [True, False])
def test_what_is_no_text_is_refused_as_it_is_without_codes(tmp_path: Path, use_dictionary: bool) -> None:
    bytes_of_text = pa.array([BAD_UTF_8, b"a"]).view(pa.string())
    partition = written(tmp_path, pa.table({"text": bytes_of_text}), use_dictionary=use_dictionary)
    for coded in ((), ("text",)):
        with pytest.raises(InputError, match="UTF8"):
            cells_of(partition, coded)


def test_a_frame_of_codes_counts_values_that_nobody_knew() -> None:
    codes = pa.chunked_array([pa.array(["a", "new", "new", None]).dictionary_encode()], TEXT_CODES)
    read = read_column("text", codes, CATEGORICAL, SourceTable(pa.table({"text": codes}), "rows"))
    column = pa.table({"text": read.values}).to_pandas()["text"]
    assert isinstance(column.dtype, pd.CategoricalDtype)
    assert category_counts(column, ["a"]).unseen == {"new": 2}
