"""What FastAPI answers here: the documentation, and every path there is not."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from lockgate.service.api.docs_page import make_page
from lockgate.service.api.errors import Problem, Refusal
from lockgate.service.api.openapi import Described

# Nothing on the page is from elsewhere, and nothing of it runs.
POLICY = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"}


def add_documentation(app: FastAPI, document: Described) -> None:
    """Give `app` the paths /openapi.json and /docs."""

    async def openapi() -> Response:
        return JSONResponse(document)

    async def docs(request: Request) -> Response:
        return HTMLResponse(make_page(document, str(request.base_url).rstrip("/")), headers=POLICY)

    app.add_api_route("/openapi.json", openapi, include_in_schema=False)
    app.add_api_route("/docs", docs, include_in_schema=False)


async def http_error(_: Request, error: Exception) -> Response:
    """A path that there is not, or not with this method, in the form of all errors."""
    assert isinstance(error, HTTPException)  # noqa: S101  # what it is registered for
    code, message = "not-found", "there is nothing at this path"
    if error.status_code == 405:
        code, message = "method-not-allowed", "this path does not take this method"
    refusal = Refusal(error.status_code, code, [Problem(("path",), message)])
    return Response(refusal.body(), error.status_code, dict(error.headers or {}), "application/json")
