"""The service's own paths answered without ASGI: headers and a whole body in, status, headers and a body out.

Whoever has read a request calls this: the protocol for what arrives on its socket, the ASGI middleware for any other
server. Neither adds anything but its own way of writing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from app.endpoints import Answer, Endpoint
from app.refusals import JSON, Refusal, body_too_large, refuse
from app.request_ids import RequestIds
from app.state import State

Header = tuple[bytes, bytes]

CLOSE = (b"connection", b"close")
FAILED = refuse(500, "internal-error", ("path",), "something went wrong here; it is in the service's log")
ACCEPT = [(b"accept-post", JSON)]
ACCEPT_PLAIN = [(b"accept-encoding", b"identity")]
logger = logging.getLogger("lockgate")


class Lean:
    """Endpoints by path, and what is the same in all their answers."""

    def __init__(
        self, endpoints: dict[str, Endpoint], state: State, digest: str, ids: RequestIds, max_body: int
    ) -> None:
        self.endpoints = endpoints
        self.max_body = max_body
        self._state = state
        self._digest = (b"x-model-digest", digest.encode())
        self._ids = ids

    def own_headers(self, headers: Sequence[Header]) -> list[Header]:
        """What every answer carries: the request's id (its own where that is safe) and the model's digest."""
        given = next((value for name, value in headers if name == b"x-request-id"), None)
        own = [(b"x-request-id", self._ids.of(given)), self._digest]
        if self._state.draining:
            own.append(CLOSE)
        return own

    def answer(
        self, endpoint: Endpoint, method: str, query: bytes, headers: Sequence[Header], body: bytes, own: list[Header]
    ) -> tuple[int, list[Header], bytes]:
        """Status, headers and body of the answer to a whole request; `own` is from `own_headers`."""
        try:
            if method != endpoint.method:
                allow = [(b"allow", endpoint.method.encode())]
                raise refuse(405, "method-not-allowed", ("method",), f"this path takes {endpoint.method}", allow)
            if endpoint.takes_body:
                self._require_json(headers, len(body))
            answer = endpoint.answer(body, own[0][1].decode(), query)
        except Refusal as refusal:
            answer = Answer(refusal.body(), refusal.status)
            own = own + refusal.headers
        except Exception:
            logger.exception("request %s failed", own[0][1].decode())
            answer = Answer(FAILED.body(), FAILED.status)
        length = (b"content-length", b"%d" % len(answer.body))
        return answer.status, [(b"content-type", answer.content_type), length, *own], answer.body

    def _require_json(self, headers: Sequence[Header], length: int) -> None:
        kind = encoding = b""
        for name, value in headers:
            if name == b"content-type":
                kind = value
            elif name == b"content-encoding":
                encoding = value
        if kind != JSON and not _is_json(kind):
            raise refuse(
                415, "unsupported-media-type", ("header", "content-type"), "send application/json in UTF-8", ACCEPT
            )
        if encoding and encoding.strip().lower() != b"identity":
            raise refuse(
                415, "unsupported-encoding", ("header", "content-encoding"), "send the body uncompressed", ACCEPT_PLAIN
            )
        if length > self.max_body:
            raise body_too_large(self.max_body)


def _is_json(content_type: bytes) -> bool:
    kind, *parameters = [part.strip().lower() for part in content_type.split(b";")]
    return kind == JSON and all(one in (b"", b"charset=utf-8", b'charset="utf-8"') for one in parameters)
