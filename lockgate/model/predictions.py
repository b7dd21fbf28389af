"""Tables of predictions: ours with the identities they were made from, or anybody's."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Protocol, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lockgate.config.errors import InputError
from lockgate.config.files import open_file, sha256_bytes, sha256_file
from lockgate.config.limits import TABLE_BYTES, TABLE_ROWS
from lockgate.config.params import Evaluate, Prepare, Read
from lockgate.config.suggest import nearest
from lockgate.data.column_decision import decide
from lockgate.data.columns import is_text, read_column, read_weights, shown_cell
from lockgate.data.names import quoted
from lockgate.data.parquet_file import group_rows, parquet_batches
from lockgate.data.partitions import BATCH_ROWS
from lockgate.data.row_keys import Digests, key_digests, repeated_row
from lockgate.data.source_table import SourceTable, cell_texts, plain_table, source_of_frame
from lockgate.data.sources import opened_file, read_errors, read_source_table
from lockgate.data.tables import parquet_errors, table_bytes
from lockgate.data.text_cells import all_true, any_true
from lockgate.documents.document import read_value, value_to_bytes
from lockgate.documents.gate_json import NewData
from lockgate.documents.schema_json import RESERVED_FOR_PREDICTIONS, ROW_KEY, Y_SCORE, Y_TRUE, Schema

MODEL_KEY = "lockgate.model"
DATA_KEY = "lockgate.data"
WEIGHT_KEY = "lockgate.weight"
NEW_DATA_KEY = "lockgate.new-data"
USUAL_WEIGHT = "weight"
HOW_TO_FIX = "run `lockgate evaluate` (or `dvc repro`) to make it"


@dataclass(frozen=True)
class Predictions:
    """Labels 0/1 and probabilities, each of shape (rows,), and which model and data they are of.

    `model` and `data` are sha256s, None where unknown. `weight_column` names the column by which rows count, None where they
    count equally: no column is a weight by what it is called. `keys` are the digests of the row keys, of a table without the keys
    themselves. `others` are the names of columns that the file has and that nobody needed.
    """

    table: pd.DataFrame
    model: str | None
    data: str | None
    weight_column: str | None = None
    keys: Digests | None = None
    others: tuple[str, ...] = ()

    @property
    def y_true(self) -> np.ndarray:
        """Labels, int8."""
        return self.table[Y_TRUE].to_numpy(dtype="int8")

    @property
    def y_score(self) -> np.ndarray:
        """Probabilities, float64."""
        return self.table[Y_SCORE].to_numpy(dtype="float64")

    @property
    def weight(self) -> np.ndarray | None:
        """Row weights, float64 and above 0; None where rows count equally."""
        return self.table[self.weight_column].to_numpy(dtype="float64") if self.weight_column else None

    @cached_property
    def key_digests(self) -> Digests | None:
        """The digests of the row keys, to join with a champion's; None where there are no keys."""
        if self.keys is None and ROW_KEY in self.table.columns:
            return key_digests(self.table[ROW_KEY])
        return self.keys

    @property
    def columns(self) -> list[str]:
        """The names of all columns that the table was read from."""
        return [*self.table.columns, *self.others]


def require_column(name: str, columns: Iterable[Hashable], key: str) -> None:
    """Raises InputError where `columns` lack `name`, which the setting `key` names."""
    there = [*map(str, columns)]
    if name not in there:
        raise InputError(f"{key} names `{name}`, which is no column; {nearest(name, there)}")


def make_predictions(
    test: pd.DataFrame, scores: np.ndarray, schema: Schema, evaluate: Evaluate, model: str, data: str
) -> Predictions:
    """The predictions of the model with the digest `model` on test rows whose file has the sha256 `data`.

    The table, as `predictions.parquet` holds it, has keys, labels, scores, the weight, then audit, slice and fairness columns.

    Raises InputError for a column of `evaluate` that the test data do not have.
    """
    require_sliced_columns(list(test.columns), evaluate)
    return Predictions(predictions_table(test, scores, schema, evaluate), model, data, schema.weight_column)


def require_sliced_columns(columns: Iterable[Hashable], evaluate: Evaluate) -> None:
    """Raises InputError for a column that `evaluate` names, and that test data with these columns do not have."""
    there = [*map(str, columns)]
    for name in _sliced_columns(evaluate):
        key = "evaluate.slices" if name in evaluate.slices else "evaluate.fairness"
        if name in RESERVED_FOR_PREDICTIONS:
            raise InputError(f"{key} names `{name}`, a column that predictions have anyway; rename yours")
        require_column(name, there, key)


