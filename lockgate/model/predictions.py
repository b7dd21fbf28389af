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
from lockgate.data.sources import read_table
from lockgate.data.tables import read_parquet
from lockgate.documents.schema_json import RESERVED_FOR_PREDICTIONS, ROW_KEY, Schema

Y_TRUE = "y_true"
Y_SCORE = "y_score"
WEIGHT = "weight"
MODEL_KEY = "lockgate.model"
DATA_KEY = "lockgate.data"
MEND = "run `lockgate evaluate` (or `dvc repro`) to make it"


@dataclass(frozen=True)
class Predictions:
    """Labels 0/1 and probabilities, each of shape (rows,), and which model and data they are of.

    `weight` and `row_key` are None where the table has none. `model` and `data` are sha256s, None where unknown.
    """

    table: pd.DataFrame
    model: str | None
    data: str | None

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
        """Row weights, float64."""
        return self.table[WEIGHT].to_numpy(dtype="float64") if WEIGHT in self.table.columns else None

    @property
    def row_key(self) -> np.ndarray | None:
        """Row keys as text, to join with a champion's."""
        return self.table[ROW_KEY].astype(str).to_numpy() if ROW_KEY in self.table.columns else None


def make_predictions(test: pd.DataFrame, scores: np.ndarray, schema: Schema, evaluate: Evaluate) -> pd.DataFrame:
    """The table for `predictions.parquet`: keys, labels, scores, weights, then audit, slice and fairness columns.

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
        table[WEIGHT] = test[schema.weight_column]
    for name in dict.fromkeys([*(audit.name for audit in schema.audit), *wanted]):
        table[name] = test[name]
    return table


def read_evaluated_predictions(path: Path) -> Predictions:
    """Predictions that `lockgate evaluate` wrote, with the identities in their metadata."""
    table, metadata = read_parquet(path, MEND)
    identity = sha256_file(path)  # of a table that somebody else wrote there: stale, whatever it is of
    return Predictions(_checked(table, str(path)), metadata.get(MODEL_KEY, identity), metadata.get(DATA_KEY, identity))


def read_predictions_table(path: Path, option: str) -> Predictions:
    """Anybody's table with y_true and y_score, CSV or Parquet; its identity is the file's sha256."""
    table = _checked(read_table(str(path), option), str(path))
    identity = sha256_file(path)
    return Predictions(table, identity, identity)


def predictions_of_frame(frame: pd.DataFrame, where: str) -> Predictions:
    """The predictions in a data frame; `where` names it in errors. Its identity is the sha256 of its rows as CSV."""
    table = _checked(frame.reset_index(drop=True), where)
    identity = sha256_bytes(table.to_csv(index=False).encode())
    return Predictions(table, identity, identity)


def read_champion_predictions(path: Path) -> Predictions:
    """The champion's predictions: `lockgate evaluate`'s own name the model, else the file's sha256 does."""
    found = read_predictions_table(path, "--champion")
    if path.suffix.lower() not in (".parquet", ".pq"):
        return found
    _, metadata = read_parquet(path, "give a table of predictions")
    return Predictions(found.table, metadata.get(MODEL_KEY, found.model), metadata.get(DATA_KEY, found.data))


def _checked(table: pd.DataFrame, where: str) -> pd.DataFrame:
    """A copy whose columns of ours are float64 and text; raises InputError for a value that none of them may hold."""
    for name in (Y_TRUE, Y_SCORE):
        if name not in table.columns:
            raise InputError(f"{where}: column `{name}` is missing; {nearest(name, table.columns)}")
    checked = table.copy()
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
    return bool(column.between(0.0, 1.0 if name == Y_SCORE else np.inf).all())


WANTED = {
    Y_TRUE: "must hold 0 and 1 and nothing else",
    Y_SCORE: "must hold probabilities from 0 to 1, none missing",
    WEIGHT: "must hold weights of at least 0, none missing",
    ROW_KEY: "must name each row once",
}
