"""The fast path: the service's own endpoints are answered without FastAPI's routing and validation.

`lockgate serve` calls `FastPath` from a connection, without ASGI. Under any other server `FastPathMiddleware` calls it in
front of FastAPI, which answers all other paths, a team's own included.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lockgate.service.api.endpoints import Answer, Endpoint
from lockgate.service.api.errors import JSON, Refusal, RequestIds, body_too_large, refuse
from lockgate.service.metrics.counters import Metrics
from lockgate.service.worker_state import WorkerState


class ClientGoneError(Exception):
    """The client closed the connection before its request had arrived."""


class FastPathMiddleware:
    """ASGI middleware that answers the service's own paths and lets FastAPI answer all others, counting both."""

    def __init__(self, app: ASGIApp, fast_path: FastPath, metrics: Metrics) -> None:
        self._app, self._fast_path, self._metrics = app, fast_path, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        common = self._fast_path.common_headers(scope["headers"])
        endpoint = self._fast_path.endpoints.get(scope["path"])
        self._metrics.in_flight(1)
        status = 500
        try:
            if endpoint is None:
                status = await self._pass_on(scope, receive, send, common)
            else:
                status = await self._answer(endpoint, scope, receive, send, common)
        except ClientGoneError:
            status = 400
        finally:
            self._metrics.in_flight(-1)
            self._metrics.request(scope["path"], status, perf_counter() - started)

    async def _answer(
        self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send, common: list[Header]
    ) -> int:
        # One byte over the limit is enough to be refused for it, whatever the client goes on to send.
        body = (
            await _body(receive, self._fast_path.max_body + 1) if scope["method"] == endpoint.method == "POST" else b""
        )
        status, headers, answer = self._fast_path.answer(
            endpoint, scope["method"], scope["query_string"], scope["headers"], body, common
        )
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})
        return status

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, common: list[Header]) -> int:
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *common]
            await send(message)

        await self._app(scope, receive, send_with_headers)
        return status


async def _body(receive: Receive, max_bytes: int) -> bytes:
    """The whole body; of a longer one, its first `max_bytes` bytes and what came with them."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        body += message.get("body", b"")
        if not message.get("more_body", False) or len(body) >= max_bytes:
            return bytes(body)


Header = tuple[bytes, bytes]

CLOSE = (b"connection", b"close")
FAILED = refuse(500, "internal-error", ("path",), "something went wrong here; it is in the service's log")
ACCEPT = [(b"accept-post", JSON)]
ACCEPT_PLAIN = [(b"accept-encoding", b"identity")]
logger = logging.getLogger("lockgate")


class FastPath:
    """Endpoints by path, and what all their answers have in common."""

    def __init__(self, endpoints: dict[str, Endpoint], state: WorkerState, ids: RequestIds) -> None:
        self.endpoints = endpoints
        self._state = state
        self._ids = ids

    @property
    def max_body(self) -> int:
        """The most bytes that the body of a request may have."""
        return self._state.predictor.max_body

    def common_headers(self, headers: Sequence[Header]) -> list[Header]:
        """The headers of every answer: the request's id (the given one where it is safe) and the model's digest."""
        given = next((value for name, value in headers if name == b"x-request-id"), None)
        common = [(b"x-request-id", self._ids.of(given)), self._state.predictor.digest_header]
        if self._state.draining:
            common.append(CLOSE)
        return common

    def answer(
        self,
        endpoint: Endpoint,
        method: str,
        query: bytes,
        headers: Sequence[Header],
        body: bytes,
        common: list[Header],
    ) -> tuple[int, list[Header], bytes]:
        """Status, headers and body of the answer to a complete request; `common` is from `common_headers`."""
        try:
            if method != endpoint.method:
                allow = [(b"allow", endpoint.method.encode())]
                raise refuse(405, "method-not-allowed", ("method",), f"this path takes {endpoint.method}", allow)
            if endpoint.takes_body:
                self._require_json(headers, len(body))
            answer = endpoint.answer(body, common[0][1].decode(), query)
        except Refusal as refusal:
            answer = Answer(refusal.body(), refusal.status)
            common = common + refusal.headers
        except Exception:
            logger.exception("request %s failed", common[0][1].decode())
            answer = Answer(FAILED.body(), FAILED.status)
        length = (b"content-length", b"%d" % len(answer.body))
        return answer.status, [(b"content-type", answer.content_type), length, *common], answer.body

    def _require_json(self, headers: Sequence[Header], length: int) -> None:
        kind = encoding = b""
        for name, value in headers:
            if name == b"content-type":
                kind = value
            elif name == b"content-encoding":
                encoding = value
        if kind != JSON and not _is_json(kind):
            raise refuse(
                415, "unsupported-media-type", ("header", "content-type"), "send application/json in UTF-8", ACCEPT
            )
        if encoding and encoding.strip().lower() != b"identity":
            raise refuse(
                415, "unsupported-encoding", ("header", "content-encoding"), "send the body uncompressed", ACCEPT_PLAIN
            )
        if length > self.max_body:
            raise body_too_large(self.max_body)


def _is_json(content_type: bytes) -> bool:
    kind, *parameters = [part.strip().lower() for part in content_type.split(b";")]
    return kind == JSON and all(one in (b"", b"charset=utf-8", b'charset="utf-8"') for one in parameters)
