"""When a request to GitHub is sent again, and how long that may take."""

from __future__ import annotations

import json
import time
from typing import Any, Self, TypeAlias

from github import GithubException
from urllib3 import BaseHTTPResponse, Retry
from urllib3.exceptions import MaxRetryError

JsonObject: TypeAlias = dict[str, Any]  # an answer of GitHub's, of which only the message is read

ATTEMPTS = 5
# GitHub asks for a minute where it names no time: docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
UNNAMED_WAIT = 60.0
PATIENCE = 150.0
_LIMITED = frozenset({403, 429})
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "PATCH", "DELETE"})


class BoundedRetry(Retry):
    """Repeats what is safe to repeat, and gives up where GitHub asks for more patience than `patience` seconds in all.

    After a 5xx or a broken connection a POST is not repeated, since what it makes may exist: the caller looks again.
    A rate limit refuses a request before it did anything, so that every method is repeated after one.
    """

    def __init__(self, *, patience: float = PATIENCE, unnamed_wait: float = UNNAMED_WAIT, **options: Any) -> None:
        options.setdefault("total", ATTEMPTS)
        options.setdefault("backoff_factor", 0.5)
        options.setdefault("backoff_jitter", 0.5)  # jobs that failed at once do not come back at once
        options["raise_on_status"] = False
        options["allowed_methods"] = _REPEATABLE
        super().__init__(**options)
        self.patience = patience
        self.unnamed_wait = unnamed_wait
        self._next_wait: float | None = None

    def new(self, **changes: Any) -> Self:
        """A copy with `changes`, as urllib3 makes for every attempt."""
        return super().new(patience=self.patience, unnamed_wait=self.unnamed_wait, **changes)

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:
        """Whether an answer with this status may be followed by another attempt."""
        return status_code in _LIMITED or (status_code >= 500 and method.upper() in _REPEATABLE)

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        *rest: Any,
        **named: Any,
    ) -> Self:
        """The state after this attempt. Raises MaxRetryError where there is no further one."""
        limited = response is not None and response.status in _LIMITED
        # The body is read here, so that nothing is left for whoever comes later: an exception has to carry it.
        content = _json(response) if limited and response is not None else {}
        wait = _limit_wait(response, content, self.unnamed_wait) if limited and response is not None else None
        try:
            following = super().increment(method, url, response, *rest, **named)
        except MaxRetryError:
            if limited and response is not None:
                raise _refusal(response, content) from None
            raise
        following._next_wait = following.get_backoff_time() if wait is None else wait
        following.patience = self.patience - following._next_wait
        if following.patience < 0 and response is not None:
            raise _refusal(response, content)
        return following

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        """Wait for as long as `increment` found."""
        time.sleep(self._next_wait or 0.0)


def _limit_wait(response: BaseHTTPResponse, content: JsonObject, unnamed_wait: float) -> float:
    """Seconds that a rate limit asks for. Raises GithubException where the answer is a plain refusal."""
    named = response.headers.get("Retry-After", "")
    if named.isdigit():
        return float(named)
    reset = response.headers.get("X-RateLimit-Reset", "")
    if response.headers.get("X-RateLimit-Remaining") == "0" and reset.isdigit():
        return max(0.0, float(reset) - time.time()) + 1.0
    if response.status == 429 or "rate limit" in str(content.get("message", "")).lower():
        return unnamed_wait
    raise _refusal(response, content)


def _refusal(response: BaseHTTPResponse, content: JsonObject) -> GithubException:
    return GithubException(response.status, content, dict(response.headers))


def _json(response: BaseHTTPResponse) -> JsonObject:
    try:
        content = json.loads(response.read(decode_content=True))
    except (ValueError, OSError):
        return {}
    return content if isinstance(content, dict) else {}
