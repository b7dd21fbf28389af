"""One process of the service: the FastAPI application around a bundle, and what runs beside it."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from app import later
from app.asgi import LeanRoutes
from app.endpoints import Endpoints
from app.exposition import make_exposition
from app.gate_verdict import GateVerdict
from app.metric_layout import MetricLayout
from app.metrics import Metrics
from app.nightly_source import NightlySource
from app.refusals import Problem, Refusal
from app.request_ids import RequestIds
from app.request_types import largest_body
from app.service import Service
from app.settings import Settings
from app.shared_counters import SharedCounters
from app.state import State
from app.verified_bundle import VerifiedBundle


async def _http_error(_: Request, error: Exception) -> Response:
    """FastAPI's own 404 and 405 in the form of all errors."""
    assert isinstance(error, HTTPException)  # noqa: S101  # what it is registered for
    code = "not-found" if error.status_code == 404 else "method-not-allowed"
    what = Refusal(error.status_code, code, [Problem(("path",), str(error.detail))])
    return Response(what.body(), error.status_code, dict(error.headers or {}), "application/json")


class Worker:
    """Everything that one process serves a bundle with."""

    def __init__(
        self,
        bundle: VerifiedBundle,
        verdict: GateVerdict,
        settings: Settings,
        counters: SharedCounters | None = None,
        number: int = 0,
    ) -> None:
        """`counters` are those of all workers, of which this is `number`; none means that this is the only one."""
        layout = MetricLayout(bundle.profile)
        self.settings = settings
        self.metrics = Metrics(layout, counters or SharedCounters(layout.cells, 1), number)
        self.service = Service(bundle, verdict, settings, self.metrics)
        self.state = State(psi_chance=(float("nan"),) * len(bundle.profile.features))
        self.nightly = NightlySource(settings.drift, settings.drift_seconds, bundle.profile, bundle.digest)
        labels = {"digest": bundle.digest, "verdict": verdict, "lockgate_version": version("lockgate")}
        exposition = make_exposition(layout, bundle.profile, labels)
        self.endpoints = Endpoints(self.service, exposition, self.nightly, self.state)
        self.ids = RequestIds()
        self.max_body = settings.max_body_bytes or largest_body(bundle.schema)
        self.app = self._application()

    def begin(self) -> None:
        """The listener is open: say that this worker is ready, and start what may take its time."""
        self.metrics.set_ready(True)
        self.nightly.start()
        later.start(self.service, self.state)

    def end(self) -> None:
        """Everything is answered: stop what runs beside the requests."""
        self.nightly.stop()
        self.metrics.set_ready(False)

    def _application(self) -> FastAPI:
        return FastAPI(
            exception_handlers={HTTPException: _http_error},
            title="Lockgate",
            version=version("lockgate"),
            middleware=[
                Middleware(
                    LeanRoutes,
                    endpoints=self.endpoints.by_path(),
                    metrics=self.metrics,
                    state=self.state,
                    digest=self.service.bundle.digest,
                    ids=self.ids,
                    max_body=self.max_body,
                )
            ],
        )
