"""ASGI in front of FastAPI: the service's own paths the lean way, all others by FastAPI, and both counted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import Any

from app.endpoints import Endpoint
from app.lean import Header, Lean
from app.metrics import Metrics

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class ClientGoneError(Exception):
    """Nobody waits for the answer any more."""


class LeanRoutes:
    """ASGI middleware that answers the service's own paths and lets FastAPI answer all others, counting both."""

    def __init__(self, app: App, lean: Lean, metrics: Metrics) -> None:
        self._app, self._lean, self._metrics = app, lean, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        own = self._lean.own_headers(scope["headers"])
        endpoint = self._lean.endpoints.get(scope["path"])
        self._metrics.in_flight(1)
        status = 500
        try:
            if endpoint is None:
                status = await self._other(scope, receive, send, own)
            else:
                status = await self._own(endpoint, scope, receive, send, own)
        except ClientGoneError:
            status = 400
        finally:
            self._metrics.in_flight(-1)
            self._metrics.request(scope["path"], status, perf_counter() - started)

    async def _own(self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send, own: list[Header]) -> int:
        # One byte over the limit is enough to be refused for it, whatever the client goes on to send.
        body = await _body(receive, self._lean.max_body + 1) if scope["method"] == endpoint.method == "POST" else b""
        status, headers, answer = self._lean.answer(
            endpoint, scope["method"], scope["query_string"], scope["headers"], body, own
        )
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})
        return status

    async def _other(self, scope: Scope, receive: Receive, send: Send, own: list[Header]) -> int:
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *own]
            await send(message)

        await self._app(scope, receive, send_with_headers)
        return status


async def _body(receive: Receive, enough: int) -> bytes:
    """The whole body, or its first `enough` bytes and what came with them."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        body += message.get("body", b"")
        if not message.get("more_body", False) or len(body) >= enough:
            return bytes(body)
