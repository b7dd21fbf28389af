"""One process of the service: the FastAPI application around a bundle, and what runs beside it."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from app import later
from app.asgi import LeanRoutes
from app.decision_log import DecisionLog
from app.documentation import add_documentation, http_error
from app.endpoints import Endpoints
from app.example import example_applicant
from app.exposition import make_exposition
from app.gate_verdict import GateVerdict
from app.lean import Lean
from app.metric_layout import MetricLayout
from app.metrics import Metrics
from app.nightly_source import NightlySource
from app.openapi import TITLE, make_document
from app.request_ids import RequestIds
from app.request_types import largest_body
from app.service import Service
from app.settings import Settings
from app.shared_counters import SharedCounters
from app.state import State
from app.verified_bundle import VerifiedBundle


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
        labels = {"digest": bundle.digest, "verdict": verdict, "lockgate_version": version("lockgate")}
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
        later.start(self.service, self.state)

    def end(self) -> None:
        """Everything is answered: stop what runs beside the requests."""
        self.nightly.stop()
        if self.log is not None:
            self.log.stop()
        self.metrics.set_ready(False)

    def _application(self) -> FastAPI:
        bundle = self.service.bundle
        document = make_document(
            self.service.types, bundle.schema, example_applicant(bundle.schema, bundle.profile), bundle.digest
        )
        app = FastAPI(
            title=TITLE,
            version=version("lockgate"),
            openapi_url=None,
            exception_handlers={HTTPException: http_error},
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
