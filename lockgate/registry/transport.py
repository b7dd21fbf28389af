"""How long MLflow may take and how much it may send: one budget of seconds and bytes for a command's whole conversation.

MLflow's own HTTP session has a timeout for each pause between two bytes and a number of retries for each request, so that a
server that sends a byte a second, or asks for an hour's patience, holds a command without end. Here all requests share one
`Conversation`: whatever is still open when its seconds are over is shut down, whichever thread reads it, and nothing is
asked again. Only the time in which MLflow is asked counts, not what happens between two questions.

What it does not reach: object stores that MLflow asks through their own clients (s3, gs, …), and databases. Their clients'
timeouts hold, and the sizes that they announce are checked before anything is downloaded.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self
from weakref import WeakSet

import requests
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Retry
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import MaxRetryError

RETRIES = 3
PASSING = (408, 429, 500, 502, 503, 504)  # what a server says that may be well again in a moment


class Conversation:
    """`seconds` of waiting for MLflow and `most_bytes` of answers, for one command."""

    def __init__(self, seconds: float, most_bytes: int) -> None:
        self.seconds = seconds
        self.most_bytes = most_bytes
        self.excess: str | None = None  # what went beyond the budget, once something has
        self._left = seconds
        self._bytes = 0
        self._since: float | None = None
        self._open: WeakSet[socket.socket] = WeakSet()

    @property
    def remaining(self) -> float:
        """The seconds that are left."""
        return self._left - (0.0 if self._since is None else time.monotonic() - self._since)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Spends the budget while the block runs; once it is spent, every open connection is shut down.

        Raises TimeoutError then, if the block has not raised: an answer that was cut off may look like a short one.
        """
        if self._since is not None:  # inside another block, which counts
            yield
            return
        self._since = time.monotonic()
        clock = threading.Timer(max(0.0, self.remaining), self._end)
        clock.daemon = True
        clock.start()
        try:
            yield
            if self.excess is not None:
                raise TimeoutError(self.excess)
        finally:
            clock.cancel()
            self._left, self._since = self.remaining, None

    def require_time(self) -> None:
        """Raises TimeoutError where no time is left."""
        if self.remaining <= 0:
            self._out_of_time()
            raise TimeoutError(self.excess)

    def has_time_for(self, pause: float, asked_for: bool) -> bool:
        """Whether a pause fits into what is left; one that a server asked for, and that does not, ends the conversation."""
        fits = self.remaining > pause
        if asked_for and not fits:
            self.excess = f"it asks for a pause of {pause:,.0f} s, and {self.seconds:g} s is the limit for all of it"
        return fits

    def watch(self, connected: socket.socket) -> None:
        """Shut this connection down with the others."""
        self._open.add(connected)

    def require_room(self, size: int) -> None:
        """Raises OSError where an answer of `size` bytes is beyond the limit."""
        if self._bytes + size > self.most_bytes:
            self.excess = f"it sent more than {self.most_bytes:,} bytes, the limit for all of it"
            raise OSError(self.excess)

    def count(self, size: int) -> None:
        """Count bytes of an answer; raises OSError beyond the limit."""
        self.require_room(size)
        self._bytes += size

    def _out_of_time(self) -> None:
        self.excess = (
            self.excess or f"it was waited for {self.seconds:g} s in all (LOCKGATE_MLFLOW_SECONDS sets the limit)"
        )

    def _end(self) -> None:
        self._out_of_time()
        for connected in list(self._open):
            try:
                # Of the plain socket below TLS: a reader in another thread wakes up and finds the end.
                socket.socket.shutdown(connected, socket.SHUT_RDWR)
            except OSError:
                continue  # closed already


class _Retry(Retry):
    """Repeats what may pass after a pause with jitter, where the conversation has time for that pause."""

    def __init__(self, conversation: Conversation, **options: Any) -> None:
        super().__init__(**options)
        self.conversation = conversation

    def new(self, **changes: Any) -> Self:
        """A copy with `changes`, as urllib3 makes for every attempt."""
        return super().new(conversation=self.conversation, **changes)

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
        if not self.conversation.has_time_for(following._pause(response), asked_for=named_pause is not None):
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
    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        super().__init__(
            max_retries=_Retry(
                conversation,
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
        self.conversation.require_time()
        response = super().send(request, *rest, **named)
        announced = response.headers.get("Content-Length", "")
        self.conversation.require_room(int(announced) if announced.isdigit() else 0)
        response.raw.stream = _counted(response.raw.stream, self.conversation.count)
        return response

    def _watch(self, manager: PoolManager) -> None:
        conversation = self.conversation

        class Plain(HTTPConnection):
            def connect(self) -> None:
                super().connect()
                conversation.watch(self.sock)

        class Secure(HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                conversation.watch(self.sock)

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


def make_session(conversation: Conversation) -> requests.Session:
    """The HTTP session by which MLflow is asked within the limits of `conversation`."""
    session = requests.Session()
    adapter = _Adapter(conversation)
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter)
    return session
