"""Running a worker on a socket: uvicorn, with a protocol and an end of our own."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn

from app.main import Worker


class DrainingServer(uvicorn.Server):
    """On SIGTERM it says so at /ready first, answers on for a while, then stops listening and finishes what is there."""

    def __init__(self, config: uvicorn.Config, worker: Worker) -> None:
        super().__init__(config)
        self._worker = worker

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and only then say that the worker is ready."""
        await super().startup(sockets)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        self._worker.begin()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Uvicorn's would raise the signal again at the end, which is an exit code other than 0."""
        yield

    def _end(self) -> None:
        """The first signal drains, a second ends at once."""
        if self._worker.state.draining:
            self.should_exit = self.force_exit = True
            return
        self._worker.state.draining = True
        asyncio.get_running_loop().call_later(self._worker.settings.drain_seconds, self._stop)

    def _stop(self) -> None:
        self.should_exit = True


def serve(worker: Worker, listener: socket.socket) -> None:
    """Answer on `listener` until SIGTERM or SIGINT and what follows from it."""
    settings = worker.settings
    config = uvicorn.Config(
        worker.app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="error",
        server_header=False,
        timeout_keep_alive=int(settings.keep_alive_seconds),
        timeout_graceful_shutdown=int(settings.grace_seconds),
    )
    DrainingServer(config, worker).run(sockets=[listener])
    worker.end()
