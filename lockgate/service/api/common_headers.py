"""What all answers have in common: the request's id, the digest of the model that is served, and the trace where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lockgate.service.api.errors import Header, RequestIds
from lockgate.service.api.trace_context import Trace, read_traceparent
from lockgate.service.worker_state import WorkerState

CLOSE = (b"connection", b"close")


class RequestIdentity(NamedTuple):
    """By which a request is found in logs and traces, and the `headers` of its answer that say so."""

    request_id: str
    trace: Trace | None
    headers: list[Header]


class CommonHeaders:
    """Makes them, and `connection: close` once the worker drains."""

    def __init__(self, state: WorkerState, ids: RequestIds) -> None:
        self._state, self._ids = state, ids

    def of(self, headers: Sequence[Header]) -> RequestIdentity:
        """Of a request with `headers`: its own id is kept where it is safe, its trace where it is valid."""
        given: bytes | None = None
        parents: tuple[bytes, ...] = ()
        for name, value in headers:
            if name == b"x-request-id":
                given = given or value
            elif name == b"traceparent":
                parents = (*parents, value)
        request_id = self._ids.of(given)
        common = [(b"x-request-id", request_id), self._state.predictor.digest_header]
        trace = read_traceparent(parents) if parents else None
        if trace is not None:
            common.append(trace.server_timing())
        if self._state.draining:
            common.append(CLOSE)
        return RequestIdentity(request_id.decode(), trace, common)
