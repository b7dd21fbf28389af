"""One HTTP connection: uvicorn's protocol with limits of time, size and requests at a time.

A request reaches the application only when all of it has arrived. A client that sends slowly or too much therefore costs a
socket and a bounded buffer, and never a task or one of the places for requests in flight.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from time import perf_counter
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from lockgate.service.api.common_headers import CLOSE
from lockgate.service.api.errors import (
    BAD_HOST,
    BAD_HTTP,
    HEAD_TOO_LARGE,
    OVERLOADED,
    TOO_SLOW,
    Header,
    Refusal,
    body_too_large,
)
from lockgate.service.http.connection_limits import (
    LAST_SECONDS,
    LINGER_SECONDS,
    MAX_BUFFERED_BYTES,
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    UNLIMITED_PATHS,
    Connections,
    response_bytes,
)

HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%:\[\]-]*[ \t]*")  # RFC 3986: a name or an address, and a port
OFFERS = frozenset({b"upgrade", b"http2-settings"})  # headers, and options of Connection, that offer another protocol


@dataclass(slots=True)
class ReceivedRequest:
    """A request that has arrived whole."""

    scope: Any
    body: bytearray
    keep_alive: bool


class Connection(HttpToolsProtocol):
    """One connection. Whatever it waits for must come before `deadline` (the loop's time)."""

    _body: bytearray

    def __init__(self, *arguments: Any, shared: Connections, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.shared = shared
        self.deadline = inf
        self._queue: deque[ReceivedRequest] = deque()  # pipelined behind the one in flight
        self.answering = False  # or held before it is refused with 503
        self._arriving = False  # a request has begun and is not complete
        self._begun = False  # it began in the bytes just received
        self._ending = False  # no more requests are read
        self._fresh = True  # no request has begun yet
        self._last = False  # the worker stops: the next answer is the last
        self._current: ReceivedRequest | None = None  # is answered, or waits for it
        self._begin()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected; its first request must arrive within the time for a request."""
        super().connection_made(transport)
        self.shared.open.add(self)
        self._wait(self.shared.request_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone, or was made to."""
        self.shared.open.discard(self)
        self.shared.metrics.connections(-1)
        self._take_body()
        for request in (self._current, *self._queue):
            self._forget_body(request)
        self._ending = True
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of a request; what follows a refused one is thrown away."""
        if self._ending:
            return
        self._begun = False
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self._refuse(BAD_HTTP, "invalid-http")
        # Where a request begins in `data`, what stands before it is of others: its headers are added up instead.
        if self._arriving and not self._path and not self._begun:
            self._head += len(data)
            if self._head > MAX_HEAD_BYTES:
                self._refuse(HEAD_TOO_LARGE, "too-large")

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._begin()
        if not self.answering and not self._arriving:  # it arrives already where its head is parsed again
            self._wait(self.shared.request_seconds)
        self._arriving, self._begun, self._fresh = True, True, False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header. Besides what uvicorn reads, the body's length and the host matter here."""
        super().on_header(name, value)
        self._named += len(name) + len(value)
        name = self.headers[-1][0]
        if name == b"content-length":
            self._length = int(value)
        elif name == b"transfer-encoding":
            self._chunked = True
        elif name == b"host":
            self._hosts.append(value)

    def on_headers_complete(self) -> None:
        """The head has arrived: a request that is wrong, too large or without a token is refused before its body is read."""
        method, version = self.parser.get_method(), self.parser.get_http_version()
        self._offers = self.parser.should_upgrade() and method != b"CONNECT"
        if self._offers:
            return
        address = httptools.parse_url(self.url)
        self._path = address.path or b"/"
        self._keep_alive = version != "1.0" and self.parser.should_keep_alive()
        self.scope["http_version"] = version
        self.scope["method"] = method.decode("ascii")
        self.scope["path"] = unquote(self._path.decode("ascii"))
        self.scope["raw_path"] = self._path
        self.scope["query_string"] = address.query or b""
        if version not in ("1.1", "1.0"):
            self._refuse(BAD_HTTP, "invalid-http")
        elif (len(self._hosts) != 1 and (self._hosts or version == "1.1")) or not all(map(HOST.fullmatch, self._hosts)):
            self._refuse(BAD_HOST, "invalid-http")
        elif len(self.headers) > MAX_HEADERS or self._named + len(self.url) > MAX_HEAD_BYTES:
            self._refuse(HEAD_TOO_LARGE, "too-large")
        elif unauthorized := self._unauthorized():
            self._refuse(unauthorized, None)
        elif self._length > self.shared.state.predictor.max_body:
            self._refuse(body_too_large(self.shared.state.predictor.max_body), "too-large")
        elif self.expect_100_continue and not self.answering:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if self._ending:
            return
        self._body += body
        self.shared.buffered += len(body)
        if len(self._body) > self.shared.state.predictor.max_body:
            self._refuse(body_too_large(self.shared.state.predictor.max_body), "too-large")
        elif self.shared.buffered > MAX_BUFFERED_BYTES:
            self._refuse(OVERLOADED, "overload")

    def on_message_complete(self) -> None:
        """The request is complete: answer it, or queue it behind the one in flight."""
        if self._ending or self._offers:
            return
        self._arriving = False
        request = ReceivedRequest(self.scope, self._body, self._keep_alive)
        self._body = bytearray()
        if self.answering:
            self._queue.append(request)
            self.flow.pause_reading()
        else:
            self._admit(request)

    def on_response_complete(self) -> None:
        """An answer is written: take the next request, or wait for one."""
        self.server_state.total_requests += 1
        self._forget_body(self._current)
        if self.transport.is_closing():
            return
        self.answering = False
        if self._queue:
            self._admit(self._queue.popleft())
        elif self._ending:
            self.transport.close()
        else:
            self.flow.resume_reading()
            self._wait(self.shared.request_seconds if self._arriving else self.shared.keep_alive_seconds)

    def expire(self) -> None:
        """The deadline has passed: refuse a request that is still arriving, or close the connection."""
        if self._arriving and not self.answering and not self._ending:
            self._refuse(TOO_SLOW, "slow-request")
        elif self.answering or self._ending or self.transport.get_write_buffer_size():
            self.transport.abort()  # closing would wait for the client to read
        else:
            self.transport.close()

    def shutdown(self) -> None:
        """The worker stops: finish what has begun, and give a new connection a moment for its request."""
        self._last = True
        if self.answering or self._queue:
            if not self._queue:
                self._answer_last()
        elif self._fresh:
            self.deadline = min(self.deadline, self.loop.time() + LAST_SECONDS)
        elif not self._arriving:
            self.transport.close()

    def _parse(self, data: bytes) -> None:
        """Parse what has arrived. An upgrade is offered and never taken, so the request counts without it (RFC 9110, 7.8).

        The parser takes the end of a head that offers one for the end of HTTP. Another parser gets the head it has read,
        without the offer, and then what follows.
        """
        rest = memoryview(data)
        while True:
            try:
                self.parser.feed_data(rest)
                return
            except httptools.HttpParserUpgrade as upgrade:
                if not self._offers:  # CONNECT
                    self._end_after_answer()
                    return
                head = head_without_offers(
                    self.parser.get_method(), self.url, self.parser.get_http_version(), self.headers
                )
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
                self.parser.feed_data(head)
                rest = rest[upgrade.args[0] :]

    def _begin(self) -> None:
        self._head = self._length = 0
        self._hosts: list[bytes] = []
        self._chunked = False
        self._offers = False  # another protocol, in a head that is parsed again without that
        self._named: int = 0
        self._path = b""
        self._keep_alive = True
        self._body = bytearray()

    def _unauthorized(self) -> Refusal | None:
        """Why a request that is going to have a body is refused for its token; what has none is answered in its turn."""
        if self.shared.state.tokens is None or not (self._length or self._chunked):
            return None
        try:
            self.shared.state.tokens.require(self.scope["path"], self.headers, self.shared.open_paths)
        except Refusal as refusal:
            return refusal
        return None

    def _wait(self, seconds: float) -> None:
        self.deadline = self.loop.time() + seconds

    def _take_body(self) -> None:
        self.shared.buffered -= len(self._body)
        self._body = bytearray()

    def _forget_body(self, request: ReceivedRequest | None) -> None:
        if request is not None:
            self.shared.buffered -= len(request.body)
            request.body = bytearray()

    def _admit(self, request: ReceivedRequest) -> None:
        """Let a request be answered: at once where somebody watches the service with it, else in its turn."""
        self.answering = True
        self._wait(self.shared.answer_seconds)
        if self._last and not self._queue:
            request.keep_alive = False
        self._current = request
        self.shared.metrics.in_flight(1)
        if request.scope["path"] in UNLIMITED_PATHS or not self.shared.sheds:
            self.loop.call_soon(self.answer, request, perf_counter())
        else:
            self.shared.queue.put(self, request)

    def answer(self, request: ReceivedRequest, arrived: float) -> bool:
        """Answer a request: on the fast path, without a task, without ASGI, in one write; or False for a task that does."""
        shared, scope = self.shared, request.scope
        if self.transport.is_closing():
            shared.metrics.in_flight(-1)
            return True
        endpoint = shared.fast_path.endpoint(scope["path"], scope["method"])
        if endpoint is None or self.flow.write_paused:
            shared.metrics.in_flight(-1)  # the application counts it itself
            self._run(request)
            return False
        identity = shared.common.identify(scope["headers"])
        status, answered, body = shared.fast_path.answer(
            endpoint, scope["query_string"], scope["headers"], bytes(request.body), identity
        )
        seconds = perf_counter() - arrived
        shared.metrics.in_flight(-1)
        shared.metrics.request(scope["path"], status, seconds)
        shared.log.answered(scope["method"], scope["path"], self.client, status, seconds, len(body), identity)
        close = not request.keep_alive or CLOSE in answered
        if close and CLOSE not in answered:
            answered.append(CLOSE)
        self.transport.write(response_bytes(status, [*self.server_state.default_headers, *answered], body))
        if close:
            self.transport.close()
        self.on_response_complete()
        return True

    def shed(self, request: ReceivedRequest, seconds: float) -> None:
        """Refuse a whole request with 503, in so many seconds."""
        self.shared.metrics.in_flight(-1)
        self._forget_body(request)
        self.loop.call_later(seconds, self._refuse_whole, request)

    def _run(self, request: ReceivedRequest) -> None:
        """Let the ASGI application answer."""
        self.cycle = RequestResponseCycle(
            scope=request.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=request.keep_alive,
            on_response=self.on_response_complete,
        )
        self.cycle.body, self.cycle.more_body = request.body, False
        self.cycle.message_event.set()
        task = self.loop.create_task(self.cycle.run_asgi(self.app))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _refuse_whole(self, request: ReceivedRequest) -> None:
        if self.transport.is_closing():
            return
        close = not request.keep_alive or self.shared.state.draining
        scope = request.scope
        answer = self._refusal(OVERLOADED, scope["path"], scope["method"], "overload", scope["headers"], close=close)
        self.transport.write(answer)
        if close:
            self.transport.close()
        self.on_response_complete()

    def _refuse(self, refusal: Refusal, reason: str | None) -> None:
        """Refuse the arriving request and end the connection; what the client still sends is not parsed."""
        if self._ending:
            return
        self._take_body()
        if self.answering:
            self._end_after_answer()
            return
        self._ending = True
        path, method = (self.scope["path"], self.scope["method"]) if self._path and self._arriving else ("", "")
        given = self.headers if self._arriving else ()
        self.transport.write(self._refusal(refusal, path, method, reason, given, close=True))
        if self.transport.can_write_eof():
            # Closing at once would reset the connection under a client that is still sending, before it has read this.
            self.transport.write_eof()
        self._wait(LINGER_SECONDS)

    def _refusal(
        self, refusal: Refusal, path: str, method: str, reason: str | None, given: Sequence[Header], *, close: bool
    ) -> bytes:
        default = self.server_state.default_headers
        return self.shared.answer(refusal, path, method, reason, given, self.client, default=default, close=close)

    def _end_after_answer(self) -> None:
        self._ending = True
        if self._queue:
            self._queue[-1].keep_alive = False
        else:
            self._answer_last()

    def _answer_last(self) -> None:
        """Close the connection after the answer in flight."""
        if self._current is not None:
            self._current.keep_alive = False
        if self.cycle is not None:
            self.cycle.keep_alive = False


def head_without_offers(method: bytes, target: bytes, version: str, headers: list[Header]) -> bytes:
    """The head of a request, as it was parsed, without what offers another protocol; names are in small letters."""
    lines = [b"%s %s HTTP/%s" % (method, target, version.encode())]
    for name, value in headers:
        if name == b"connection":
            options = [one for one in value.split(b",") if one.strip().lower() not in OFFERS]
            lines += [b"connection:" + b",".join(options)] if options else []
        elif name not in OFFERS:
            lines.append(name + b":" + value)
    return b"\r\n".join([*lines, b"", b""])
