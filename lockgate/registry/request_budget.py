"""How long MLflow may take and how much it may send: one budget of seconds and bytes for all requests of a command.

MLflow's own HTTP session has a timeout for each pause between two bytes and a number of retries for each request, so that a
server that sends a byte a second, or asks for an hour's patience, holds a command without end. Here all requests share one
budget: whatever is still open when its seconds are over is shut down, whichever thread reads it, and nothing more is asked.
Only the time in which MLflow is asked counts, not what happens between two questions, and only where it is asked over HTTP.

What it does not reach: object stores that MLflow asks through their own clients (s3, gs, …), and databases. Their clients'
timeouts hold, and the sizes that they announce are checked before anything is downloaded.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakSet


class RequestBudget:
    """`seconds` of waiting for MLflow and `max_bytes` of answers, for one command."""

    def __init__(self, seconds: float, max_bytes: int) -> None:
        self.seconds = seconds
        self.max_bytes = max_bytes
        self.exceeded: str | None = None  # what went beyond the budget, once something has
        self._left = seconds
        self._bytes = 0
        self._since: float | None = None
        self._has_asked = False  # over HTTP, which a database on this machine never does
        self._open: WeakSet[socket.socket] = WeakSet()

    @property
    def remaining(self) -> float:
        """The seconds that are left."""
        return self._left - (0.0 if self._since is None else time.monotonic() - self._since)

    @contextmanager
    def spending(self) -> Iterator[None]:
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
            if self.exceeded is not None:
                raise TimeoutError(self.exceeded)
        finally:
            clock.cancel()
            self._left, self._since = self.remaining, None

    def require_time(self) -> None:
        """Raises TimeoutError where no time is left for a request."""
        self._has_asked = True
        if self.remaining <= 0:
            self._out_of_time()
            raise TimeoutError(self.exceeded)

    def has_time_for(self, pause: float, asked_for: bool) -> bool:
        """Whether a pause fits into what is left; one that a server asked for, and that does not, ends all waiting."""
        fits = self.remaining > pause
        if asked_for and not fits:
            self.exceeded = f"it asks for a pause of {pause:,.0f} s, and {self.seconds:g} s is the limit for all of it"
        return fits

    def watch(self, connected: socket.socket) -> None:
        """Shut this connection down with the others."""
        self._open.add(connected)

    def require_room(self, size: int) -> None:
        """Raises OSError where an answer of `size` bytes is beyond the limit."""
        if self._bytes + size > self.max_bytes:
            self.exceeded = f"it sent more than {self.max_bytes:,} bytes, the limit for all of it"
            raise OSError(self.exceeded)

    def count(self, size: int) -> None:
        """Count bytes of an answer; raises OSError beyond the limit."""
        self.require_room(size)
        self._bytes += size

    def _out_of_time(self) -> None:
        self.exceeded = (
            self.exceeded or f"it was waited for {self.seconds:g} s in all (LOCKGATE_MLFLOW_SECONDS sets the limit)"
        )

    def _end(self) -> None:
        if not self._has_asked:
            return
        self._out_of_time()
        for connected in list(self._open):
            try:
                # Of the plain socket below TLS: a reader in another thread wakes up and finds the end.
                socket.socket.shutdown(connected, socket.SHUT_RDWR)
            except OSError:
                continue  # closed already
