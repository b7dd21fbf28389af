"""What the gate looks at and what it says: evidence, policy, and a check with its status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from pipeline.core.common.params import Decision, Evaluate, Gate
from pipeline.core.data.schema import Schema
from pipeline.core.gate.predictions import Predictions
from pipeline.core.statistics.interval import Interval

Status = Literal["pass", "block", "inconclusive", "warn", "not-applicable"]


@dataclass(frozen=True)
class Check:
    """One line of the verdict, as in gate.json.

    `low` and `high` are the interval of `value`, None where not known; `interval` is the status of the interval, "ok"
    where its coverage is promised, else the reason why not; `confidence`
    is that coverage where it is not the policy's own.
    """

    name: str
    kind: str
    metric: str | None = None
    slice: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    op: str = ""
    threshold: float | None = None
    status: Status = "not-applicable"
    reason: str = ""
    interval: str | None = None
    confidence: float | None = None


@dataclass(frozen=True)
class Policy:
    """What the gate demands: the sections `evaluate` and `gate` of params.yaml."""

    evaluate: Evaluate
    gate: Gate


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
    stale: str | None = None
