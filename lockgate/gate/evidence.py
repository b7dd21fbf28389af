"""What the gate looks at: a policy, and evidence about a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

import pandas as pd

from lockgate.config import layout
from lockgate.config.files import sha256_bytes
from lockgate.config.params import Decision, Evaluate, Gate, Prepare
from lockgate.data.tables import Table, table_bytes
from lockgate.documents.gate_json import NewData
from lockgate.documents.schema_json import ROW_KEY, Schema
from lockgate.metrics.bootstrap import bootstrap_intervals
from lockgate.metrics.delong import auc_interval
from lockgate.metrics.interval import Interval
from lockgate.metrics.linearised import linearised_intervals
from lockgate.model.bundle import Bundle
from lockgate.model.predictions import Predictions


@dataclass(frozen=True)
class Policy:
    """What the gate demands: the sections `evaluate` and `gate` of params.yaml."""

    evaluate: Evaluate = field(default_factory=Evaluate)
    gate: Gate = field(default_factory=Gate)


@dataclass(frozen=True)
class Features:
    """What the model saw: for the checks that ask whether it saw too much.

    train: the very rows that it was trained on, None where they are not in hand; `why_no_train` then says why.
    unavailable: columns that are unknown at the decision. params: sha256 of the settings that shaped the bundle.
    latest: the last day that a row may be of, None where it may be of any.
    """

    schema: Schema
    test: pd.DataFrame
    train: pd.DataFrame | None
    unavailable: tuple[str, ...] = ()
    why_no_train: str = "the training rows are not there"
    params: str | None = None
    latest: date | None = None


def bundle_features(bundle: Bundle, test: Table, train: Table | None, prepare: Prepare) -> Features:
    """What the model of `bundle` saw. Training rows are looked at where they are those that its manifest names."""
    rows, why = None, f"{layout.TRAIN_DATA} is not there; run `lockgate reproduce`"
    if train is not None and (train.sha256 or sha256_bytes(table_bytes(train.rows))) != bundle.training_data:
        why = f"{train.name} is not what the model was trained on (its sha256 is not the manifest's); run `lockgate reproduce`"
    elif train is not None:
        rows = train.rows
    unavailable = tuple(prepare.unavailable_at_decision)
    latest = None if prepare.future_times == "accept" else test.read_on
    return Features(bundle.schema, test.rows, rows, unavailable, why, bundle.params, latest)


@dataclass(frozen=True)
class Evidence:
    """What the gate looks at.

    `intervals` are of the metrics, by name. `decision` and `audit_columns` belong to the model in hand, not to the policy.
    `first_model`: somebody declared that there is no champion yet. `new_data`: why none is comparable. `stale` says why the
    predictions are not of the model and data in hand, if so. `today`, in UTC, tells whether an exception to the policy still
    holds.
    """

    predictions: Predictions
    metrics: Mapping[str, float]
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    decision: Decision = field(default_factory=Decision)
    audit_columns: tuple[str, ...] = ()
    champion: Predictions | None = None
    first_model: bool = False
    new_data: NewData | None = None
    features: Features | None = None
    stale: tuple[str, ...] = ()
    today: date | None = None

    @property
    def stale_reason(self) -> str:
        """All that is stale, as the reason of a check."""
        return f"stale: {'; '.join(self.stale)}"


# Beyond, the bootstrap takes minutes, and the normal interval of the same influences agrees with it.
MAX_BOOTSTRAP_ROWS = 100_000


def measured_intervals(predictions: Predictions, evaluate: Evaluate) -> dict[str, Interval]:
    """Intervals of every metric, of the calibration slope and of its intercept: DeLong's, else a seeded bootstrap's."""
    y_true, y_score, weight = predictions.y_true, predictions.y_score, predictions.weight
    auc = auc_interval(y_true, y_score, evaluate.confidence, weight)
    if len(y_true) > MAX_BOOTSTRAP_ROWS:
        others = linearised_intervals(y_true, y_score, weight, confidence=evaluate.confidence)
    else:
        others = bootstrap_intervals(y_true, y_score, weight, seed=evaluate.seed, confidence=evaluate.confidence)
    return {"roc_auc": auc, "gini": _gini(auc), **others}


def _gini(auc: Interval) -> Interval:
    error = None if auc.standard_error is None else 2 * auc.standard_error
    value, low, high = (None if bound is None else 2 * bound - 1 for bound in (auc.value, auc.low, auc.high))
    return Interval(value, low, high, error, auc.status)


def with_columns(predictions: Predictions, test: pd.DataFrame, evaluate: Evaluate) -> Predictions:
    """The predictions with columns of the test rows that a policy asks for and the run that evaluated did not."""
    wanted = dict.fromkeys([*evaluate.slices, *(evaluate.fairness or [])])
    missing = [name for name in wanted if name not in predictions.table.columns and name in test.columns]
    if not missing or predictions.row_key is None:
        return predictions
    rows = test.set_index(ROW_KEY).loc[predictions.row_key, missing].reset_index(drop=True)
    return replace(predictions, table=pd.concat([predictions.table.reset_index(drop=True), rows], axis=1))
