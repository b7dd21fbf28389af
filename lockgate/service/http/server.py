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
from fastapi import FastAPI

from lockgate.service.api.admin import make_admin_app
from lockgate.service.http.connection import Connection
from lockgate.service.http.connection_limits import ANSWER_SECONDS, Connections
from lockgate.service.http.control import ControlThread
from lockgate.service.http.fast_path import FastPath
from lockgate.service.http.listener import BACKLOG, accept_waiting, refuse_new_connections
from lockgate.service.http.request_queue import LoadShedding, RequestQueue
from lockgate.service.log import log_event
from lockgate.service.worker import Worker

MAX_ACCEPTED = 16  # at once, not all: other workers share the listener


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
        self._admin: asyncio.Server | None = None
        self._worker = worker
        self._control = control
        self._shared = shared
        self._listeners: list[socket.socket] = []
        self._accepting: set[asyncio.Task[object]] = set()
        self._answered = 0  # requests, before the drain

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and only then start the worker, which makes it ready."""
        await super().startup(sockets)
        loop = asyncio.get_running_loop()
        for listener in sockets or []:
            again = listener.dup()
            loop.add_reader(again, self._accept, again)
            self._listeners.append(again)
        loop.add_signal_handler(signal.SIGTERM, self._drain)
        self._shared.sweep()
        if self._admin_listener is not None:
            self._admin = await self._serve_admin(self._admin_listener)
        self._worker.start()
        self._control.start(self._end_now)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, and finish what has begun; where the service ends, accept the connections that wait, too.

        A worker that ends alone leaves them to the others, or to the one that replaces it.
        """
        loop = asyncio.get_running_loop()
        service_ends = bool(self._control.service_end)
        for listener in self._listeners:
            loop.remove_reader(listener)
            if service_ends:
                refuse_new_connections(listener)
        for server in [*self.servers, *([self._admin] if self._admin is not None else [])]:
            server.close()
        for listener in self._listeners:
            for connection in accept_waiting(listener) if service_ends else ():
                await loop.connect_accepted_socket(self._protocol, connection)
            listener.close()
        await super().shutdown(sockets)
        answered, cut = self.server_state.total_requests - self._answered, self._shared.unanswered()
        log_event("worker-drained", level="warning" if cut else "info", answered=answered, cut=cut)

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Uvicorn's would raise the signal again at the end, which is an exit code other than 0."""
        yield

    def _accept(self, listener: socket.socket) -> None:
        """Accept several: the loop takes one connection a turn, and under load its turns are long."""
        loop = asyncio.get_running_loop()
        for connection in accept_waiting(listener, MAX_ACCEPTED):
            task = loop.create_task(loop.connect_accepted_socket(self._protocol, connection))
            self._accepting.add(task)
            task.add_done_callback(self._accepting.discard)

    async def _serve_admin(self, listener: socket.socket) -> asyncio.Server:
        """The admin application on the same kind of connections, without the fast path."""
        worker = self._worker
        app = make_admin_app(worker.endpoints, worker.common, worker.request_log, self._control.reload)
        shared = replace(
            self._shared,
            fast_path=FastPath(worker.endpoints, worker.common, worker.request_log, on=False),
            answer_seconds=ANSWER_SECONDS + worker.settings.reload_seconds,
        )
        config = uvicorn_config(worker, shared, app)
        config.load()
        return await asyncio.get_running_loop().create_server(
            partial(self._protocol, config), sock=listener.dup(), backlog=BACKLOG
        )

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
    worker: Worker, listener: socket.socket, admin_listener: socket.socket | None, control: ControlThread
) -> None:
    """Serve on `listener`, and for operators on `admin_listener`, until SIGTERM, and then until the worker has drained."""
    shared = connections_of(worker)
    try:
        DrainingServer(uvicorn_config(worker, shared), worker, shared, control, admin_listener).run(sockets=[listener])
    finally:
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


def uvicorn_config(worker: Worker, shared: Connections, app: FastAPI | None = None) -> uvicorn.Config:
    """The worker's application, or another `app`, on our connections."""
    return uvicorn.Config(
        app or worker.app,
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
