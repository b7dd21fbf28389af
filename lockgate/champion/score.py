"""An earlier model's predictions, made by the kit that judges: a bundle is data, and none of its project's code runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lockgate.config.errors import InputError
from lockgate.config.files import sha256_file
from lockgate.config.params import Evaluate
from lockgate.data.tables import read_stage_table, table_bytes
from lockgate.model.bundle import Bundle
from lockgate.model.predictions import make_predictions, predictions_metadata
from lockgate.model.scoring import score_bundle


def score_champion(champion: Bundle, test: Path) -> bytes:
    """The champion's predictions of the test rows in a file, as `reports/predictions.parquet` holds them.

    Raises InputError where the rows do not have the columns that it was trained on.
    """
    rows = read_stage_table(test, champion.schema, "test")
    scores, data = score_bundle(champion, rows), sha256_file(test)
    predictions = make_predictions(rows, scores, champion.schema, Evaluate(), champion.digest, data)
    return table_bytes(predictions.table, predictions_metadata(predictions))


def score_champion_or_own_rows(champion: Bundle, test: Path, own: Path, show: Callable[[str], None]) -> bytes:
    """The champion's predictions of the test rows, or of `own`, its project's, where columns came or went since.

    The gate joins predictions by row key, and refuses them if they are not of the same rows.
    Raises InputError where it takes neither.
    """
    for rows in (test, own):
        try:
            return score_champion(champion, rows)
        except InputError as error:
            show(f"the earlier model does not take {rows.name}: {error}")
    raise InputError("the earlier model takes neither these test rows nor its own; see above")
