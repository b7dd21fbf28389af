"""What each path answers: functions from a request to an answer, without anything of ASGI."""

from __future__ import annotations

import asyncio
import gzip
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import parse_qs

import msgspec

from lockgate.service.api.errors import JSON, Header, Refusal, not_found, refuse
from lockgate.service.api.response_types import DriftAnswer, ExplainAnswer, HealthAnswer, ReadyAnswer
from lockgate.service.drift.live import live_drift
from lockgate.service.drift.nightly import NightlySource
from lockgate.service.metrics.counters import ServiceMetrics
from lockgate.service.metrics.page import MetricsPage, Snapshot
from lockgate.service.metrics.scrapes import ScrapePace, format_asked_for, takes_gzip
from lockgate.service.scoring.explainer import DEFAULT_REASONS
from lockgate.service.worker_state import WorkerState

RETRY_AFTER = [(b"retry-after", b"1")]
VARY = (b"vary", b"accept, accept-encoding")
# A third of a millisecond for a thousand series; the default takes four times as long for a tenth less.
GZIP_LEVEL = 1


class EndpointRequest(NamedTuple):
    """What an endpoint gets of a request: its whole body, its id, and the query and headers as they came."""

    body: bytes
    request_id: str
    query: bytes = b""
    headers: Sequence[Header] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a content type, a body, and headers beside the content's own."""

    body: bytes
    status: int = 200
    content_type: bytes = JSON
    headers: Sequence[Header] = ()

    def raw_headers(self) -> list[Header]:
        """All its headers, in the order in which they are sent."""
        length = (b"content-length", b"%d" % len(self.body))
        return [(b"content-type", self.content_type), length, *self.headers]


def refused(refusal: Refusal) -> Answer:
    """The answer of an error."""
    return Answer(refusal.body(), refusal.status, headers=refusal.headers)


class Endpoints:
    """The service's paths."""

    def __init__(
        self, state: WorkerState, metrics: ServiceMetrics, metrics_page: MetricsPage, nightly: NightlySource
    ) -> None:
        self.service_metrics = metrics
        self.metrics_page = metrics_page
        self.scrape_pace = ScrapePace()
        self._nightly = nightly
        self.state = state

    @property
    def max_body(self) -> int:
        """The most bytes that the body of a request may have."""
        return self.state.predictor.max_body

    def predict(self, request: EndpointRequest) -> Answer:
        """One row's probability and decision."""
        return Answer(self.state.predictor.predict(request.body, request.request_id))

    def predict_batch(self, request: EndpointRequest) -> Answer:
        """All rows' probabilities and decisions, or a Refusal."""
        return Answer(self.state.predictor.predict_batch(request.body, request.request_id))

    def explain(self, request: EndpointRequest) -> Answer:
        """A row's probability and what pushed it."""
        predictor = self.state.predictor
        if predictor.explainer is None:
            raise not_found()
        max_reasons = _reasons(request.query, len(predictor.bundle.schema.features))
        row, _, encoded = predictor.read_row(request.body)
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
                    request_id=request.request_id,
                )
            )
        )

    def drift(self, request: EndpointRequest) -> Answer:
        """The last night, and PSI since this model began to serve."""
        nightly, predictor = self._nightly.latest, self.state.predictor
        bundle, totals, layout = predictor.bundle, predictor.metrics.totals(), predictor.metrics.layout
        live = live_drift(bundle.profile, totals[layout.bin_rows.cells], totals[layout.unseen.cells])
        time = None if math.isnan(nightly.time) else datetime.fromtimestamp(nightly.time, UTC)
        return Answer(
            msgspec.json.encode(
                DriftAnswer(nightly.result, nightly.problem, time, live, bundle.digest, request.request_id)
            )
        )

    async def metrics(self, request: EndpointRequest) -> Answer:
        """Everything that is counted; the only endpoint that waits, for its turn."""
        await self.scrape_pace.turn()
        written = format_asked_for(request.headers)
        shown = Snapshot(self.state.predictor, self._is_ready(), self._nightly.latest)
        body, headers = self.metrics_page.render(written, shown), [VARY]
        if takes_gzip(request.headers):
            body = await asyncio.to_thread(gzip.compress, body, GZIP_LEVEL, mtime=0)  # zlib lets the event loop go on
            headers.append((b"content-encoding", b"gzip"))
        return Answer(body, content_type=written.content_type.encode(), headers=headers)

    def health(self, request: EndpointRequest) -> Answer:
        """Alive, whatever else is wrong."""
        predictor = self.state.predictor
        bundle, shadow = predictor.bundle, predictor.shadow
        answer = HealthAnswer(
            "alive",
            bundle.digest,
            bundle.version,
            predictor.verdict,
            None if shadow is None else shadow.digest,
            request.request_id,
        )
        return Answer(msgspec.json.encode(answer))

    def ready(self, request: EndpointRequest) -> Answer:
        """Whether every endpoint answers: of this worker, which is to say that those of the service do."""
        if not self._is_ready():
            what = "draining" if self.state.draining else "not every endpoint answers as yet"
            raise refuse(503, "not-ready", ("path",), what, RETRY_AFTER)
        return Answer(msgspec.json.encode(ReadyAnswer("ready", self.state.predictor.bundle.digest, request.request_id)))

    def _is_ready(self) -> bool:
        return not self.state.draining and self.service_metrics.is_ready()


def _reasons(query: bytes, features: int) -> int:
    """How many reasons `?reasons=` asks for, from 1 to all."""
    given = parse_qs(query.decode("latin-1"), keep_blank_values=True).get("reasons")
    if given is None:
        return min(DEFAULT_REASONS, features)
    text = given[-1]
    if len(given) > 1 or not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= features):
        raise refuse(422, "invalid-request", ("query", "reasons"), f"expected a whole number from 1 to {features}")
    return int(text)
