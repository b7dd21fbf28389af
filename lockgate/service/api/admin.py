"""The application of the admin port: what operators and Prometheus ask, on an address that no client of the model reaches."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, cast

import msgspec
from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from lockgate.service.api.app import configure_app
from lockgate.service.api.bearer_token import OPEN_PATHS
from lockgate.service.api.common_headers import CommonHeaders
from lockgate.service.api.endpoints import RETRY_AFTER, Answer, Endpoints
from lockgate.service.api.errors import refuse
from lockgate.service.api.request_log import RequestLog
from lockgate.service.api.routes import AnswerResponse, asked, health, metrics_router, ready

RELOAD_PATH = "/admin/reload"
ADMIN_OPEN_PATHS = OPEN_PATHS | {"/metrics"}  # whoever reaches this port may see it

ReloadResult = Literal["switched", "unchanged", "refused", "failed", "busy"]
# By result, the status of the answer: the bundle is not to be served, the workers could not take it now, or not before the
# reload that is on its way.
STATUSES: dict[ReloadResult, int] = {"refused": 422, "failed": 409, "busy": 503}


@dataclass(frozen=True)
class ReloadOutcome:
    """What became of a reload: `model` is the digest that is served after it, `previous` the one before."""

    result: ReloadResult
    model: str
    previous: str
    reason: str = ""  # why the same bundle is served as before


class ReloadAnswer(msgspec.Struct, frozen=True):
    """The body of an answer to a reload that succeeded."""

    result: Literal["switched", "unchanged"]
    model: str
    previous: str
    request_id: str


router = APIRouter()


@router.post(RELOAD_PATH)
async def reload(request: Request) -> Response:
    """Serve the bundle that lies now where the service read its own; answered when every worker serves it."""
    outcome = await cast(Callable[[], Awaitable[ReloadOutcome]], request.app.state.reload)()
    if outcome.result != "switched" and outcome.result != "unchanged":
        headers = RETRY_AFTER if outcome.result == "busy" else ()
        raise refuse(STATUSES[outcome.result], f"reload-{outcome.result}", ("path",), outcome.reason, headers)
    request_id = asked(request).request_id
    answer = ReloadAnswer(outcome.result, outcome.model, outcome.previous, request_id)
    return AnswerResponse(Answer(msgspec.json.encode(answer)))


router.get("/health")(health)
router.get("/ready")(ready)


def make_admin_app(
    endpoints: Endpoints, common: CommonHeaders, log: RequestLog, reload: Callable[[], Awaitable[ReloadOutcome]]
) -> FastAPI:
    """The application; `reload` asks for another bundle."""
    app = FastAPI(openapi_url=None)
    configure_app(app, endpoints, common, log, ADMIN_OPEN_PATHS)
    app.state.reload = reload
    app.router.routes.extend([*router.routes, *metrics_router.routes])
    return app
