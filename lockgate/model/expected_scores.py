"""What an imported model has to give, by those who trained it: a column of the table, or another table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lockgate.config.errors import InputError
from lockgate.config.params import Read
from lockgate.config.suggest import nearest
from lockgate.data.column_decision import decide
from lockgate.data.columns import read_column
from lockgate.data.names import kinds_of
from lockgate.data.source_table import SourceTable, cell_texts
from lockgate.data.split import identifier_keys
from lockgate.documents.schema_json import ROW_KEY, Y_SCORE, Y_TRUE, Schema
from lockgate.model.bundle import Bundle
from lockgate.model.scoring import OWN_TOLERANCE, score_bundle


@dataclass(frozen=True)
class ExpectedScores:
    """What a model has to give for the rows of a table: `features` has the schema's columns, `scores` a probability a row.

    `name` is what messages call the scores, and `table` the rows.
    """

    features: pd.DataFrame
    scores: NDArray[np.float64]
    name: str
    table: SourceTable


def require_expected(bundle: Bundle, expected: ExpectedScores) -> str:
    """How well the bundle's scores agree with the expected ones, in words for people.

    Rows with a category that no training row had are left out: no service scores them. Raises InputError where another differs
    by more than 1e-5, with the number of such rows, the largest difference and the first row.
    """
    is_known = _has_known_categories(expected.features, bundle.schema)
    scores = score_bundle(bundle, expected.features)
    # A score that is none differs from every number.
    gaps = np.where(is_known, np.nan_to_num(np.abs(scores - expected.scores), nan=np.inf), 0.0)
    differing = np.flatnonzero(gaps > OWN_TOLERANCE)
    if not len(differing):
        left_out = int((~is_known).sum())
        without = f" ({left_out:,} more have a category that no training row had)" if left_out else ""
        return f"the model gives {expected.name}: {int(is_known.sum()):,} rows{without}, largest difference {gaps.max():.1e}"
    first = int(differing[0])
    others = np.abs(1.0 - scores - expected.scores)[is_known]
    hint = (
        "they are those of the other class: choose it with --class"
        if (others <= OWN_TOLERANCE).all()
        else "is it this model, are these the columns that it was trained on, and is a missing category an empty text to it?"
    )
    raise InputError(
        f"the model does not give {expected.name}: {len(differing):,} of {len(gaps):,} rows differ by more than "
        f"{OWN_TOLERANCE:g}, the largest by {gaps.max():.3g}, the first in {expected.table.place(first)}: {scores[first]:.9g} "
        f"instead of {expected.scores[first]:.9g}; {hint}"
    )


def _has_known_categories(features: pd.DataFrame, schema: Schema) -> NDArray[np.bool_]:
    found = np.ones(len(features), bool)
    for one in schema.features:
        if one.kind == "categorical":
            column = features[one.name]
            found &= (column.isna() | column.isin(one.categories)).to_numpy()
    return found


def scores_of_column(table: SourceTable, features: pd.DataFrame, column: str, schema: Schema) -> ExpectedScores:
    """The expected scores in a column of the table; raises InputError where the model is trained on it."""
    if column in schema.feature_names:
        raise InputError(
            f"--scores names `{column}`, which is a feature of the model; leave it out with {kinds_of({column: 'drop'})}"
        )
    return ExpectedScores(features, _probabilities(table, column), f"`{column}` of {table.name}", table)


def scores_of_table(
    table: SourceTable, features: pd.DataFrame, keys: pa.ChunkedArray | None, given: SourceTable, schema: Schema
) -> ExpectedScores:
    """The expected scores in another table: `y_score`, or its only column beside identifiers.

    A row's score is the one with its identifiers, where `given` has the schema's, or with its row key, where `given` has that;
    `keys` are the table's row keys. Otherwise the rows are in the same order. Raises InputError where a row has no score.
    """
    named = {*schema.id_columns, ROW_KEY, Y_TRUE}
    candidates = [name for name in given.names if name not in named]
    column = Y_SCORE if Y_SCORE in candidates else candidates[0] if len(candidates) == 1 else None
    if column is None:
        raise InputError(
            f"--scores: {given.name} has the columns {', '.join(f'`{name}`' for name in given.names)}, and which holds the "
            f"scores is not clear; call it `{Y_SCORE}`"
        )
    scores, theirs = _probabilities(given, column), _keys_of(given, schema)
    if keys is None or theirs is None:
        if len(scores) != len(features):
            raise InputError(
                f"--scores: {given.name} has {len(scores):,} rows and {table.name} {len(features):,}, and no identifiers say "
                "which belong together; give a score for each row, in its order"
            )
    else:
        places = pc.index_in(keys, value_set=theirs.combine_chunks())
        if places.null_count:
            first = table.place(pc.index(places.is_null(), True).as_py())
            raise InputError(
                f"--scores: {given.name} has no score for {places.null_count:,} of {len(features):,} rows of {table.name}, the "
                f"first in {first}; give one for each"
            )
        scores = scores[places.to_numpy()]
    return ExpectedScores(features, scores, f"`{column}` of {given.name}", table)


def _keys_of(given: SourceTable, schema: Schema) -> pa.ChunkedArray | None:
    if schema.id_columns and set(schema.id_columns) <= set(given.names):
        return identifier_keys(given, schema.id_columns)
    return cell_texts(given.cells(ROW_KEY)) if ROW_KEY in given.names else None


def _probabilities(table: SourceTable, column: str) -> NDArray[np.float64]:
    if column not in table.names:
        raise InputError(f"--scores: {table.name} has no column `{column}`; {nearest(column, table.names)}")
    cells = table.cells(column)
    reading = decide(column, cells, Read(), "numeric", table)
    scores: NDArray[np.float64] = read_column(column, cells, reading, table).values.to_numpy().astype(np.float64)
    wrong = np.flatnonzero(~((scores >= 0.0) & (scores <= 1.0)))
    if len(wrong):
        raise InputError(
            f"--scores: `{column}` of {table.name} is no probability in {len(wrong):,} rows, the first of them "
            f"{table.place(int(wrong[0]))} with {scores[wrong[0]]:.9g}; give numbers from 0 to 1"
        )
    return scores
