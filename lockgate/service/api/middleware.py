"""What every request goes through, whichever route answers it: counted, its token, the common headers, and HEAD where GET is."""

from __future__ import annotations

from time import perf_counter

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lockgate.service.api.common_headers import CommonHeaders
from lockgate.service.api.endpoints import refused
from lockgate.service.api.errors import FAILED, Refusal
from lockgate.service.api.request_log import RequestLog
from lockgate.service.api.routes import AnswerResponse
from lockgate.service.metrics.counters import ServiceMetrics
from lockgate.service.worker_state import WorkerState


class ServiceMiddleware:
    """Plain ASGI: a hundredth of a millisecond a request, where Starlette's BaseHTTPMiddleware takes a task and a queue."""

    def __init__(
        self,
        app: ASGIApp,
        common: CommonHeaders,
        metrics: ServiceMetrics,
        state: WorkerState,
        log: RequestLog,
        open_paths: frozenset[str],
    ) -> None:
        self._app, self._common, self._metrics, self._state, self._log = app, common, metrics, state, log
        self._open_paths = open_paths  # which need no token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        identity = self._common.identify(scope["headers"])
        is_head = scope["method"] == "HEAD"
        status = size = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *self._common.answer(identity)]
            elif message["type"] == "http.response.body":
                if is_head:
                    message["body"] = b""  # the length stays in the headers
                size += len(message.get("body", b""))
            await send(message)

        inner = {**scope, "method": "GET" if is_head else scope["method"]}
        inner["state"] = {**scope.get("state", {}), "identity": identity}
        self._metrics.in_flight(1)
        try:
            if self._state.tokens is not None:
                path = scope["path"].removeprefix(scope.get("root_path", ""))
                self._state.tokens.require(path, scope["headers"], self._open_paths)
            await self._app(inner, receive, send_with_headers)
        except Refusal as refusal:
            self._log.refused(refusal, scope["path"], identity)
            await AnswerResponse(refused(refusal))(scope, receive, send_with_headers)
        except ClientDisconnect:
            status = 400
        except Exception as error:
            self._log.failed(error, scope["path"], identity)
            if status:  # its answer has begun: the server can only close the connection
                raise
            await AnswerResponse(refused(FAILED))(scope, receive, send_with_headers)
        finally:
            self._metrics.in_flight(-1)
            seconds = perf_counter() - started
            self._metrics.request(scope["path"], status or 500, seconds)
            self._log.answered(
                scope["method"], scope["path"], scope.get("client"), status or 500, seconds, size, identity
            )
