"""The FastAPI application: the routes, their errors, the OpenAPI document, and what all answers have in common."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from lockgate.config.version import __version__
from lockgate.service.api.bearer_token import OPEN_PATHS
from lockgate.service.api.common_headers import CommonHeaders
from lockgate.service.api.endpoints import Endpoints, refused
from lockgate.service.api.errors import Problem, Refusal, method_not_allowed, not_found
from lockgate.service.api.middleware import ServiceMiddleware
from lockgate.service.api.openapi import TITLE, OpenApi, make_openapi
from lockgate.service.api.request_log import RequestLog
from lockgate.service.api.routes import AnswerResponse, metrics_router, router


class ServiceApp(FastAPI):
    """FastAPI's application, whose document is that of the model served now."""

    def openapi(self) -> OpenApi:
        """The document, made once for each model."""
        predictor = self.state.endpoints.state.predictor
        if self.openapi_schema is None or self.state.described is not predictor:
            self.openapi_schema = make_openapi(self.routes, predictor, self.state.endpoints.state.tokens is not None)
            self.state.described = predictor
        return self.openapi_schema


def make_app(
    endpoints: Endpoints,
    common: CommonHeaders,
    log: RequestLog,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
    *,
    public_metrics: bool = True,
) -> ServiceApp:
    """The application that answers by `endpoints`; /metrics is among its paths where they are public."""
    app = ServiceApp(
        title=TITLE,
        version=__version__,
        # Before the document's, and in one table: `include_router` would look in two.
        routes=[*router.routes, *(metrics_router.routes if public_metrics else [])],
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    configure_app(app, endpoints, common, log)
    return app


def configure_app(
    app: FastAPI,
    endpoints: Endpoints,
    common: CommonHeaders,
    log: RequestLog,
    open_paths: frozenset[str] = OPEN_PATHS,
) -> None:
    """Let `app` answer by `endpoints`, with the errors, headers, counters and log of the service; `open_paths` need no token."""
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Refusal, _refusal)
    app.state.endpoints = endpoints
    app.state.log = log
    app.add_middleware(
        ServiceMiddleware,
        common=common,
        metrics=endpoints.service_metrics,
        state=endpoints.state,
        log=log,
        open_paths=open_paths,
    )


async def _refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)  # noqa: S101  # what it is registered for
    request.app.state.log.refused(error, request.scope["path"], request.scope["state"]["identity"])
    return AnswerResponse(refused(error))


async def _http_error(request: Request, error: Exception) -> Response:
    """An error of the framework's, such as a path that there is not, in the form of all errors."""
    assert isinstance(error, HTTPException)  # noqa: S101  # what it is registered for
    if error.status_code == 404:
        return await _refusal(request, not_found())
    if error.status_code == 405:
        allowed = {one.strip() for one in (error.headers or {}).get("Allow", "").split(",")}
        methods = sorted(allowed | ({"HEAD"} if "GET" in allowed else set()))
        return await _refusal(request, method_not_allowed(methods))
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in (error.headers or {}).items()
    ]
    problem = Problem(("path",), str(error.detail))
    return await _refusal(request, Refusal(error.status_code, "refused", [problem], headers))
