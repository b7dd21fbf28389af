"""What each path answers: plain functions from a call to an answer, without anything of ASGI."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from app.exposition import CONTENT_TYPE, Exposition, Snapshot
from app.nightly_source import NightlySource
from app.refusals import JSON, refuse
from app.service import Service
from app.state import State

RETRY_AFTER = [(b"retry-after", b"1")]


@dataclass(frozen=True)
class Answer:
    """A status, a content type and a body."""

    body: bytes
    status: int = 200
    content_type: bytes = JSON


@dataclass(frozen=True)
class Endpoint:
    """A path's only method, whether it takes a JSON body, and what it answers (body, request id, query)."""

    method: str
    takes_body: bool
    answer: Callable[[bytes, str, bytes], Answer]


class Endpoints:
    """The service's paths."""

    def __init__(self, service: Service, exposition: Exposition, nightly: NightlySource, state: State) -> None:
        self._service = service
        self._exposition = exposition
        self._nightly = nightly
        self._state = state

    def by_path(self) -> dict[str, Endpoint]:
        """Every path that is answered here."""
        return {
            "/predict": Endpoint("POST", True, self._predict),
            "/predict/batch": Endpoint("POST", True, self._batch),
            "/metrics": Endpoint("GET", False, self._metrics),
            "/health": Endpoint("GET", False, self._health),
            "/ready": Endpoint("GET", False, self._ready),
        }

    def _predict(self, body: bytes, request_id: str, _: bytes) -> Answer:
        return Answer(self._service.predict(body, request_id))

    def _batch(self, body: bytes, request_id: str, _: bytes) -> Answer:
        return Answer(self._service.predict_batch(body, request_id))

    def _metrics(self, _: bytes, __: str, ___: bytes) -> Answer:
        shown = Snapshot(self._service.metrics.totals(), self._is_ready(), self._nightly.latest, self._state.psi_chance)
        return Answer(self._exposition.render(shown), content_type=CONTENT_TYPE)

    def _health(self, _: bytes, request_id: str, __: bytes) -> Answer:
        """Alive, whatever else is wrong."""
        bundle = self._service.bundle
        return Answer(
            msgspec.json.encode(
                {
                    "status": "alive",
                    "model": bundle.digest,
                    "version": bundle.version,
                    "verdict": self._service.verdict,
                    "request_id": request_id,
                }
            )
        )

    def _ready(self, _: bytes, request_id: str, __: bytes) -> Answer:
        if not self._is_ready():
            what = "draining" if self._state.draining else "not every worker has started"
            raise refuse(503, "not-ready", ("path",), what, RETRY_AFTER)
        return Answer(
            msgspec.json.encode({"status": "ready", "model": self._service.bundle.digest, "request_id": request_id})
        )

    def _is_ready(self) -> bool:
        return not self._state.draining and self._service.metrics.all_ready()
