"""Tables of predictions: ours with the identities they were made from, or anybody's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from lockgate.config.errors import InputError
from lockgate.config.files import sha256_bytes, sha256_file
from lockgate.config.params import Evaluate, Prepare, Read
from lockgate.config.suggest import nearest
from lockgate.data.column_decision import decide
from lockgate.data.columns import is_text, read_column, read_weights, shown_cell
from lockgate.data.names import quoted
from lockgate.data.source_table import SourceTable, cell_texts, source_of_frame
from lockgate.data.sources import read_source_table
from lockgate.data.tables import read_arrow, table_bytes
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

    `row_key` is None where the table has none. `model` and `data` are sha256s, None where unknown. `weight_column` names
    the column by which rows count, None where they count equally: no column is a weight by what it is called.
    """

    table: pd.DataFrame
    model: str | None
    data: str | None
    weight_column: str | None = None

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

    @property
    def row_key(self) -> np.ndarray | None:
        """Row keys as text, to join with a champion's."""
        return self.table[ROW_KEY].to_numpy(dtype=object) if ROW_KEY in self.table.columns else None


def require_column(name: str, rows: pd.DataFrame, key: str) -> None:
    """Raises InputError where the rows lack the column `name`, which the setting `key` names."""
    if name not in rows.columns:
        raise InputError(f"{key} names `{name}`, which is no column; {nearest(name, rows.columns)}")


def make_predictions(
    test: pd.DataFrame, scores: np.ndarray, schema: Schema, evaluate: Evaluate, model: str, data: str
) -> Predictions:
    """The predictions of the model with the digest `model` on test rows whose file has the sha256 `data`.

    The table, as `predictions.parquet` holds it, has keys, labels, scores, the weight, then audit, slice and fairness columns.

    Raises InputError for a column of `evaluate` that the test data do not have.
    """

    def key_of(name: str) -> str:
        return "evaluate.slices" if name in evaluate.slices else "evaluate.fairness"

    wanted = [*evaluate.slices, *(evaluate.fairness or [])]
    for name in wanted:
        if name in RESERVED_FOR_PREDICTIONS:
            raise InputError(f"{key_of(name)} names `{name}`, a column that predictions have anyway; rename yours")
        require_column(name, test, key_of(name))
    table = pd.DataFrame({ROW_KEY: test[ROW_KEY], Y_TRUE: test[schema.target], Y_SCORE: scores})
    if schema.weight_column:
        table[schema.weight_column] = test[schema.weight_column]
    for name in dict.fromkeys([*(audit.name for audit in schema.audit), *wanted]):
        table[name] = test[name]
    return Predictions(table, model, data, schema.weight_column)


def predictions_metadata(predictions: Predictions) -> dict[str, str]:
    """What `predictions.parquet` says of itself: whose predictions these are, and which column is the weight."""
    weight = {WEIGHT_KEY: predictions.weight_column} if predictions.weight_column else {}
    return {MODEL_KEY: str(predictions.model), DATA_KEY: str(predictions.data), **weight}


def read_evaluated_predictions(path: Path) -> Predictions:
    """Predictions that `lockgate evaluate` wrote, with the identities in their metadata."""
    return _of_metadata(path, *read_arrow(path, HOW_TO_FIX))


def read_predictions_table(
    path: Path, option: str, weight_column: str | None = None, prepare: Prepare | None = None
) -> Predictions:
    """Anybody's table with y_true and y_score, in any form that data may have; its identity is the file's sha256.

    Of `prepare` only what cells mean is used: its `read` and its `kinds`.
    """
    prepare = prepare or Prepare()
    source = read_source_table(str(path), option, prepare.read)
    identity = sha256_file(path)
    return Predictions(_checked(source, weight_column, prepare), identity, identity, weight_column)


