"""The fast path: `lockgate serve` answers the paths that matter for load without a task, ASGI and FastAPI's routing.

It calls the same functions as the routes of `api/routes.py`, in the same order: tests hold the two to the same bytes and counters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lockgate.service.api.common_headers import CommonHeaders, RequestIdentity
from lockgate.service.api.endpoints import Answer, EndpointRequest, Endpoints, refused
from lockgate.service.api.errors import FAILED, Header, Refusal
from lockgate.service.api.request_log import RequestLog
from lockgate.service.api.request_validation import require_json


@dataclass(frozen=True)
class FastEndpoint:
    """A path, its method, whether it takes a JSON body, and the function that answers."""

    path: str
    method: str
    takes_body: bool
    answer: Callable[[EndpointRequest], Answer]


class FastPath:
    """Endpoints by path; none of them where it is switched off."""

    def __init__(self, endpoints: Endpoints, common: CommonHeaders, log: RequestLog, *, on: bool = True) -> None:
        self._common, self._log, self._state = common, log, endpoints.state
        fast = [
            FastEndpoint("/predict", "POST", True, endpoints.predict),
            FastEndpoint("/predict/batch", "POST", True, endpoints.predict_batch),
            FastEndpoint("/explain", "POST", True, endpoints.explain),
            FastEndpoint("/health", "GET", False, endpoints.health),
            FastEndpoint("/ready", "GET", False, endpoints.ready),
        ]
        self._endpoints = {one.path: one for one in fast} if on else {}

    def endpoint(self, path: str, method: str) -> FastEndpoint | None:
        """What answers a request here, or None where the application does."""
        found = self._endpoints.get(path)
        return found if found is not None and found.method == method else None

    def answer(
        self,
        endpoint: FastEndpoint,
        query: bytes,
        headers: Sequence[Header],
        body: bytes,
        identity: RequestIdentity,
    ) -> tuple[int, list[Header], bytes]:
        """Status, headers and body of the answer to a whole request, which the connection has kept within its limits."""
        try:
            if self._state.tokens is not None:
                self._state.tokens.require(endpoint.path, headers)
            if endpoint.takes_body:
                require_json(headers)
            answer = endpoint.answer(EndpointRequest(body, identity.request_id, query, headers))
        except Refusal as refusal:
            self._log.refused(refusal, endpoint.path, identity)
            answer = refused(refusal)
        except Exception as error:
            self._log.failed(error, endpoint.path, identity)
            answer = refused(FAILED)
        return answer.status, [*answer.raw_headers(), *self._common.answer(identity)], answer.body
