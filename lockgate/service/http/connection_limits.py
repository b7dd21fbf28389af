"""Limits on connections: of time, size and number; and the refusals that need no application."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol

from lockgate.service.api.admin import RELOAD_PATH
from lockgate.service.api.bearer_token import OPEN_PATHS
from lockgate.service.api.common_headers import CLOSE, CommonHeaders
from lockgate.service.api.errors import JSON, Header, Refusal
from lockgate.service.api.request_log import RequestLog
from lockgate.service.http.fast_path import FastPath
from lockgate.service.http.request_queue import RequestQueue
from lockgate.service.metrics.counters import ServiceMetrics
from lockgate.service.worker_state import WorkerState

UNLIMITED_PATHS = frozenset({"/health", "/ready", "/metrics", RELOAD_PATH})  # operators are answered under any load
MAX_HEAD_BYTES = 32_768
MAX_HEADERS = 100
LINGER_SECONDS = 2.0  # of reading on after an early refusal, so that the client reads it before the connection is reset
LAST_SECONDS = 1.0  # for a request on a connection made just before the listener closed
ANSWER_SECONDS = 30.0  # for a client to read its answer
SWEEP_SECONDS = 0.25
MAX_BUFFERED_BYTES = 64 * 1024 * 1024  # of bodies that arrive or wait for their answer, over all connections


class LimitedConnection(Protocol):
    """What a connection needs so that it can be closed in time: the loop's time at which to `expire`."""

    deadline: float
    answering: bool  # a whole request, or about to refuse it

    def expire(self) -> None: ...


@dataclass
class Connections:
    """What the connections of a worker share."""

    metrics: ServiceMetrics
    state: WorkerState
    common: CommonHeaders
    log: RequestLog
    fast_path: FastPath
    queue: RequestQueue
    request_seconds: float
    keep_alive_seconds: float
    answer_seconds: float = ANSWER_SECONDS
    sheds: bool = True  # requests, where the queue stands
    open_paths: frozenset[str] = OPEN_PATHS  # which need no token
    open: set[LimitedConnection] = field(default_factory=set)
    buffered: int = 0

    def unanswered(self) -> int:
        """How many requests have arrived and are not answered."""
        return sum(connection.answering for connection in self.open)

    def sweep(self) -> None:
        """Close the connections whose deadline has passed, now and every quarter of a second.

        One timer for all of them: a timer a request would cost more than the request's other bookkeeping.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in [one for one in self.open if one.deadline < now]:
            connection.expire()
        self.log.flush()
        loop.call_later(SWEEP_SECONDS, self.sweep)

    def answer(
        self,
        refusal: Refusal,
        path: str,
        method: str,
        reason: str | None,
        given: Sequence[Header],
        client: tuple[str, int] | None,
        *,
        default: Sequence[Header],
        close: bool,
    ) -> bytes:
        """Count a refusal, and give the bytes of its answer; path and method are "" where they are not known.

        `reason` is None where the status says why. `given` are the request's headers, as many as have arrived, and `default`
        those that every answer has, such as the date.
        """
        if reason is not None:
            self.metrics.rejected(reason)
        self.metrics.request(path, refusal.status)
        identity = self.common.identify(given)
        self.log.refused(refusal, path, identity)
        body = refusal.body()
        sent = b"" if method == "HEAD" else body
        self.log.answered(method, path, client, refusal.status, None, len(sent), identity)
        headers = [
            *default,
            (b"content-type", JSON),
            (b"content-length", b"%d" % len(body)),
            *self.common.answer(identity),
            *refusal.headers,
        ]
        if close and CLOSE not in headers:
            headers.append(CLOSE)
        return response_bytes(refusal.status, headers, sent)


STATUS_LINES = {status.value: b"HTTP/1.1 %d %s\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}


def response_bytes(status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> bytes:
    """An answer as bytes of HTTP/1.1, status line and headers included."""
    return b"".join((STATUS_LINES[status], *[b"%s: %s\r\n" % header for header in headers], b"\r\n", body))
