"""How long MLflow may take and how much it may send: one budget of seconds and bytes for all that a command asks.

MLflow's own HTTP session has a timeout for each pause between two bytes and a number of retries for each request, so that a
server that sends a byte a second, or asks for an hour's patience, holds a command without end. Databases and object stores (s3,
gs, ...) are asked by clients of their own, some of which never give up. Here all of it shares one budget, of which only the time
counts in which MLflow is asked. When its seconds are over,

1. open connections of the HTTP session are shut down, whichever thread reads them, and nothing more is asked by it;
2. the thread that asks, if it is the main one, is interrupted, whatever it waits for in Python;
3. a client that waits in C, or that does not let itself be interrupted, ends with the process, where that is a command: nothing of
   ours is half written then, since files are put in place whole, and a run that never ended is marked by the next command.
"""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn
from weakref import WeakSet

GRACE_SECONDS = 3.0  # for the clients to end by themselves once the time is over

_end_command: Callable[[str], NoReturn] | None = None
_is_over = False


def end_commands_by(end_command: Callable[[str], NoReturn]) -> None:
    """End this process, which is a command, with its last line by `end_command`, where a client cannot be interrupted."""
    global _end_command
    _end_command = end_command


def clients_may_hang() -> bool:
    """Whether threads of a client that was given up may hold the process at its end."""
    return _is_over


class _OutOfTimeError(BaseException):
    """The time is over. No Exception, which clients take for an answer that they may ask for again."""


class RequestBudget:
    """`seconds` of waiting for MLflow and `max_bytes` of answers, for one command."""

    def __init__(self, seconds: float, max_bytes: int) -> None:
        self.seconds = seconds
        self.max_bytes = max_bytes
        self.exceeded: str | None = None  # what went beyond the budget, once something has
        self._left = seconds
        self._bytes = 0
        self._since: float | None = None
        self._lock = threading.Lock()
        self._can_be_interrupted = False
        self._open: WeakSet[socket.socket] = WeakSet()

    @property
    def remaining(self) -> float:
        """The seconds that are left."""
        return self._left - (0.0 if self._since is None else time.monotonic() - self._since)

    @contextmanager
    def spending(self, in_words: Callable[[str], str] = str) -> Iterator[None]:
        """Spends the budget while the block runs; once it is spent, the block is ended as the module says.

        Raises TimeoutError then, even if the block has not raised: an answer that was cut off may look like a short one.
        `in_words` makes the last line of a command of what went beyond the budget.
        """
        if self._since is not None:  # inside another block, which counts
            yield
            return
        self._since = time.monotonic()
        left = max(0.0, self.remaining)
        clocks = [
            threading.Timer(left, self._end),
            threading.Timer(left + GRACE_SECONDS, lambda: self._end_process(in_words)),
        ]
        for clock in clocks:
            clock.daemon = True
        try:
            with self._interruptible():
                for clock in clocks:
                    clock.start()
                yield
            if self.exceeded is not None:
                raise TimeoutError(self.exceeded)
        except _OutOfTimeError:
            raise TimeoutError(self.exceeded) from None
        finally:
            for clock in clocks:
                clock.cancel()
            self._left, self._since = self.remaining, None

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Inside, the main thread can be interrupted; another thread, which nobody can interrupt, is only waited for.

        Windows has no signal for it: there a client that waits ends with the process alone.
        """
        if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
            yield
            return

        def interrupt(_number: int, _frame: FrameType | None) -> None:
            raise _OutOfTimeError

        before = signal.signal(signal.SIGALRM, interrupt)
        self._can_be_interrupted = True
        try:
            yield
        finally:
            with self._lock:
                self._can_be_interrupted = False
            signal.signal(signal.SIGALRM, before)

    def require_time(self) -> None:
        """Raises TimeoutError where no time is left for a request."""
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
        global _is_over
        self._out_of_time()
        _is_over = True
        for connected in list(self._open):
            try:
                # Of the plain socket below TLS: a reader in another thread wakes up and finds the end.
                socket.socket.shutdown(connected, socket.SHUT_RDWR)
            except OSError:
                continue  # closed already
        with self._lock:
            if self._can_be_interrupted:
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)

    def _end_process(self, in_words: Callable[[str], str]) -> None:
        if _end_command is not None:
            _end_command(in_words(self.exceeded or ""))