def predictions_table(test: pd.DataFrame, scores: np.ndarray, schema: Schema, evaluate: Evaluate) -> pd.DataFrame:
    """The rows of `predictions.parquet` that these test rows and their scores make."""
    table = pd.DataFrame({ROW_KEY: test[ROW_KEY], Y_TRUE: test[schema.target], Y_SCORE: scores})
    for name in copied_columns(schema, evaluate):
        table[name] = test[name]
    return table


def copied_columns(schema: Schema, evaluate: Evaluate) -> list[str]:
    """What predictions take over from test rows beside keys and labels: the weight, then audit, slice and fairness columns."""
    weight = [schema.weight_column] if schema.weight_column else []
    return list(dict.fromkeys([*weight, *(audit.name for audit in schema.audit), *_sliced_columns(evaluate)]))


def _sliced_columns(evaluate: Evaluate) -> list[str]:
    return [*evaluate.slices, *(evaluate.fairness or [])]


def predictions_metadata(predictions: Predictions) -> dict[str, str]:
    """What `predictions.parquet` says of itself: whose predictions these are, and which column is the weight."""
    weight = {WEIGHT_KEY: predictions.weight_column} if predictions.weight_column else {}
    return {MODEL_KEY: str(predictions.model), DATA_KEY: str(predictions.data), **weight}


def read_evaluated_predictions(path: Path) -> Predictions:
    """Predictions that `lockgate evaluate` wrote, with the identities in their metadata."""
    with _opened_parquet(path, HOW_TO_FIX) as columns:
        return _of_metadata(path, columns)


def read_predictions_table(
    path: Path,
    option: str,
    weight_column: str | None = None,
    prepare: Prepare | None = None,
    to_slice_by: Collection[str] | None = None,
) -> Predictions:
    """Anybody's table with y_true and y_score, in any form that data may have; its identity is the file's sha256.

    Of `prepare` only what cells mean is used: its `read` and its `kinds`. `to_slice_by` names the columns that are needed beside
    keys, labels, scores and weight, all of them by default; of a Parquet file no others are read.
    """
    prepare = prepare or Prepare()
    with _opened_columns(path, option, prepare.read) as columns:
        table, others = _checked(columns, weight_column, prepare, to_slice_by)
    identity = sha256_file(path)
    return Predictions(table, identity, identity, weight_column, others=others)


def predictions_of_frame(frame: pd.DataFrame, where: str, weight_column: str | None = None) -> Predictions:
    """The predictions in a data frame; `where` names it in errors. Its identity is the sha256 of its rows as CSV."""
    table, _ = _checked(_ColumnsInMemory(source_of_frame(frame, where)), weight_column, Prepare())
    identity = sha256_bytes(table.to_csv(index=False).encode())
    return Predictions(table, identity, identity, weight_column)


def new_data_bytes(new_data: NewData) -> bytes:
    """What stands in the file of the champion's predictions where there can be none: no row, and the reason."""
    empty = pd.DataFrame(
        {ROW_KEY: pd.Series(dtype="str"), Y_TRUE: pd.Series(dtype="int8"), Y_SCORE: pd.Series(dtype="f8")}
    )
    return table_bytes(empty, {NEW_DATA_KEY: value_to_bytes(new_data).decode()})


def read_champion_table(
    path: Path, option: str = "--champion", prepare: Prepare | None = None
) -> Predictions | NewData:
    """An earlier model's predictions, or why no rows of these data have any.

    `lockgate evaluate`'s own name the model, else the file's sha256 does, and `prepare` says what cells mean, as in
    `read_predictions_table`.
    """
    if path.suffix.lower() not in (".parquet", ".pq"):
        return read_predictions_table(path, option, None, prepare, to_slice_by=())
    with _opened_parquet(path, "give a table of predictions") as columns:
        if text := columns.metadata.get(NEW_DATA_KEY):
            where = f"{path}: its metadata `{NEW_DATA_KEY}`"
            return read_value(text.encode(), NewData, where, "run `lockgate champion` again")
        if MODEL_KEY in columns.metadata:
            return _of_metadata(path, columns, to_slice_by=())
        weight_column = columns.metadata.get(WEIGHT_KEY)
    return read_predictions_table(path, option, weight_column, prepare, to_slice_by=())


