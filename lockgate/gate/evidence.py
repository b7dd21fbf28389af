"""What the gate looks at: a policy, and evidence about a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
import pandas as pd
from pandas.api.types import is_string_dtype, union_categoricals

from lockgate.config import layout
from lockgate.config.params import Decision, Evaluate, Gate, Prepare
from lockgate.data.row_keys import key_digests, places_in
from lockgate.data.stage_rows import StageRows, frames_of
from lockgate.data.tables import Table
from lockgate.documents.gate_json import NewData
from lockgate.documents.schema_json import ROW_KEY, Schema
from lockgate.metrics.bootstrap import bootstrap_intervals
from lockgate.metrics.delong import auc_interval
from lockgate.metrics.interval import Interval
from lockgate.metrics.linearised import linearised_intervals
from lockgate.model.bundle import Bundle
from lockgate.model.predictions import Predictions
from lockgate.model.scored_rows import identity_of


@dataclass(frozen=True)
class Policy:
    """What the gate demands: the sections `evaluate` and `gate` of params.yaml."""

    evaluate: Evaluate = field(default_factory=Evaluate)
    gate: Gate = field(default_factory=Gate)


@dataclass(frozen=True)
class Features:
    """What the model saw: for the checks that ask whether it saw too much.

    train: the very rows that it was trained on, None where they are not in hand; `why_no_train` then says why.
    Either are a frame, or a file that is read when it is needed, part by part.
    unavailable: columns that are unknown at the decision. params: sha256 of the settings that shaped the bundle.
    latest: the last day that a row may be of, None where it may be of any.
    """

    schema: Schema
    test: pd.DataFrame | StageRows
    train: pd.DataFrame | StageRows | None
    unavailable: tuple[str, ...] = ()
    why_no_train: str = "the training rows are not there"
    params: str | None = None
    latest: date | None = None


def bundle_features(
    bundle: Bundle,
    test: Table | StageRows,
    train: Table | StageRows | None,
    prepare: Prepare,
) -> Features:
    """What the model of `bundle` saw. Training rows are looked at where they are those that its manifest names."""
    rows, why = None, f"{layout.TRAIN_DATA} is not there; run `lockgate reproduce`"
    if train is not None and identity_of(train) != bundle.training_data:
        name = train.name if isinstance(train, Table) else train.path
        why = (
            f"{name} is not what the model was trained on (its sha256 is not the manifest's); run `lockgate reproduce`"
        )
    elif train is not None:
        rows = _held(train)
    unavailable = tuple(prepare.unavailable_at_decision)
    latest = None if prepare.future_times == "accept" else test.read_on
    return Features(bundle.schema, _held(test), rows, unavailable, why, bundle.params, latest)


def _held(rows: Table | StageRows) -> pd.DataFrame | StageRows:
    return rows.rows if isinstance(rows, Table) else rows


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


def with_columns(predictions: Predictions, test: pd.DataFrame | StageRows, evaluate: Evaluate) -> Predictions:
    """The predictions with columns of the test rows that a policy asks for and the run that evaluated did not."""
    wanted = dict.fromkeys([*evaluate.slices, *(evaluate.fairness or [])])
    missing = [name for name in wanted if name not in predictions.table.columns and name in test.columns]
    if not missing or predictions.key_digests is None:
        return predictions
    keys = np.concatenate([key_digests(frame[ROW_KEY]) for frame in frames_of(test, [ROW_KEY])])
    places = places_in(keys, predictions.key_digests)
    columns = {name: _column(test, name).take(places).array for name in missing}
    return replace(predictions, table=predictions.table.reset_index(drop=True).assign(**columns))


def _column(rows: pd.DataFrame | StageRows, name: str) -> pd.Series:
    parts = [
        frame[name].astype("category") if is_string_dtype(frame[name]) else frame[name]
        for frame in frames_of(rows, [name])
    ]
    if isinstance(parts[0].dtype, pd.CategoricalDtype):
        return pd.Series(union_categoricals(parts))
    return pd.concat(parts, ignore_index=True)
