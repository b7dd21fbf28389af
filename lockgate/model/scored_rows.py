"""The scores of test rows by a bundle, part by part: what is kept of a row are its label, its score and what it is sliced by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa

from lockgate.config.errors import InputError
from lockgate.config.files import sha256_bytes
from lockgate.config.params import Evaluate
from lockgate.config.progress import ProgressBar
from lockgate.data.row_keys import Digests, key_digests, repeated_row
from lockgate.data.stage_rows import StagePartition, StageRows
from lockgate.data.tables import Table, table_bytes
from lockgate.documents.schema_json import ROW_KEY, Y_SCORE, Y_TRUE, Schema
from lockgate.engine.engine import Engine, LocalEngine
from lockgate.model.bundle import Bundle
from lockgate.model.predictions import (
    Predictions,
    copied_columns,
    make_predictions,
    predictions_table,
    require_sliced_columns,
)
from lockgate.model.scoring import score_bundle

LARGE = 1_048_576  # rows: a person waits for the scores of more


@dataclass(frozen=True)
class _ScoredPart:
    """The rows of a part: their keys' digests, labels, scores, weights and columns to slice by, texts as categories."""

    keys: Digests
    table: pa.Table


def predict(
    bundle: Bundle, rows: Table | StageRows, evaluate: Evaluate, data: str | None = None, engine: Engine | None = None
) -> Predictions:
    """The bundle's predictions of test rows; `data` is the sha256 that names them, that of their file by default.

    Rows in a file are scored part by part on the engine, and their predictions have digests of the keys in place of the keys.
    Raises InputError where the rows are not those of the bundle's schema, a key is there twice, or a column of `evaluate` is not
    there.
    """
    if isinstance(rows, Table):
        scores = score_bundle(bundle, rows.rows)
        return make_predictions(rows.rows, scores, bundle.schema, evaluate, bundle.digest, data or identity_of(rows))
    require_sliced_columns(rows.columns, evaluate)
    names = copied_columns(bundle.schema, evaluate)
    parts = []
    with ProgressBar("scoring the test rows", rows.rows if rows.rows > LARGE else 0) as bar:
        work = partial(_scored, bundle, names, rows.rows)
        for part in (engine or LocalEngine()).map(work, rows.partitions):
            parts.append(part)
            bar.advance(len(part.keys))
    keys = np.concatenate([np.empty((0, 2), dtype=np.uint64), *(part.keys for part in parts)])
    _require_different(keys, rows)
    tables = [part.table for part in parts]
    del parts
    columns = pa.concat_tables(tables).unify_dictionaries() if tables else pa.table({Y_TRUE: [], Y_SCORE: []})
    del tables
    table = pd.DataFrame({name: columns[name].to_pandas() for name in columns.column_names}, copy=False)
    return Predictions(table, bundle.digest, data or identity_of(rows), bundle.schema.weight_column, keys)


def predicted_frames(
    predictions: Predictions, rows: Table | StageRows, schema: Schema, evaluate: Evaluate
) -> Iterator[pd.DataFrame]:
    """The rows of `predictions.parquet`: the test rows beside their predictions, read once more where they stand in a file."""
    if isinstance(rows, Table):
        yield predictions.table
        return
    wanted = [ROW_KEY, schema.target, *copied_columns(schema, evaluate)]
    scores, first = predictions.y_score, 0
    for frame in rows.frames(list(dict.fromkeys(wanted))):
        yield predictions_table(frame, scores[first : first + len(frame)], schema, evaluate)
        first += len(frame)


def identity_of(rows: Table | StageRows) -> str:
    """The sha256 of the file of the rows; of rows that stand in none, of the file that they would make."""
    if isinstance(rows, StageRows):
        return rows.sha256
    return rows.sha256 or sha256_bytes(table_bytes(rows.rows))


def _scored(bundle: Bundle, names: list[str], of: int, part: StagePartition) -> _ScoredPart:
    keys, tables = [], []
    for frame in part.frames():
        columns = {
            Y_TRUE: frame[bundle.schema.target].to_numpy(dtype="int8"),
            Y_SCORE: score_bundle(bundle, frame, of),
            **{name: pa.Array.from_pandas(frame[name]) for name in names},
        }
        keys.append(key_digests(frame[ROW_KEY]))
        tables.append(pa.table({name: _compact(values) for name, values in columns.items()}))
    return _ScoredPart(np.concatenate(keys), pa.concat_tables(tables).unify_dictionaries().combine_chunks())


def _compact(values: np.ndarray | pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    found = pa.array(values) if isinstance(values, np.ndarray) else values
    return (
        found.dictionary_encode() if pa.types.is_string(found.type) or pa.types.is_large_string(found.type) else found
    )


def _require_different(keys: Digests, rows: StageRows) -> None:
    """Raises InputError where a row's key is another's too: no part alone sees that."""
    twice = repeated_row(keys)
    if twice is None:
        return
    count = int((keys == keys[twice]).all(axis=1).sum())
    first = int((keys == keys[twice]).all(axis=1).argmax())
    texts = (text for frame in rows.frames([ROW_KEY]) for text in frame[ROW_KEY])
    text = next(text for place, text in enumerate(texts) if place == first)
    raise InputError(
        f"{rows.path}: column `{ROW_KEY}` ({count:,} rows, the first with {text}) must be there once; remove the copies"
    )
