"""Tables of predictions: ours with the identities they were made from, or anybody's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lockgate.config.errors import InputError
from lockgate.config.files import sha256_bytes, sha256_file
from lockgate.config.params import Evaluate
from lockgate.config.suggest import nearest
from lockgate.data.columns import checked_weights
from lockgate.data.sources import read_table
from lockgate.data.tables import read_parquet
from lockgate.documents.schema_json import RESERVED_FOR_PREDICTIONS, ROW_KEY, Schema

Y_TRUE = "y_true"
Y_SCORE = "y_score"
MODEL_KEY = "lockgate.model"
DATA_KEY = "lockgate.data"
WEIGHT_KEY = "lockgate.weight"
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
        return self.table[ROW_KEY].astype(str).to_numpy() if ROW_KEY in self.table.columns else None


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
        if name not in test.columns:
            raise InputError(f"{key_of(name)} names `{name}`, which is no column; {nearest(name, test.columns)}")
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
    table, metadata = read_parquet(path, HOW_TO_FIX)
    identity = sha256_file(path)  # of a table that somebody else wrote there: stale, whatever it is of
    return _of_metadata(table, metadata, str(path), identity)


def read_predictions_table(path: Path, option: str, weight_column: str | None = None) -> Predictions:
    """Anybody's table with y_true and y_score, CSV or Parquet; its identity is the file's sha256."""
    table = _checked(read_table(str(path), option), str(path), weight_column)
    identity = sha256_file(path)
    return Predictions(table, identity, identity, weight_column)


def predictions_of_frame(frame: pd.DataFrame, where: str, weight_column: str | None = None) -> Predictions:
    """The predictions in a data frame; `where` names it in errors. Its identity is the sha256 of its rows as CSV."""
    table = _checked(frame.reset_index(drop=True), where, weight_column)
    identity = sha256_bytes(table.to_csv(index=False).encode())
    return Predictions(table, identity, identity, weight_column)


def read_champion_predictions(path: Path) -> Predictions:
    """The champion's predictions: `lockgate evaluate`'s own name the model, else the file's sha256 does."""
    if path.suffix.lower() not in (".parquet", ".pq"):
        return read_predictions_table(path, "--champion")
    table, metadata = read_parquet(path, "give a table of predictions")
    return _of_metadata(table, metadata, str(path), sha256_file(path))


def unused_weight(predictions: Predictions) -> str | None:
    """A sentence where a column is called as if it were the weight, and is not."""
    if predictions.weight_column or USUAL_WEIGHT not in predictions.table.columns:
        return None
    return (
        f"column `{USUAL_WEIGHT}` is not used, and every row counts equally; where it is the weight of a row, say so with "
        f"--weight {USUAL_WEIGHT}"
    )


def _of_metadata(table: pd.DataFrame, metadata: dict[str, str], where: str, identity: str) -> Predictions:
    weight_column = metadata.get(WEIGHT_KEY)
    checked = _checked(table, where, weight_column)
    return Predictions(checked, metadata.get(MODEL_KEY, identity), metadata.get(DATA_KEY, identity), weight_column)


def _checked(table: pd.DataFrame, where: str, weight_column: str | None) -> pd.DataFrame:
    """A copy whose columns of ours are float64 and text; raises InputError for a value that none of them may hold."""
    for name in (Y_TRUE, Y_SCORE):
        if name not in table.columns:
            raise InputError(f"{where}: column `{name}` is missing; {nearest(name, table.columns)}")
    checked = table.copy()
    if weight_column is not None:
        if weight_column in RESERVED_FOR_PREDICTIONS:
            raise InputError(
                f"{where}: `{weight_column}` is not a weight; name the column that holds the rows' weights"
            )
        if weight_column not in table.columns:
            raise InputError(
                f"{where}: weight column `{weight_column}` is missing; {nearest(weight_column, table.columns)}"
            )
        checked[weight_column] = checked_weights(table[weight_column], where)
    for name in (column for column in WANTED if column in table.columns):
        try:
            column = table[name].astype(str if name == ROW_KEY else float)
        except (TypeError, ValueError):
            column = None
        if column is None or not _holds(name, column):
            raise InputError(f"{where}: column `{name}` {WANTED[name]}; how to fix it: correct the table")
        checked[name] = column
    return checked


def _holds(name: str, column: pd.Series) -> bool:
    """Whether every value is one that the column may have; a missing one never is."""
    if name == ROW_KEY:
        return bool(column.notna().all() and column.is_unique)
    if name == Y_TRUE:
        return bool(column.isin([0.0, 1.0]).all())
    return bool(column.between(0.0, 1.0).all())


WANTED = {
    Y_TRUE: "must hold 0 and 1 and nothing else",
    Y_SCORE: "must hold probabilities from 0 to 1, none missing",
    ROW_KEY: "must name each row once",
}
