"""An earlier model's predictions, made by the kit that judges: a bundle is data, and none of its project's code runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np

from lockgate.config import layout
from lockgate.config.errors import InputError
from lockgate.config.params import Evaluate
from lockgate.data.row_keys import Digests, key_digests, shared_rows
from lockgate.data.stage_rows import StageRows
from lockgate.data.tables import HOW_TO_MAKE_IT, write_frames
from lockgate.documents.schema_json import ROW_KEY, Schema
from lockgate.gate.new_data import comes_from_elsewhere, data_defined_anew
from lockgate.model.bundle import Bundle, verify_bundle
from lockgate.model.predictions import new_data_bytes, predictions_metadata
from lockgate.model.scored_rows import predict, predicted_frames


def champion_table(champion: Bundle, own_rows: Path | None, project: Path, show: Callable[[str], None]) -> bytes:
    """The champion's predictions of the test rows of a project, as `reports/champion.parquet` holds them.

    own_rows: the file of the test rows that the champion was judged on, None where nobody has it. Where columns came or went
    since, it scores those; the gate joins both by row key, and refuses other rows. Where the project's data are defined anew
    the table has no row, and says why.
    Raises InputError where the champion takes neither these test rows nor its own.
    """
    new = verify_bundle(project / layout.MODELS)
    shared_rows = None
    if own_rows is not None and comes_from_elsewhere(new, champion):
        shared_rows = _shared_rows(own_rows, (project / layout.TRAIN_DATA, project / layout.TEST_DATA), champion.schema)
    new_data = data_defined_anew(new, champion, shared_rows)
    if new_data is not None:
        show(f"no champion is comparable, as the data are defined anew: {new_data.sentence}")
        return new_data_bytes(new_data)
    for rows in (project / layout.TEST_DATA, own_rows):
        if rows is None:
            continue
        try:
            return score_champion(champion, rows)
        except InputError as error:
            show(f"the earlier model does not take {rows.name}: {error}")
    raise InputError("the earlier model takes neither these test rows nor its own; see above")


def score_champion(champion: Bundle, test: Path) -> bytes:
    """The champion's predictions of the test rows in a file.

    Raises InputError where the rows do not have the columns that it was trained on.
    """
    rows, evaluate, stream = StageRows(test, champion.schema, "test"), Evaluate(), BytesIO()
    predictions = predict(champion, rows, evaluate)
    frames = predicted_frames(predictions, rows, champion.schema, evaluate)
    write_frames(stream, frames, predictions_metadata(predictions))
    return stream.getvalue()


def _shared_rows(own: Path, others: Sequence[Path], schema: Schema) -> int:
    """How many rows of a file are in one of the others, by their keys."""
    keys = np.unique(_key_digests(own, schema), axis=0)
    return sum(len(shared_rows(keys, np.unique(_key_digests(other, schema), axis=0))[0]) for other in others)


def _key_digests(path: Path, schema: Schema) -> Digests:
    rows = StageRows(path, schema, "test")
    if ROW_KEY not in rows.columns:
        raise InputError(f"{path} has no column `{ROW_KEY}`; {HOW_TO_MAKE_IT}")
    parts = [key_digests(frame[ROW_KEY]) for frame in rows.frames([ROW_KEY])]
    return np.concatenate([np.empty((0, 2), dtype=np.uint64), *parts])
