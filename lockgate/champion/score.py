"""An earlier model's predictions, made by the kit that judges: a bundle is data, and none of its project's code runs."""

from __future__ import annotations

from pathlib import Path

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
