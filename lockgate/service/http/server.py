"""Running a worker on a socket: uvicorn with the protocol of `connection`, and an orderly stop."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from lockgate.service.api.admin import ADMIN_OPEN_PATHS, make_admin_app
from lockgate.service.http.connection import Connection
from lockgate.service.http.connection_limits import ANSWER_SECONDS, Connections
from lockgate.service.http.control import ControlThread
from lockgate.service.http.fast_path import FastPath
from lockgate.service.http.listener import Acceptor
from lockgate.service.http.request_queue import LoadShedding, RequestQueue
from lockgate.service.log import log_event
from lockgate.service.worker import Worker


class DrainingServer(uvicorn.Server):
    """On SIGTERM, /ready turns to 503 while requests are still answered; then it stops listening and finishes what has begun."""

    def __init__(
        self,
        config: uvicorn.Config,
        worker: Worker,
        shared: Connections,
        control: ControlThread,
        admin_listener: socket.socket | None = None,
    ) -> None:
        super().__init__(config)
        self._admin_listener = admin_listener
        self._admin: Acceptor | None = None
        self._worker = worker
        self._control = control
        self._shared = shared
        self._acceptors: list[Acceptor] = []
        self._answered = 0  # requests, before the drain

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and only then start the worker, which makes it ready."""
        await super().startup([])
        metrics = self._worker.metrics
        self._acceptors = [Acceptor(listener, self._protocol, metrics) for listener in sockets or []]
        if self._admin_listener is not None:
            self._admin = Acceptor(self._admin_listener, partial(self._protocol, self._admin_config()), metrics)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._drain)
        self._shared.sweep()
        self._worker.start()
        self._control.start(self._end_now)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, and finish what has begun; where the service ends, accept the connections that wait, too.

        A worker that ends alone leaves them to the others, or to the one that replaces it.
        """
        if self._admin is not None:
            self._admin.close()
        for acceptor in self._acceptors:
            if self._control.service_end:
                await acceptor.accept_the_last()
            acceptor.close()
        await super().shutdown(sockets)
        answered, cut = self.server_state.total_requests - self._answered, self._shared.unanswered()
        log_event("worker-drained", level="warning" if cut else "info", answered=answered, cut=cut)

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Uvicorn's would raise the signal again at the end, which is an exit code other than 0."""
        yield

    def _admin_config(self) -> uvicorn.Config:
        """The admin application on the same kind of connections, without the fast path, whose requests are never shed."""
        worker = self._worker
        app = make_admin_app(worker.endpoints, worker.common, worker.request_log, self._control.reload)
        shared = replace(
            self._shared,
            fast_path=FastPath(worker.endpoints, worker.common, worker.request_log, on=False),
            sheds=False,
            open_paths=ADMIN_OPEN_PATHS,
            answer_seconds=ANSWER_SECONDS + worker.settings.reload_seconds,
        )
        config = uvicorn_config(worker, shared, app)
        config.load()
        return config

    def _protocol(self, config: uvicorn.Config | None = None) -> asyncio.Protocol:
        config = config or self.config
        made: asyncio.Protocol = config.http_protocol_class(  # type: ignore[call-arg]
            config=config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made

    def _drain(self) -> None:
        """SIGTERM; further ones change nothing: systemd sends it to every process, and the supervisor to its workers."""
        if not self._worker.state.draining:
            self._worker.state.draining = True
            self._answered = self.server_state.total_requests
            log_event("worker-drains", in_flight=self._shared.unanswered(), connections=len(self._shared.open))
            asyncio.get_running_loop().call_later(self._worker.settings.drain_seconds, self._stop)

    def _stop(self) -> None:
        self.should_exit = True

    def _end_now(self) -> None:
        self.should_exit = self.force_exit = True


def serve(
    worker: Worker,
    app: ASGIApp,
    listener: socket.socket,
    admin_listener: socket.socket | None,
    control: ControlThread,
) -> None:
    """Serve on `listener`, and for operators on `admin_listener`, until SIGTERM, and then until the worker has drained.

    `app` is the worker's application, or one around it.
    """
    shared = connections_of(worker)
    try:
        config = uvicorn_config(worker, shared, app)
        DrainingServer(config, worker, shared, control, admin_listener).run(sockets=[listener])
    finally:
        control.end()
        worker.stop()


def connections_of(worker: Worker) -> Connections:
    """What the connections of a worker share."""
    settings = worker.settings
    return Connections(
        metrics=worker.metrics,
        state=worker.state,
        common=worker.common,
        log=worker.request_log,
        fast_path=worker.fast_path,
        queue=RequestQueue(LoadShedding(settings.target_wait, settings.max_wait)),
        request_seconds=settings.request_seconds,
        keep_alive_seconds=settings.keep_alive_seconds,
    )


def uvicorn_config(worker: Worker, shared: Connections, app: ASGIApp) -> uvicorn.Config:
    """An application on our connections."""
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=partial(Connection, shared=shared),  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,  # what uvicorn logs goes the way of all events
        log_level="warning",
        server_header=False,
        proxy_headers=False,  # the log names who connected, whatever that says of others
        timeout_graceful_shutdown=worker.settings.grace_seconds,  # type: ignore[arg-type]  # it takes fractions too
    )
