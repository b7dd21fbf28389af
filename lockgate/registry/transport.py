"""MLflow's HTTP session: requests are repeated where that helps, counted, and cut off where the budget ends."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Retry
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import MaxRetryError

from lockgate.config.request_budget import RequestBudget

RETRIES = 3
PASSING = (408, 429, 500, 502, 503, 504)  # what a server says that may be well again in a moment


class _Retry(Retry):
    """Repeats what may pass after a pause with jitter, where the budget has time for that pause."""

    def __init__(self, budget: RequestBudget, **options: Any) -> None:
        super().__init__(**options)
        self.budget = budget

    def new(self, **changes: Any) -> Self:
        """A copy with `changes`, as urllib3 makes for every attempt."""
        return super().new(budget=self.budget, **changes)

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        *rest: Any,
        **named: Any,
    ) -> Self:
        """The state after this attempt. Raises MaxRetryError where there is no further one."""
        following = super().increment(method, url, response, *rest, **named)
        named_pause = self.get_retry_after(response) if response is not None else None
        if not self.budget.has_time_for(following._pause(response), asked_for=named_pause is not None):
            # urllib3 hands on the answer that it has, or this with the error of the connection.
            raise MaxRetryError(None, url, named.get("error"))  # type: ignore[arg-type]
        return following

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        """Wait before the next attempt."""
        time.sleep(self._pause(response) + random.uniform(0, self.backoff_factor))  # noqa: S311

    def _pause(self, response: BaseHTTPResponse | None) -> float:
        named = self.get_retry_after(response) if response is not None else None
        return self.get_backoff_time() if named is None else named


class _Adapter(HTTPAdapter):
    def __init__(self, budget: RequestBudget) -> None:
        self.budget = budget
        super().__init__(
            max_retries=_Retry(
                budget,
                total=RETRIES,
                backoff_factor=0.5,
                status_forcelist=PASSING,
                allowed_methods=None,
                raise_on_status=False,  # what the server said is then in the error
            )
        )

    def init_poolmanager(self, *sizes: Any, **options: Any) -> None:
        """Pools whose connections are watched."""
        super().init_poolmanager(*sizes, **options)
        self._watch(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """The same behind a proxy."""
        manager = super().proxy_manager_for(proxy, **options)
        self._watch(manager)
        return manager

    def send(self, request: requests.PreparedRequest, *rest: Any, **named: Any) -> requests.Response:
        """Send where there is time left, and count what comes back."""
        self.budget.require_time()
        response = super().send(request, *rest, **named)
        announced = response.headers.get("Content-Length", "")
        self.budget.require_room(int(announced) if announced.isdigit() else 0)
        response.raw.stream = _counted(response.raw.stream, self.budget.count)
        return response

    def _watch(self, manager: PoolManager) -> None:
        budget = self.budget

        class Plain(HTTPConnection):
            def connect(self) -> None:
                super().connect()
                budget.watch(self.sock)

        class Secure(HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                budget.watch(self.sock)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        manager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}


def _counted(stream: Callable[..., Iterator[bytes]], count: Callable[[int], None]) -> Callable[..., Iterator[bytes]]:
    def counted(*arguments: Any, **options: Any) -> Iterator[bytes]:
        for chunk in stream(*arguments, **options):
            count(len(chunk))
            yield chunk

    return counted


def make_session(budget: RequestBudget) -> requests.Session:
    """The HTTP session by which MLflow is asked within the limits of `budget`."""
    session = requests.Session()
    adapter = _Adapter(budget)
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter)
    return session
