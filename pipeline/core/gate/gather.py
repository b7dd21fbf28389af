"""Putting together what the gate looks at: the bundle's own predictions, or anybody's table."""

from __future__ import annotations

from pipeline.core.common import layout
from pipeline.core.common.errors import InputError
from pipeline.core.common.files import sha256_file
from pipeline.core.common.params import Params
from pipeline.core.gate.evidence import Evidence, Policy
from pipeline.core.gate.measure import features_of, measured_intervals, with_columns
from pipeline.core.gate.predictions import MEND, Predictions, own_predictions
from pipeline.core.model.bundle import verify_bundle
from pipeline.core.statistics.metrics import all_metrics


def own_evidence(params: Params, policy: Policy) -> Evidence:
    """The bundle's predictions, and whether they are of the bundle and the test data that are there now."""
    predictions = own_predictions(layout.PREDICTIONS)
    bundle = verify_bundle(layout.MODELS)
    if not layout.TEST_DATA.is_file():
        raise InputError(f"{layout.TEST_DATA} does not exist, so nothing says what was predicted; {MEND}")
    stale = None
    if predictions.model != bundle.digest:
        stale = f"stale: the predictions are of model {str(predictions.model)[:12]}, not of {bundle.digest[:12]}; evaluate again"
    elif predictions.data != sha256_file(layout.TEST_DATA):
        stale = "stale: the predictions are of other test data than data/test.parquet; evaluate again"
    metrics = all_metrics(predictions.y_true, predictions.y_score, predictions.weight)
    if stale:
        return Evidence(predictions, metrics, stale=stale)
    features = features_of(bundle, params)
    return Evidence(
        with_columns(predictions, features.test, policy.evaluate),
        metrics,
        measured_intervals(predictions, policy.evaluate),
        params.decision,
        tuple(column.name for column in features.schema.audit),
        features=features,
    )


def foreign_evidence(predictions: Predictions, params: Params, policy: Policy) -> Evidence:
    """Anybody's predictions; audit columns are those of `prepare.audit_columns` that the table has."""
    return Evidence(
        predictions,
        all_metrics(predictions.y_true, predictions.y_score, predictions.weight),
        measured_intervals(predictions, policy.evaluate),
        params.decision,
        tuple(name for name in params.prepare.audit_columns if name in predictions.table.columns),
    )
