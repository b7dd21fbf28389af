"""What each path answers: functions from body, request id and query to an answer, without anything of ASGI."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs

import msgspec

from lockgate.service.api.errors import JSON, NOT_FOUND, refuse
from lockgate.service.api.response_types import DriftAnswer, ExplainAnswer, HealthAnswer, ReadyAnswer
from lockgate.service.drift.live import live_drift
from lockgate.service.drift.nightly import NightlySource
from lockgate.service.metrics.counters import Metrics
from lockgate.service.metrics.prometheus_text import CONTENT_TYPE, PrometheusText, Snapshot
from lockgate.service.scoring.explainer import DEFAULT_REASONS
from lockgate.service.worker_state import WorkerState

RETRY_AFTER = [(b"retry-after", b"1")]


@dataclass(frozen=True)
class Answer:
    """A status, a content type and a body."""

    body: bytes
    status: int = 200
    content_type: bytes = JSON


@dataclass(frozen=True)
class Endpoint:
    """A path's only method, whether it takes a JSON body, and the function that answers (body, request id, query)."""

    method: str
    takes_body: bool
    answer: Callable[[bytes, str, bytes], Answer]


class Endpoints:
    """The service's paths."""

    def __init__(
        self, state: WorkerState, metrics: Metrics, metrics_text: PrometheusText, nightly: NightlySource
    ) -> None:
        self._counters = metrics
        self._metrics_text = metrics_text
        self._nightly = nightly
        self._state = state

    def by_path(self) -> dict[str, Endpoint]:
        """The endpoints."""
        return {
            "/predict": Endpoint("POST", True, self._predict),
            "/predict/batch": Endpoint("POST", True, self._batch),
            "/explain": Endpoint("POST", True, self._explain),
            "/drift": Endpoint("GET", False, self._drift),
            "/metrics": Endpoint("GET", False, self._metrics),
            "/health": Endpoint("GET", False, self._health),
            "/ready": Endpoint("GET", False, self._ready),
        }

    def _predict(self, body: bytes, request_id: str, _: bytes) -> Answer:
        return Answer(self._state.predictor.predict(body, request_id))

    def _batch(self, body: bytes, request_id: str, _: bytes) -> Answer:
        return Answer(self._state.predictor.predict_batch(body, request_id))

    def _explain(self, body: bytes, request_id: str, query: bytes) -> Answer:
        predictor = self._state.predictor
        if predictor.explainer is None:
            raise NOT_FOUND
        max_reasons = _reasons(query, len(predictor.bundle.schema.features))
        row, _, encoded = predictor.read_row(body)
        probability = predictor.model.one(encoded.values)
        found = predictor.explainer.explain(row, encoded.values, max_reasons)
        return Answer(
            msgspec.json.encode(
                ExplainAnswer(
                    probability=probability,
                    decision=predictor.decide(probability),
                    base=found.base,
                    contributions=found.contributions,
                    reasons=found.reasons,
                    model=predictor.bundle.digest,
                    request_id=request_id,
                )
            )
        )

    def _drift(self, _: bytes, request_id: str, __: bytes) -> Answer:
        nightly, metrics = self._nightly.latest, self._counters
        bundle, totals, layout = self._state.predictor.bundle, metrics.totals(), metrics.layout
        live = live_drift(bundle.profile, totals[layout.bin_rows.cells], totals[layout.unseen.cells])
        time = None if math.isnan(nightly.time) else datetime.fromtimestamp(nightly.time, UTC)
        return Answer(
            msgspec.json.encode(DriftAnswer(nightly.result, nightly.problem, time, live, bundle.digest, request_id))
        )

    def _metrics(self, _: bytes, __: str, ___: bytes) -> Answer:
        chance = self._state.predictor.psi_chance
        shown = Snapshot(self._counters.totals(), self._is_ready(), self._nightly.latest, chance)
        return Answer(self._metrics_text.render(shown), content_type=CONTENT_TYPE)

    def _health(self, _: bytes, request_id: str, __: bytes) -> Answer:
        """Alive, whatever else is wrong."""
        bundle, verdict = self._state.predictor.bundle, self._state.predictor.verdict
        return Answer(msgspec.json.encode(HealthAnswer("alive", bundle.digest, bundle.version, verdict, request_id)))

    def _ready(self, _: bytes, request_id: str, __: bytes) -> Answer:
        if not self._is_ready():
            what = "draining" if self._state.draining else "not every worker has started"
            raise refuse(503, "not-ready", ("path",), what, RETRY_AFTER)
        return Answer(msgspec.json.encode(ReadyAnswer("ready", self._state.predictor.bundle.digest, request_id)))

    def _is_ready(self) -> bool:
        return not self._state.draining and self._counters.all_ready()


def _reasons(query: bytes, features: int) -> int:
    """How many reasons `?reasons=` asks for, from 1 to all."""
    given = parse_qs(query.decode("latin-1"), keep_blank_values=True).get("reasons")
    if given is None:
        return min(DEFAULT_REASONS, features)
    text = given[-1]
    if len(given) > 1 or not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= features):
        raise refuse(422, "invalid-request", ("query", "reasons"), f"expected a whole number from 1 to {features}")
    return int(text)
