"""What passes between the supervisor and a worker: messages over a pipe, and the heartbeat of the worker's event loop."""

from __future__ import annotations

import asyncio
import mmap
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import cast

from lockgate.service.metrics.counters import ServiceMetrics

HEARTBEAT_SECONDS = 0.25


class ServiceEnd:
    """Whether the service ends, and not one of its workers alone: in memory that the supervisor shares with them."""

    def __init__(self) -> None:
        self._supervisor = os.getpid()
        self._has_begun = mmap.mmap(-1, 1)

    def begin(self) -> None:
        """The supervisor is going to send SIGTERM to the workers."""
        self._has_begun[0] = 1

    def __bool__(self) -> bool:
        return self._has_begun[0] == 1 or self._supervisor not in (os.getpid(), os.getppid())


@dataclass(frozen=True)
class Started:
    """A worker: requests are answered from now on."""


@dataclass(frozen=True)
class EndNow:
    """The supervisor: end without waiting for requests in progress."""


FromWorker = Started
FromSupervisor = EndNow


class ControlThread:
    """The worker's end of the pipe: a thread that waits for messages, so that the event loop never does."""

    def __init__(self, pipe: Connection, metrics: ServiceMetrics, service_end: ServiceEnd) -> None:
        self._pipe, self._metrics = pipe, metrics
        self.service_end = service_end
        self._sending = threading.Lock()

    def start(self, end_now: Callable[[], None]) -> None:
        """Beat, say that the worker has started, and listen; `end_now` is called on the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._end_now = end_now
        self._beat()
        threading.Thread(target=self._listen, name="control", daemon=True).start()
        self._send(Started())

    def _beat(self) -> None:
        self._metrics.beat()
        self._loop.call_later(HEARTBEAT_SECONDS, self._beat)

    def _send(self, message: FromWorker) -> None:
        with self._sending:
            try:
                self._pipe.send(message)
            except OSError:
                return  # the supervisor has gone, and the kernel ends this worker

    def _listen(self) -> None:
        while True:
            try:
                message = cast(FromSupervisor, self._pipe.recv())
            except (EOFError, OSError):
                return
            self._take(message)

    def _take(self, message: FromSupervisor) -> None:
        self._call(self._end_now)

    def _call(self, function: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:
            return  # the loop has ended, and the worker with it
