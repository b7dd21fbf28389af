"""Error answers: a code, and where and why, without repeating any of the request; and the ids of requests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from os import urandom

import msgspec

JSON = b"application/json"
MAX_PROBLEMS = 20  # of one answer: a batch of a thousand rows can have a thousand times the same one
INVALID_REQUEST = "invalid-request"
UNSEEN_CATEGORY = "unseen-category"
Place = tuple[str | int, ...]
Header = tuple[bytes, bytes]


class Problem(msgspec.Struct, frozen=True):
    """One thing wrong: `loc` is where, from `body`, `header`, `query`, `path` or `method` on."""

    loc: Place
    msg: str


class ErrorAnswer(msgspec.Struct, frozen=True):
    """The body of every answer that is an error."""

    code: str
    detail: list[Problem]


class Refusal(Exception):  # noqa: N818  # an answer to the client, not a fault
    """Ends a request with `status`, and with `code` and `problems` as its body."""

    def __init__(self, status: int, code: str, problems: Sequence[Problem], headers: Sequence[Header] = ()) -> None:
        super().__init__(code)
        self.status, self.code, self.problems, self.headers = status, code, list(problems), list(headers)

    def body(self) -> bytes:
        """The refusal as JSON."""
        return msgspec.json.encode(ErrorAnswer(self.code, self.problems))


def refuse(status: int, code: str, loc: Place, msg: str, headers: Sequence[Header] = ()) -> Refusal:
    """A refusal for a single problem."""
    return Refusal(status, code, [Problem(loc, msg)], headers)


def not_found() -> Refusal:
    """The refusal of a path that there is not."""
    return refuse(404, "not-found", ("path",), "there is nothing at this path")


def body_too_large(max_bytes: int) -> Refusal:
    """The refusal of a body longer than `max_bytes` bytes."""
    return refuse(413, "body-too-large", ("body",), f"the body may have at most {max_bytes:,} bytes")


def method_not_allowed(methods: Sequence[str]) -> Refusal:
    """The refusal of a method, where a path takes `methods`."""
    allowed = ", ".join(methods)
    return refuse(
        405, "method-not-allowed", ("method",), f"this path takes {allowed}", [(b"allow", allowed.encode("ascii"))]
    )


# Answered and never raised: an exception that is raised again and again keeps the frames of each time, and with them the bodies.
FAILED = refuse(500, "internal-error", ("path",), "something went wrong here; it is in the service's log")
OVERLOADED = refuse(503, "overloaded", ("path",), "too many requests at a time; try again", [(b"retry-after", b"1")])
TOO_SLOW = refuse(408, "too-slow", ("path",), "the request did not arrive in time")
BAD_HTTP = refuse(400, "invalid-http", ("path",), "this is not HTTP/1.1")
BAD_HOST = refuse(400, "invalid-host", ("header", "host"), "HTTP/1.1 has the header Host once, with the host's name")
HEAD_TOO_LARGE = refuse(431, "head-too-large", ("header",), "the address and headers are too long, or too many")
SAFE_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


class RequestIds:
    """Made of a random beginning and a number: a tenth of the time of a UUID."""

    def __init__(self) -> None:
        self._prefix, self._made = urandom(8).hex().encode(), 0

    def of(self, given: bytes | None) -> bytes:
        """The id for a request whose header x-request-id is `given`."""
        if given is not None and SAFE_ID.fullmatch(given):
            return given
        self._made += 1
        return b"%s-%x" % (self._prefix, self._made)
