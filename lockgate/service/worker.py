"""One process of the service: the FastAPI application around a bundle, and what runs beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from lockgate.service.api.app import make_app
from lockgate.service.api.common_headers import CommonHeaders
from lockgate.service.api.endpoints import Endpoints
from lockgate.service.api.errors import RequestIds
from lockgate.service.api.request_log import RequestLog
from lockgate.service.bundle import GateVerdict, VerifiedBundle
from lockgate.service.decision_log import DecisionLog
from lockgate.service.drift import psi_chance
from lockgate.service.drift.nightly import NightlySource
from lockgate.service.http.fast_path import FastPath
from lockgate.service.metrics.counters import ServiceMetrics, ShadowMetrics, SharedCounters
from lockgate.service.metrics.layouts import ModelLayout, ShadowLayout
from lockgate.service.metrics.page import MetricsPage
from lockgate.service.scoring.predictor import Predictor
from lockgate.service.scoring.shadow import Shadow
from lockgate.service.settings import Settings
from lockgate.service.worker_state import WorkerState


class Worker:
    """Everything that one process serves a bundle with."""

    def __init__(
        self,
        bundle: VerifiedBundle,
        verdict: GateVerdict,
        settings: Settings,
        counters: SharedCounters | None = None,
        number: int = 0,
        slot: int = 0,
        challenger: VerifiedBundle | None = None,
    ) -> None:
        """`counters` are those of all workers, of which this is `number`; none means that this is the only one.

        The bundle counts in their `slot`. `challenger` is scored in the shadow of whatever bundle is served.
        """
        layout = ModelLayout(bundle.profile, bundle.digest)
        shadow_layout = None if challenger is None else ShadowLayout(challenger.digest)
        counters = counters or SharedCounters(layout, 1, shadow_layout)
        self.settings = settings
        self.metrics = counters.service(number)
        self.log = _decision_log(bundle, settings, self.metrics)
        self.shadow = _shadow(challenger, settings, counters, number)
        self._number = number
        self._metrics_page = MetricsPage(counters)
        self.state = WorkerState(self._predictor(bundle, verdict, layout, slot), settings.tokens)
        self.nightly = NightlySource(settings.drift, settings.drift_seconds)
        self.endpoints = Endpoints(self.state, self.metrics, self._metrics_page, self.nightly)
        self.common = CommonHeaders(self.state, RequestIds())
        self.request_log = RequestLog(access=settings.access_log)
        self.fast_path = FastPath(self.endpoints, self.common, self.request_log, on=settings.fast_path)
        self.app = make_app(
            self.endpoints,
            self.common,
            self.request_log,
            self._lifespan,
            public_metrics=settings.public_metrics,
        )

    def start(self) -> None:
        """Become ready, once the listener is open, and start what runs beside the requests."""
        self.metrics.set_ready(True)
        self.nightly.start()
        if self.shadow is not None:
            self.shadow.start()
        if self.log is not None:
            self.log.start()
        psi_chance.start(self.state.predictor)

    def stop(self) -> None:
        """Stop what runs beside the requests, once all are answered."""
        self.nightly.stop()
        if self.shadow is not None:
            self.shadow.stop()  # before the log, which writes what it said
        if self.log is not None:
            self.log.stop()
        self.metrics.set_ready(False)
        self.request_log.flush(last=True)

    def prepare(self, bundle: VerifiedBundle, verdict: GateVerdict, slot: int) -> Predictor:
        """Another model beside the one that is served, ready to take its place; not on the event loop, which goes on.

        Raises InputError where the bundle cannot be served.
        """
        return self._predictor(bundle, verdict, ModelLayout(bundle.profile, bundle.digest), slot)

    def switch(self, predictor: Predictor) -> None:
        """Serve another model from the next request on; on the event loop, where no request is half answered."""
        bundle = predictor.bundle
        if self.log is not None:
            self.log.switch(bundle.schema, bundle.digest)
        self.state.predictor = predictor
        psi_chance.start(predictor)

    def forget(self, predictor: Predictor) -> None:
        """Show no counters of a model that was prepared and is not going to be served."""
        self.metrics.counters.forget(predictor.metrics.slot)

    def _predictor(self, bundle: VerifiedBundle, verdict: GateVerdict, layout: ModelLayout, slot: int) -> Predictor:
        metrics = self.metrics.counters.model(slot, layout, self._number)
        try:
            predictor = Predictor(bundle, verdict, self.settings, metrics, self.log, self.shadow)
        except BaseException:
            self.metrics.counters.forget(slot)  # nothing shows what is not going to be served
            raise
        self._metrics_page.prepare(predictor)
        return predictor

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        """For other servers; `lockgate serve` starts the worker when its listener is open, and stops it when it has drained."""
        self.start()
        try:
            yield
        finally:
            self.stop()


def _decision_log(bundle: VerifiedBundle, settings: Settings, metrics: ServiceMetrics) -> DecisionLog | None:
    if settings.decision_log is None:
        return None
    return DecisionLog(
        settings.decision_log, bundle.schema, bundle.digest, metrics, settings.log_rows, settings.log_seconds
    )


def _shadow(
    challenger: VerifiedBundle | None, settings: Settings, counters: SharedCounters, number: int
) -> Shadow | None:
    if challenger is None:
        return None
    metrics = ShadowMetrics(counters, ShadowLayout(challenger.digest), number)
    return Shadow(challenger, metrics, refuse_unseen=settings.unseen_categories == "refuse")
