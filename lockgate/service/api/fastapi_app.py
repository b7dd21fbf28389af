"""The FastAPI application: /docs, /openapi.json and every path that there is not; the middleware answers all others."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import msgspec
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from lockgate.documents.schema_json import Schema
from lockgate.service.api.docs_page import make_page
from lockgate.service.api.errors import Problem, Refusal
from lockgate.service.api.openapi_document import JSON_TYPE, OpenApiDocument

# Nothing on the page is from elsewhere, and nothing of it runs.
POLICY = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"}


def make_fastapi_app(
    document: OpenApiDocument,
    schema: Schema,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
    middleware: Middleware,
) -> FastAPI:
    """The application that `document` describes, whose requests are of `schema`."""
    app = FastAPI(
        title=document.info.title,
        version=document.info.version,
        openapi_url=None,
        exception_handlers={HTTPException: _http_error},
        lifespan=lifespan,
        middleware=[middleware],
    )
    encoded = msgspec.json.encode(document)
    app.openapi = lambda: msgspec.json.decode(encoded)  # type: ignore[method-assign]

    async def openapi() -> Response:
        return Response(encoded, media_type=JSON_TYPE)

    async def docs(request: Request) -> Response:
        page = make_page(document, schema, str(request.base_url).rstrip("/"))
        return HTMLResponse(page, headers=POLICY)

    app.add_api_route("/openapi.json", openapi, include_in_schema=False)
    app.add_api_route("/docs", docs, include_in_schema=False)
    return app


async def _http_error(_: Request, error: Exception) -> Response:
    """A path that there is not, or not with this method, in the form of all errors."""
    assert isinstance(error, HTTPException)  # noqa: S101  # what it is registered for
    code, message = "not-found", "there is nothing at this path"
    if error.status_code == 405:
        code, message = "method-not-allowed", "this path does not take this method"
    refusal = Refusal(error.status_code, code, [Problem(("path",), message)])
    return Response(refusal.body(), error.status_code, dict(error.headers or {}), JSON_TYPE)