def read_earlier_predictions(path: Path, option: str, prepare: Prepare) -> Predictions:
    """An earlier model's predictions; raises InputError where the file says that these data have none."""
    found = read_champion_table(path, option, prepare)
    if isinstance(found, NewData):
        raise InputError(f"{path} holds no predictions, as the data are defined anew: {found.sentence}")
    return found


def unused_weight(predictions: Predictions) -> str | None:
    """A sentence where a column is called as if it were the weight, and is not."""
    if predictions.weight_column or USUAL_WEIGHT not in predictions.columns:
        return None
    return (
        f"column `{USUAL_WEIGHT}` is not used, and every row counts equally; where it is the weight of a row, say so with "
        f"--weight {USUAL_WEIGHT}"
    )


class _Columns(Protocol):
    """The columns of a table, of which one is taken at a time."""

    @property
    def where(self) -> str:
        """What messages call the table."""

    @property
    def names(self) -> list[str]:
        """The names of all of them."""

    def column(self, name: str) -> SourceTable:
        """One of them."""


@dataclass(frozen=True)
class _ColumnsInMemory:
    source: SourceTable

    @property
    def where(self) -> str:
        return self.source.name

    @property
    def names(self) -> list[str]:
        return self.source.names

    def column(self, name: str) -> SourceTable:
        return self.source


@dataclass(frozen=True)
class _ParquetColumns:
    """The columns of an open Parquet file, each of which is read when it is taken."""

    stream: BinaryIO
    where: str
    names: list[str]
    metadata: Mapping[str, str]

    @classmethod
    def of(cls, stream: BinaryIO, where: str) -> Self:
        schema, sizes = group_rows(stream, where)
        TABLE_ROWS.require(sum(sizes), where)
        metadata = pq.read_schema(stream).metadata or {}
        found = {key.decode(): value.decode() for key, value in metadata.items() if key.startswith(b"lockgate.")}
        return cls(stream, where, list(schema.names), found)

    def column(self, name: str) -> SourceTable:
        empty = group_rows(self.stream, self.where)[0].field(name)
        batches = list(parquet_batches(self.stream, self.where, rows=BATCH_ROWS, columns=[name]))
        table = pa.concat_tables(batches) if batches else pa.schema([empty]).empty_table()
        TABLE_BYTES.require(table.nbytes, self.where)
        return SourceTable(plain_table(table), self.where)


@contextmanager
def _opened_parquet(path: Path, how_to_fix: str) -> Iterator[_ParquetColumns]:
    with parquet_errors(path, how_to_fix), open_file(path) as stream:
        yield _ParquetColumns.of(stream, str(path))


@contextmanager
def _opened_columns(path: Path, option: str, read: Read) -> Iterator[_Columns]:
    """The columns of anybody's file. Those of a Parquet file are read one by one, those of other forms all at once."""
    where = f"{option}: {path}"
    with read_errors(where), opened_file(path, where, read) as (kind, stream):
        if kind == "parquet":
            columns = _ParquetColumns.of(stream, str(path))
            if not pq.read_metadata(stream).num_rows:
                raise InputError(f"{where} has a header and no rows; it needs rows")
            yield columns
            return
    yield _ColumnsInMemory(read_source_table(str(path), option, read))


def _of_metadata(path: Path, columns: _ParquetColumns, to_slice_by: Collection[str] | None = None) -> Predictions:
    """A Parquet file of predictions, of what its metadata say: of one that somebody else wrote, of the file itself."""
    identity, metadata = sha256_file(path), columns.metadata
    weight_column = metadata.get(WEIGHT_KEY)
    table, others = _checked(columns, weight_column, Prepare(), to_slice_by)
    keys = key_digests(table.pop(ROW_KEY)) if ROW_KEY in table.columns else None
    return Predictions(
        table, metadata.get(MODEL_KEY, identity), metadata.get(DATA_KEY, identity), weight_column, keys, others
    )


