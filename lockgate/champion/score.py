"""An earlier model's predictions, made by the kit that judges: a bundle is data, and none of its project's code runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lockgate.config import layout
from lockgate.config.errors import InputError
from lockgate.config.files import sha256_file
from lockgate.config.params import Evaluate
from lockgate.data.tables import read_arrow, read_stage_table, table_bytes
from lockgate.documents.schema_json import ROW_KEY
from lockgate.gate.new_data import comes_from_elsewhere, data_defined_anew
from lockgate.model.bundle import Bundle, verify_bundle
from lockgate.model.predictions import make_predictions, new_data_bytes, predictions_metadata
from lockgate.model.scoring import score_bundle


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
        shared_rows = len(
            _row_keys(own_rows) & (_row_keys(project / layout.TRAIN_DATA) | _row_keys(project / layout.TEST_DATA))
        )
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
    rows = read_stage_table(test, champion.schema, "test")
    scores, data = score_bundle(champion, rows), sha256_file(test)
    predictions = make_predictions(rows, scores, champion.schema, Evaluate(), champion.digest, data)
    return table_bytes(predictions.table, predictions_metadata(predictions))


def _row_keys(path: Path) -> set[str]:
    how_to_fix = "run `lockgate prepare` (or `dvc repro`) to make it"
    rows, _ = read_arrow(path, how_to_fix)
    if ROW_KEY not in rows.column_names:
        raise InputError(f"{path} has no column `{ROW_KEY}`; {how_to_fix}")
    return set(rows[ROW_KEY].to_pylist())
