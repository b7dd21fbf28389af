"""The types of answers' bodies; the OpenAPI document is made from them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from lockgate.documents.drift_json import DriftResult
from lockgate.documents.schema_json import Decision
from lockgate.service.bundle import GateVerdict
from lockgate.service.drift.live import Live
from lockgate.service.scoring.explainer import Reason


class Prediction(msgspec.Struct, frozen=True, gc=False):
    """One row's answer in a batch."""

    probability: float
    decision: Decision


class PredictAnswer(msgspec.Struct, frozen=True, gc=False):
    """The answer of /predict."""

    probability: float
    decision: Decision
    model: str
    request_id: str


class BatchAnswer(msgspec.Struct, frozen=True):
    """The answer of /predict/batch, a prediction for each row in the request's order."""

    rows: list[Prediction]
    model: str
    request_id: str


class ExplainAnswer(msgspec.Struct, frozen=True):
    """The answer of /explain: log-odds are `base` plus all `contributions`; `reasons` are the worst of them, worded."""

    probability: float
    decision: Decision
    base: float
    contributions: dict[str, float]
    reasons: list[Reason]
    model: str
    request_id: str


class DriftAnswer(msgspec.Struct, frozen=True):
    """The answer of /drift: the last nightly run as it was read, its time, and PSI since this model began to serve."""

    nightly: DriftResult | None
    problem: str | None
    time: datetime | None
    live: Live
    model: str
    request_id: str


class HealthAnswer(msgspec.Struct, frozen=True):
    """The answer of /health: `version` is the registry's, `verdict` the gate's on exactly this model, `shadow` the digest of the
    challenger that scores the same rows."""

    status: Literal["alive"]
    model: str
    version: str | None
    verdict: GateVerdict
    shadow: str | None
    request_id: str


class ReadyAnswer(msgspec.Struct, frozen=True):
    """The answer of /ready."""

    status: Literal["ready"]
    model: str
    request_id: str