def _checked(
    columns: _Columns, weight_column: str | None, prepare: Prepare, to_slice_by: Collection[str] | None = None
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The columns as the gate takes them; raises InputError for a value that one of ours may not have.

    Labels, scores and weights are float64, row keys the text that stands in the file or the whole number, exactly, and so 7
    is the same row as "7" and another one than "007". Other columns, to slice by, are numbers or the texts that stand there, these
    as categories; those that are not in `to_slice_by` are named alone.
    """
    names = columns.names
    where = columns.where
    for name in (Y_TRUE, Y_SCORE):
        if name not in names:
            others = [one for one in names if one not in (Y_TRUE, Y_SCORE)]
            raise InputError(
                f"{where}: column `{name}` is missing; name the column of the outcomes (1 the event) `{Y_TRUE}` and the one of "
                f"its probabilities `{Y_SCORE}`; {nearest(name, others)}"
            )
    if weight_column in RESERVED_FOR_PREDICTIONS:
        raise InputError(f"{where}: `{weight_column}` is not a weight; name the column that holds the rows' weights")
    if weight_column is not None and weight_column not in names:
        raise InputError(f"{where}: weight column `{weight_column}` is missing; {nearest(weight_column, names)}")
    found, left_out = {}, []
    for name in names:
        if name in (*RESERVED_FOR_PREDICTIONS, weight_column) or to_slice_by is None or name in to_slice_by:
            found[name] = _checked_column(name, columns.column(name), weight_column, prepare)
        else:
            left_out.append(name)
    return pd.DataFrame(found, copy=False), tuple(left_out)


def _checked_column(name: str, source: SourceTable, weight_column: str | None, prepare: Prepare) -> pd.Series:
    cells = source.cells(name)
    if name == ROW_KEY:
        return _series(_row_keys(source))
    if name in (Y_TRUE, Y_SCORE):
        return _series(_numbers(name, source, prepare.read))
    if name == weight_column:
        reading = decide(name, cells, prepare.read, "numeric", source)
        return _series(read_weights(name, cells, reading, source))
    values = _to_slice_by(name, source, prepare)
    return _series(values.dictionary_encode() if is_text(values.type) else values)


def _series(values: pa.ChunkedArray) -> pd.Series:
    series: pd.Series = values.to_pandas()
    return series


def _row_keys(source: SourceTable) -> pa.ChunkedArray:
    keys = cell_texts(source.cells(ROW_KEY))
    empty = pc.or_(keys.is_null(), pc.equal(keys, "").fill_null(True))
    if any_true(empty):
        row = pc.index(empty, True).as_py()
        raise InputError(
            f"{source.name}: column `{ROW_KEY}` is empty in {source.place(row)}; it must name each row once"
        )
    digests = key_digests(_series(keys))
    if (twice := repeated_row(digests)) is not None:
        raise InputError(
            f"{source.name}: column `{ROW_KEY}` holds {quoted(keys[twice])} more than once; it must name each row once"
        )
    return keys


def _numbers(name: str, source: SourceTable, read: Read) -> pa.ChunkedArray:
    """Labels, which may be written as truth values, or probabilities."""
    cells = source.cells(name)
    if name == Y_TRUE and is_text(cells.type):
        lowered = pc.utf8_lower(pc.utf8_trim_whitespace(cells))
        if all_true(pc.is_in(lowered, pa.array(["true", "false"]))):
            return pc.equal(lowered, "true").cast(pa.float64())
    try:
        numbers = read_column(name, cells, decide(name, cells, read, "numeric", source), source).values.cast(
            pa.float64()
        )
    except InputError:  # whose line is about columns of data; the one below is about predictions
        numbers = pa.chunked_array([pa.array(pd.to_numeric(cells.to_pandas(), errors="coerce"), pa.float64())])
    fit = (
        pc.is_in(numbers, pa.array([0.0, 1.0]))
        if name == Y_TRUE
        else pc.and_(pc.greater_equal(numbers, 0.0), pc.less_equal(numbers, 1.0)).fill_null(False)
    )
    if not all_true(fit):
        wrong = pc.invert(fit)
        row = pc.index(wrong, True).as_py()
        raise InputError(
            f"{source.name}: column `{name}` must hold {WANTED[name]}, but {source.place(row)} holds {shown_cell(cells, row)} "
            f"({pc.sum(wrong).as_py():,} such); correct the table"
        )
    return numbers


def _to_slice_by(name: str, source: SourceTable, prepare: Prepare) -> pa.ChunkedArray:
    """Numbers where all of the column's cells are some; otherwise its texts, whatever they are."""
    cells, declared = source.cells(name), prepare.kinds.get(name)
    try:
        reading = decide(name, cells, prepare.read, None if declared == "drop" else declared, source)
    except InputError:
        return cell_texts(cells)
    return read_column(name, cells, reading, source).values


WANTED = {
    Y_TRUE: "0 and 1 and nothing else",
    Y_SCORE: "probabilities from 0 to 1, none missing",
}
