"""The service's paths as FastAPI routes.

`json_body` reads the body of a POST, and the endpoint validates it (`request_validation.py`) by types that are made from the
bundle's schema, since FastAPI's own would take NaN, `true` for a number and a key twice. `lockgate serve` answers most paths by
the same functions of `Endpoints`, without ASGI (`http/fast_path.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, cast

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from lockgate.service.api.docs_page import HEADERS, base_url, make_page
from lockgate.service.api.endpoints import Answer, EndpointRequest, Endpoints
from lockgate.service.api.errors import body_too_large
from lockgate.service.api.openapi import REASONS_PARAMETER, json_content, request_body, responses, text_content
from lockgate.service.api.request_validation import require_json


class EndpointRoute(APIRoute):
    """A route whose function takes the request as it is, and reads and validates its body itself.

    FastAPI's resolution of parameters has nothing to resolve here, and would cost as much as scoring a row.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The function itself."""
        handler: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return handler


router = APIRouter(route_class=EndpointRoute)
metrics_router = APIRouter(route_class=EndpointRoute)  # where /metrics is to be answered


class AnswerResponse(Response):
    """An endpoint's answer as a response, with nothing added but its length."""

    def __init__(self, answer: Answer) -> None:
        self.status_code = answer.status
        self.body = answer.body
        self.raw_headers = answer.raw_headers()
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body})


def endpoints_of(request: Request) -> Endpoints:
    """The functions that answer."""
    return cast(Endpoints, request.app.state.endpoints)


async def json_body(request: Request) -> bytes:
    """The body of a request, which has to be JSON by its headers, and no longer than the schema's largest batch."""
    headers = request.scope["headers"]
    require_json(headers)
    limit = endpoints_of(request).max_body
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > limit:
            raise body_too_large(limit)
    return bytes(body)


def asked(request: Request, body: bytes = b"") -> EndpointRequest:
    """What an endpoint needs of a request."""
    scope = request.scope
    return EndpointRequest(body, scope["state"]["identity"].request_id, scope["query_string"], scope["headers"])


@router.post(
    "/predict",
    openapi_extra=request_body("Applicant"),
    responses=responses(json_content("PredictAnswer"), with_body=True),
)
async def predict(request: Request) -> Response:
    """One applicant's probability and decision."""
    return AnswerResponse(endpoints_of(request).predict(asked(request, await json_body(request))))


@router.post(
    "/predict/batch",
    openapi_extra=request_body("Batch"),
    responses=responses(json_content("BatchAnswer"), with_body=True),
)
async def predict_batch(request: Request) -> Response:
    """Up to 1,000 applicants: all are answered, or none."""
    return AnswerResponse(endpoints_of(request).predict_batch(asked(request, await json_body(request))))


@router.post(
    "/explain",
    openapi_extra={**request_body("Applicant"), **REASONS_PARAMETER},
    responses=responses(json_content("ExplainAnswer"), with_body=True),
)
async def explain(request: Request) -> Response:
    """The probability, and what pushed it towards the unfavourable decision."""
    return AnswerResponse(endpoints_of(request).explain(asked(request, await json_body(request))))


@router.get("/drift", responses=responses(json_content("DriftAnswer")))
async def drift(request: Request) -> Response:
    """The last nightly drift run, and PSI since this model began to serve."""
    return AnswerResponse(endpoints_of(request).drift(asked(request)))


@metrics_router.get("/metrics", responses=responses(text_content("text/plain", "application/openmetrics-text")))
async def metrics(request: Request) -> Response:
    """Metrics for Prometheus."""
    return AnswerResponse(await endpoints_of(request).metrics(asked(request)))


@router.get("/health", responses=responses(json_content("HealthAnswer")))
async def health(request: Request) -> Response:
    """Alive, and what is served."""
    return AnswerResponse(endpoints_of(request).health(asked(request)))


@router.get("/ready", responses=responses(json_content("ReadyAnswer")))
async def ready(request: Request) -> Response:
    """Whether requests should be sent here."""
    return AnswerResponse(endpoints_of(request).ready(asked(request)))


@router.get("/docs", responses=responses(text_content("text/html")))
async def docs(request: Request) -> Response:
    """The API for people."""
    predictor = endpoints_of(request).state.predictor
    page = make_page(request.app.openapi(), predictor.bundle.schema, base_url(request))
    return Response(page, media_type="text/html", headers=HEADERS)
