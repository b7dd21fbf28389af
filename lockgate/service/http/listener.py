"""Opening a listener, accepting a worker's share of the connections, and closing without resetting one that was just made."""

from __future__ import annotations

import asyncio
import ctypes
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count

from lockgate.config.errors import InputError
from lockgate.service.log import log_event
from lockgate.service.metrics.counters import ServiceMetrics

BACKLOG = 2048
MAX_ACCEPTED = 16  # in a turn of the loop
MIN_LEAD = 2  # connections that a worker may have more than the one with the fewest,
LEAD = 0.1  # or this share more
DEFERRAL_SECONDS = 0.001
MAX_DEFERRALS = 20  # one after the other: a worker that is busy for long delays no client further
SECONDS_WITHOUT_FILES = 1.0  # until a worker that may open no further file tries again
SO_ATTACH_FILTER = 26  # Linux; the module socket has no name for it


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction)))


def open_listener(host: str, port: int, option: str = "--port") -> socket.socket:
    """A socket that listens on `host` and `port`, which `option` gives; InputError where it cannot."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        raise InputError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; choose another {option}"
        ) from None
    return listener


def refuse_new_connections(listener: socket.socket) -> None:
    """Let the kernel drop new connections from now on, without touching those that are made already.

    Closing a listener resets the connections that wait to be accepted, and one can always come in between the last
    `accept` and `close`. A filter that drops every packet prevents that: a client sends its first packet again a second
    later, and finds the port closed. Where the kernel has no filters, that moment stays open.
    """
    drop = _Instruction(0x06, 0, 0, 0)  # return 0: keep no byte of the packet
    program = _Program(1, ctypes.pointer(drop))
    try:
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, bytes(program))
    except OSError:
        return


def accept_waiting(listener: socket.socket, limit: int | None = None) -> Iterator[socket.socket]:
    """Accept the connections that wait, at most `limit` of them; OSError where this process may open no further file."""
    listener.setblocking(False)
    for _ in count() if limit is None else range(limit):
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return
        except ConnectionError:
            continue  # the client has gone
        connection.setblocking(False)
        yield connection


class Acceptor:
    """Accepts connections on a listener that the workers share: as many as keep them about equally loaded.

    The first worker that wakes would take all that wait. So one with a lead over the worker with the fewest connections looks
    away for a moment, and the others, which wake for the same connections, take them.
    """

    def __init__(
        self, listener: socket.socket, protocol: Callable[[], asyncio.BaseProtocol], metrics: ServiceMetrics
    ) -> None:
        self._listener, self._protocol, self._metrics = listener, protocol, metrics
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[object]] = set()
        self._stopped = False
        self._deferrals = 0
        self._deferred = 0.0  # the loop's time
        listener.setblocking(False)
        self._listen()

    def close(self) -> None:
        """Accept no more."""
        self._stop()
        self._listener.close()

    async def accept_the_last(self) -> None:
        """Let no further connection be made, and accept all that wait."""
        self._stop()
        refuse_new_connections(self._listener)
        with suppress(OSError):
            for connection in accept_waiting(self._listener):
                self._take(connection)
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _stop(self) -> None:
        self._stopped = True
        self._loop.remove_reader(self._listener)

    def _listen(self) -> None:
        if not self._stopped:
            self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        """Accept several: under load the turns of the loop are long."""
        room = self._room()
        if room <= 0 and self._defer():
            return
        try:
            for connection in accept_waiting(self._listener, min(MAX_ACCEPTED, room) if room > 0 else MAX_ACCEPTED):
                self._take(connection)
        except OSError as error:
            log_event("cannot-accept", level="error", message=f"{error.strerror}; connections wait")
            self._look_away(SECONDS_WITHOUT_FILES)

    def _room(self) -> int:
        """How many connections this worker may take now."""
        own, fewest = self._metrics.connections_beside_others()
        return MAX_ACCEPTED if fewest is None else int(fewest + max(MIN_LEAD, LEAD * fewest) - own)

    def _defer(self) -> bool:
        """Look away for a moment; False where that has been too often."""
        now = self._loop.time()
        if now - self._deferred > MAX_DEFERRALS * DEFERRAL_SECONDS:
            self._deferrals = 0  # that was for others
        if self._deferrals == MAX_DEFERRALS:
            return False
        self._deferred = now
        self._deferrals += 1
        self._look_away(DEFERRAL_SECONDS)
        return True

    def _look_away(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener)
        self._loop.call_later(seconds, self._listen)

    def _take(self, connection: socket.socket) -> None:
        """Serve a connection; it counts from now on, so that the other workers see it, until its protocol has lost it."""
        self._metrics.connections(1)
        task = self._loop.create_task(self._loop.connect_accepted_socket(self._protocol, connection))
        self._tasks.add(task)
        task.add_done_callback(self._taken)

    def _taken(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or task.exception() is not None:
            self._metrics.connections(-1)
