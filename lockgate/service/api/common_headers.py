"""The headers of every answer: the request's id, and the digest of the model that is served."""

from __future__ import annotations

from collections.abc import Sequence

from lockgate.service.api.errors import Header, RequestIds
from lockgate.service.worker_state import WorkerState

CLOSE = (b"connection", b"close")


class CommonHeaders:
    """Makes them, and `connection: close` once the worker drains."""

    def __init__(self, state: WorkerState, ids: RequestIds) -> None:
        self._state, self._ids = state, ids

    def of(self, headers: Sequence[Header]) -> list[Header]:
        """Those of the answer to a request with `headers`; the first is its id, the given one where it is safe."""
        given = next((value for name, value in headers if name == b"x-request-id"), None)
        common = [(b"x-request-id", self._ids.of(given)), self._state.predictor.digest_header]
        if self._state.draining:
            common.append(CLOSE)
        return common