def predictions_of_frame(frame: pd.DataFrame, where: str, weight_column: str | None = None) -> Predictions:
    """The predictions in a data frame; `where` names it in errors. Its identity is the sha256 of its rows as CSV."""
    table = _checked(source_of_frame(frame, where), weight_column, Prepare())
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
        return read_predictions_table(path, option, None, prepare)
    how_to_fix = "give a table of predictions"
    table, metadata = read_arrow(path, how_to_fix)
    if NEW_DATA_KEY in metadata:
        where = f"{path}: its metadata `{NEW_DATA_KEY}`"
        return read_value(metadata[NEW_DATA_KEY].encode(), NewData, where, "run `lockgate champion` again")
    if MODEL_KEY not in metadata:
        return read_predictions_table(path, option, metadata.get(WEIGHT_KEY), prepare)
    return _of_metadata(path, table, metadata)


def read_earlier_predictions(path: Path, option: str, prepare: Prepare) -> Predictions:
    """An earlier model's predictions; raises InputError where the file says that these data have none."""
    found = read_champion_table(path, option, prepare)
    if isinstance(found, NewData):
        raise InputError(f"{path} holds no predictions, as the data are defined anew: {found.sentence}")
    return found


def unused_weight(predictions: Predictions) -> str | None:
    """A sentence where a column is called as if it were the weight, and is not."""
    if predictions.weight_column or USUAL_WEIGHT not in predictions.table.columns:
        return None
    return (
        f"column `{USUAL_WEIGHT}` is not used, and every row counts equally; where it is the weight of a row, say so with "
        f"--weight {USUAL_WEIGHT}"
    )


def _of_metadata(path: Path, table: pa.Table, metadata: Mapping[str, str]) -> Predictions:
    """A Parquet file of predictions, of what its metadata say: of one that somebody else wrote, of the file itself."""
    identity = sha256_file(path)
    weight_column = metadata.get(WEIGHT_KEY)
    checked = _checked(SourceTable(table, str(path)), weight_column, Prepare())
    return Predictions(checked, metadata.get(MODEL_KEY, identity), metadata.get(DATA_KEY, identity), weight_column)


def _checked(source: SourceTable, weight_column: str | None, prepare: Prepare) -> pd.DataFrame:
    """The columns as the gate takes them; raises InputError for a value that one of ours may not have.

    Labels, scores and weights are float64, row keys the text that stands in the file or the whole number, exactly, and so 7
    is the same row as "7" and another one than "007". Other columns, to slice by, are numbers or the texts that stand there.
    """
    where, columns = source.name, {}
    for name in (Y_TRUE, Y_SCORE):
        if name not in source.names:
            others = [one for one in source.names if one not in (Y_TRUE, Y_SCORE)]
            raise InputError(
                f"{where}: column `{name}` is missing; name the column of the outcomes (1 the event) `{Y_TRUE}` and the one of "
                f"its probabilities `{Y_SCORE}`; {nearest(name, others)}"
            )
    if weight_column in RESERVED_FOR_PREDICTIONS:
        raise InputError(f"{where}: `{weight_column}` is not a weight; name the column that holds the rows' weights")
    if weight_column is not None and weight_column not in source.names:
        raise InputError(f"{where}: weight column `{weight_column}` is missing; {nearest(weight_column, source.names)}")
    for name in source.names:
        if name == ROW_KEY:
            columns[name] = _row_keys(source)
        elif name in (Y_TRUE, Y_SCORE):
            columns[name] = _numbers(name, source, prepare.read)
        elif name == weight_column:
            reading = decide(name, source.cells(name), prepare.read, "numeric", source)
            columns[name] = read_weights(name, source.cells(name), reading, source)
        else:
            columns[name] = _to_slice_by(name, source, prepare)
    frame: pd.DataFrame = pa.table(columns).to_pandas()
    return frame


def _row_keys(source: SourceTable) -> pa.ChunkedArray:
    keys = cell_texts(source.cells(ROW_KEY))
    empty = pc.or_(keys.is_null(), pc.equal(keys, "").fill_null(True))
    if any_true(empty):
        row = pc.index(empty, True).as_py()
        raise InputError(
            f"{source.name}: column `{ROW_KEY}` is empty in {source.place(row)}; it must name each row once"
        )
    if pc.count_distinct(keys).as_py() < len(keys):
        counts = pc.value_counts(keys.combine_chunks())
        twice = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
        raise InputError(
            f"{source.name}: column `{ROW_KEY}` holds {quoted(twice[0])} more than once; it must name each row once"
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
