"""The lean way from ASGI to an endpoint, in front of FastAPI's own: no validation models, no data frames, few objects."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import Any

from app.endpoints import Answer, Endpoint
from app.metrics import Metrics
from app.refusals import JSON, Refusal, body_too_large, refuse
from app.request_ids import RequestIds
from app.state import State

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

CLOSE = (b"connection", b"close")
logger = logging.getLogger("lockgate")


class ClientGoneError(Exception):
    """Nobody waits for the answer any more."""


class LeanRoutes:
    """ASGI middleware that answers the service's own paths and lets FastAPI answer all others, counting both."""

    def __init__(
        self,
        app: App,
        endpoints: dict[str, Endpoint],
        metrics: Metrics,
        state: State,
        digest: str,
        ids: RequestIds,
        max_body: int,
    ) -> None:
        self._app, self._endpoints, self._metrics, self._state = app, endpoints, metrics, state
        self._max_body = max_body
        self._digest = (b"x-model-digest", digest.encode())
        self._ids = ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        request_id, facts = self._read_headers(scope["headers"])
        own: Headers = [(b"x-request-id", request_id), self._digest]
        if self._state.draining:
            own.append(CLOSE)
        endpoint = self._endpoints.get(scope["path"])
        self._metrics.in_flight(1)
        status = 500
        try:
            if endpoint is None:
                status = await self._other(scope, receive, send, own)
            else:
                status = await self._lean(endpoint, scope, receive, send, own, facts)
        except ClientGoneError:
            status = 400
        finally:
            self._metrics.in_flight(-1)
            self._metrics.request(scope["path"], status, perf_counter() - started)

    async def _lean(
        self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send, own: Headers, facts: Facts
    ) -> int:
        try:
            if scope["method"] != endpoint.method:
                allow = [(b"allow", endpoint.method.encode())]
                raise refuse(405, "method-not-allowed", ("method",), f"this path takes {endpoint.method}", allow)
            body = b""
            if endpoint.takes_body:
                facts.require_json()
                body = await _body(receive, facts.length, self._max_body)
            answer = endpoint.answer(body, own[0][1].decode(), scope["query_string"])
        except Refusal as refusal:
            answer = Answer(refusal.body(), refusal.status)
            own += refusal.headers
        headers = [(b"content-type", answer.content_type), (b"content-length", b"%d" % len(answer.body)), *own]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})
        return answer.status

    async def _other(self, scope: Scope, receive: Receive, send: Send, own: Headers) -> int:
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *own]
            await send(message)

        await self._app(scope, receive, send_with_headers)
        return status

    def _read_headers(self, headers: Headers) -> tuple[bytes, Facts]:
        given = None
        facts = Facts()
        for name, value in headers:
            if name == b"content-type":
                facts.content_type = value
            elif name == b"content-length":
                facts.length = int(value) if value.isdigit() and len(value) < 20 else None
            elif name == b"content-encoding":
                facts.encoding = value
            elif name == b"x-request-id":
                given = value
        return self._ids.of(given), facts


class Facts:
    """What the headers say of the body."""

    __slots__ = ("content_type", "encoding", "length")

    def __init__(self) -> None:
        self.content_type = b""
        self.encoding = b""
        self.length: int | None = None

    def require_json(self) -> None:
        """Raises Refusal unless the body is JSON in UTF-8, as it is."""
        kind = self.content_type
        if kind != JSON and not _is_json(kind):
            raise refuse(
                415, "unsupported-media-type", ("header", "content-type"), "send application/json in UTF-8", ACCEPT
            )
        if self.encoding and self.encoding.strip().lower() != b"identity":
            raise refuse(
                415, "unsupported-encoding", ("header", "content-encoding"), "send the body uncompressed", ACCEPT_PLAIN
            )


ACCEPT = [(b"accept-post", JSON)]
ACCEPT_PLAIN = [(b"accept-encoding", b"identity")]


def _is_json(content_type: bytes) -> bool:
    kind, *parameters = [part.strip().lower() for part in content_type.split(b";")]
    return kind == JSON and all(one in (b"", b"charset=utf-8", b'charset="utf-8"') for one in parameters)


async def _body(receive: Receive, length: int | None, most: int) -> bytes:
    """The whole body; a Refusal as soon as it is known to be longer than `most`."""
    if length is not None and length > most:
        raise body_too_large(most)
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    if not message.get("more_body", False) and len(body) <= most:
        return body
    parts, total = [body], len(body)
    while message.get("more_body", False) and total <= most:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        parts.append(message.get("body", b""))
        total += len(parts[-1])
    if total > most:
        raise body_too_large(most)
    return b"".join(parts)
