"""The metrics of scored test rows with their intervals, as the gate and whoever checks it measure them."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from pipeline.core.common import layout
from pipeline.core.common.params import Evaluate, Params
from pipeline.core.data.schema import ROW_KEY, read_schema
from pipeline.core.data.tables import read_stage_table
from pipeline.core.gate.evidence import Features
from pipeline.core.gate.predictions import Predictions
from pipeline.core.model.bundle import SCHEMA, Bundle
from pipeline.core.statistics.bootstrap import bootstrap_intervals
from pipeline.core.statistics.delong import auc_interval
from pipeline.core.statistics.interval import Interval
from pipeline.core.statistics.linearised import linearised_intervals

# Beyond, the bootstrap takes minutes, and the normal interval of the same influences agrees with it.
MOST_BOOTSTRAPPED_ROWS = 100_000


def measured_intervals(predictions: Predictions, evaluate: Evaluate) -> dict[str, Interval]:
    """Intervals of every metric, of the calibration slope and of its intercept: DeLong's, else a seeded bootstrap's."""
    y_true, y_score, weight = predictions.y_true, predictions.y_score, predictions.weight
    auc = auc_interval(y_true, y_score, evaluate.confidence, weight)
    if len(y_true) > MOST_BOOTSTRAPPED_ROWS:
        others = linearised_intervals(y_true, y_score, weight, confidence=evaluate.confidence)
    else:
        others = bootstrap_intervals(y_true, y_score, weight, seed=evaluate.seed, confidence=evaluate.confidence)
    return {"roc_auc": auc, "gini": _gini(auc), **others}


def _gini(auc: Interval) -> Interval:
    error = None if auc.standard_error is None else 2 * auc.standard_error
    value, low, high = (None if bound is None else 2 * bound - 1 for bound in (auc.value, auc.low, auc.high))
    return Interval(value, low, high, error, auc.status)


def features_of(bundle: Bundle, params: Params) -> Features:
    """The test rows, the training rows where they are there, and the schema of the model."""
    schema = read_schema(bundle.path(SCHEMA))
    train = read_stage_table(layout.TRAIN_DATA, schema, "train") if layout.TRAIN_DATA.is_file() else None
    test = read_stage_table(layout.TEST_DATA, schema, "test")
    return Features(schema, test, train, tuple(params.prepare.unavailable_at_decision))


def with_columns(predictions: Predictions, test: pd.DataFrame, evaluate: Evaluate) -> Predictions:
    """The predictions with columns of the test rows that a policy asks for and the run that evaluated did not."""
    wanted = dict.fromkeys([*evaluate.slices, *(evaluate.fairness or [])])
    missing = [name for name in wanted if name not in predictions.table.columns and name in test.columns]
    if not missing or predictions.row_key is None:
        return predictions
    rows = test.set_index(ROW_KEY).loc[predictions.row_key, missing].reset_index(drop=True)
    return replace(predictions, table=pd.concat([predictions.table.reset_index(drop=True), rows], axis=1))
