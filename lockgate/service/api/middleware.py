"""What every request goes through, whichever route answers it: counted, its token, the common headers, and HEAD where GET is."""

from __future__ import annotations

import logging
from time import perf_counter

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lockgate.service.api.common_headers import CommonHeaders
from lockgate.service.api.endpoints import refused
from lockgate.service.api.errors import FAILED, Refusal
from lockgate.service.api.routes import AnswerResponse
from lockgate.service.metrics.counters import ServiceMetrics
from lockgate.service.worker_state import WorkerState

logger = logging.getLogger("lockgate")


class ServiceMiddleware:
    """Plain ASGI: a hundredth of a millisecond a request, where Starlette's BaseHTTPMiddleware takes a task and a queue."""

    def __init__(self, app: ASGIApp, common: CommonHeaders, metrics: ServiceMetrics, state: WorkerState) -> None:
        self._app, self._common, self._metrics, self._state = app, common, metrics, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        common = self._common.of(scope["headers"])
        is_head = scope["method"] == "HEAD"
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *common]
            elif is_head and message["type"] == "http.response.body":
                message["body"] = b""  # the length stays in the headers
            await send(message)

        inner = {**scope, "method": "GET" if is_head else scope["method"]}
        inner["state"] = {**scope.get("state", {}), "request_id": common[0][1].decode()}
        self._metrics.in_flight(1)
        try:
            if self._state.tokens is not None:
                self._state.tokens.require(scope["path"].removeprefix(scope.get("root_path", "")), scope["headers"])
            await self._app(inner, receive, send_with_headers)
        except Refusal as refusal:
            await AnswerResponse(refused(refusal))(scope, receive, send_with_headers)
        except ClientDisconnect:
            status = 400
        except Exception:
            logger.exception("request %s failed", common[0][1].decode())
            if status:  # its answer has begun: the server can only close the connection
                raise
            await AnswerResponse(refused(FAILED))(scope, receive, send_with_headers)
        finally:
            self._metrics.in_flight(-1)
            self._metrics.request(scope["path"], status or 500, perf_counter() - started)
