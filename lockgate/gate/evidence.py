"""What the gate looks at: a policy, and evidence about a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pandas as pd

from lockgate.config.params import Decision, Evaluate, Gate
from lockgate.documents.schema_json import ROW_KEY, Schema
from lockgate.metrics.bootstrap import bootstrap_intervals
from lockgate.metrics.delong import auc_interval
from lockgate.metrics.interval import Interval
from lockgate.metrics.linearised import linearised_intervals
from lockgate.model.predictions import Predictions


@dataclass(frozen=True)
class Policy:
    """What the gate demands: the sections `evaluate` and `gate` of params.yaml."""

    evaluate: Evaluate = field(default_factory=Evaluate)
    gate: Gate = field(default_factory=Gate)


@dataclass(frozen=True)
class Features:
    """What the model saw: for the checks that ask whether it saw too much. `train` is None where it is not there."""

    schema: Schema
    test: pd.DataFrame
    train: pd.DataFrame | None
    unavailable: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """What the gate looks at.

    `intervals` are of the metrics, by name. `decision` and `audit_columns` belong to the model in hand, not to the
    policy. `first_model`: somebody declared that there is no champion yet. `stale` says why the predictions are not
    of the model and data in hand, if so.
    """

    predictions: Predictions
    metrics: Mapping[str, float]
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    decision: Decision = field(default_factory=Decision)
    audit_columns: tuple[str, ...] = ()
    champion: Predictions | None = None
    first_model: bool = False
    features: Features | None = None
    stale: tuple[str, ...] = ()

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
