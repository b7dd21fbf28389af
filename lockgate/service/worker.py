"""One process of the service: the FastAPI application around a bundle, and what runs beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from lockgate.config.version import __version__
from lockgate.service.api.endpoints import Endpoints
from lockgate.service.api.errors import RequestIds
from lockgate.service.api.fastapi_app import add_documentation, http_error
from lockgate.service.api.openapi_document import TITLE, example_applicant, make_document
from lockgate.service.api.request_types import largest_body
from lockgate.service.bundle import GateVerdict, VerifiedBundle
from lockgate.service.decision_log import DecisionLog
from lockgate.service.drift.nightly import NightlySource
from lockgate.service.http.fast_path import Lean, LeanRoutes
from lockgate.service.metrics.counters import Metrics
from lockgate.service.metrics.metric_layout import MetricLayout
from lockgate.service.metrics.prometheus_text import make_exposition
from lockgate.service.metrics.shared_counters import SharedCounters
from lockgate.service.scoring import deferred_loading
from lockgate.service.scoring.predictor import Service
from lockgate.service.settings import Settings
from lockgate.service.worker_state import State


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
        self.log = _decision_log(bundle, settings, self.metrics)
        self.service = Service(bundle, verdict, settings, self.metrics, self.log)
        self.state = State(psi_chance=(float("nan"),) * len(bundle.profile.features))
        self.nightly = NightlySource(settings.drift, settings.drift_seconds, bundle.profile, bundle.digest)
        labels = {"digest": bundle.digest, "verdict": verdict, "lockgate_version": __version__}
        exposition = make_exposition(layout, bundle.profile, labels)
        self.endpoints = Endpoints(self.service, exposition, self.nightly, self.state)
        self.ids = RequestIds()
        self.max_body = settings.max_body_bytes or largest_body(bundle.schema)
        self.lean = Lean(self.endpoints.by_path(), self.state, bundle.digest, self.ids, self.max_body)
        self.app = self._application()

    def begin(self) -> None:
        """The listener is open: say that this worker is ready, and start what may take its time."""
        self.metrics.set_ready(True)
        self.nightly.start()
        if self.log is not None:
            self.log.start()
        deferred_loading.start(self.service, self.state)

    def end(self) -> None:
        """Everything is answered: stop what runs beside the requests."""
        self.nightly.stop()
        if self.log is not None:
            self.log.stop()
        self.metrics.set_ready(False)

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        """For other servers; `lockgate serve` begins when its own listener is open, and ends when it has drained."""
        self.begin()
        try:
            yield
        finally:
            self.end()

    def _application(self) -> FastAPI:
        bundle = self.service.bundle
        document = make_document(
            self.service.types,
            bundle.schema,
            example_applicant(bundle.schema, bundle.profile),
            bundle.digest,
            explains=self.service.explains,
        )
        app = FastAPI(
            title=TITLE,
            version=__version__,
            openapi_url=None,
            exception_handlers={HTTPException: http_error},
            lifespan=self._lifespan,
            middleware=[Middleware(LeanRoutes, lean=self.lean, metrics=self.metrics)],
        )
        app.openapi = lambda: document  # type: ignore[method-assign]
        add_documentation(app, document)
        return app


def _decision_log(bundle: VerifiedBundle, settings: Settings, metrics: Metrics) -> DecisionLog | None:
    if settings.decision_log is None:
        return None
    return DecisionLog(
        settings.decision_log, bundle.schema, bundle.digest, metrics, settings.log_rows, settings.log_seconds
    )
