"""What all answers have in common: the request's id, the digest of the model that is served, and the trace where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lockgate.service.api.errors import Header, RequestIds
from lockgate.service.api.trace_context import Trace, read_traceparent
from lockgate.service.worker_state import WorkerState

CLOSE = (b"connection", b"close")


class RequestIdentity(NamedTuple):
    """By which a request is found in logs and traces."""

    request_id: str
    trace: Trace | None


class CommonHeaders:
    """Reads a request's identity, and makes the headers of its answer when that is there: the model can change before."""

    def __init__(self, state: WorkerState, ids: RequestIds) -> None:
        self._state, self._ids = state, ids

    def identify(self, headers: Sequence[Header]) -> RequestIdentity:
        """Of a request with `headers`: its own id is kept where it is safe, its trace where it is valid."""
        given: bytes | None = None
        parents: tuple[bytes, ...] = ()
        for name, value in headers:
            if name == b"x-request-id":
                given = given or value
            elif name == b"traceparent":
                parents = (*parents, value)
        return RequestIdentity(self._ids.of(given).decode(), read_traceparent(parents) if parents else None)

    def answer(self, identity: RequestIdentity) -> list[Header]:
        """The headers of an answer that is given now, and `connection: close` once the worker drains."""
        common = [(b"x-request-id", identity.request_id.encode("ascii")), self._state.predictor.digest_header]
        if identity.trace is not None:
            common.append(identity.trace.server_timing())
        if self._state.draining:
            common.append(CLOSE)
        return common
