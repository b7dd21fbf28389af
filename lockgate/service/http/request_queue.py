"""The queue between the connections and the answers, and the rule by which requests are refused before it stands."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections import deque
from math import inf
from time import perf_counter
from typing import Any, NamedTuple, Protocol

INTERVAL = 0.1  # seconds over which requests have arrived and were all late: the queue stands
BURST = 0.5  # seconds from the first request to an idle service, in which all that come are a burst
SPARE = 0.05  # share of the time without a queue that a service may have which cannot do all that it is asked
FEW = 8  # requests behind one are no queue, however long each takes
SLICE = 0.001  # seconds of answering between two looks at the sockets
REFUSALS_A_SECOND = 1000  # each takes about 50 us: who tries again at once may not cost a core
LONG_TURN = 0.005  # seconds; the kernel knows to 4 ms when bytes came in it
TCP_INFO_RECEIVED = slice(52, 56)  # tcpi_last_data_recv of Linux's struct tcp_info: milliseconds


class LoadShedding:
    """Which requests are refused, so that a burst is answered whole and lasting overload does not queue.

    A burst makes a queue that drains, overload one that stands; the shortest wait in a while tells them apart (CoDel,
    RFC 8289, https://www.rfc-editor.org/rfc/rfc8289). Where a network drops single packets until senders slow down, a
    service refuses whatever has waited over the target (Maurer, Fail at Scale, ACM Queue 13:8, 2015,
    https://queue.acm.org/detail.cfm?id=2839461). A request is late that has waited over `target_wait` and leaves at least
    `FEW` behind it: like CoDel's last packet, the few last are answered, however long they have waited. So somebody is always
    answered, the youngest first to be spared, and a few clients of large batches are no overload.

    The queue stands once every request of the last `INTERVAL` was late; from then on late ones are refused. Refusing empties
    it, if for a moment, which says nothing. So it is short again once the service has had time left: it has been empty for
    `INTERVAL` in all, beyond a share of `SPARE`. A service that was idle for an `INTERVAL` takes what comes within `BURST` for
    a burst: clients take their time to send one.

    Times are in seconds, of any one clock.
    """

    def __init__(self, target_wait: float, max_wait: float) -> None:
        self.target_wait, self.max_wait = target_wait, max_wait
        self._stands = False
        self._late_since = inf  # arrival of the first of those that were all late
        self._left = 0.0  # seconds without a queue beyond the share,
        self._left_at = 0.0  # until then
        self._burst_end = -inf

    def was_empty(self, since: float, until: float) -> None:
        """Nothing has waited in this time; to be called before the next request."""
        self._late_since = inf
        self._left = max(0.0, self._left - SPARE * (since - self._left_at)) + until - since
        self._left_at = until
        if self._left >= INTERVAL:
            self._stands = False
        if until - since >= INTERVAL:
            self._burst_end = until + BURST

    def refuses(self, arrived: float, now: float, behind: int) -> bool:
        """Whether the first request in the queue is refused, which `arrived` then, and has so many behind it."""
        wait = now - arrived
        late = wait > self.target_wait and behind >= FEW
        self._late_since = min(self._late_since, arrived) if late else inf
        if arrived - self._late_since >= INTERVAL and now >= self._burst_end:
            self._stands, self._left, self._left_at = True, 0.0, now
        return wait > self.max_wait or (late and self._stands)


class QueuedConnection(Protocol):
    """What has sent a request."""

    transport: asyncio.Transport

    def answer(self, request: Any, arrived: float) -> bool:
        """Answer the request now, or start a task that does, which is False."""

    def shed(self, request: Any, seconds: float) -> None:
        """Refuse the request, in so many seconds."""


class Waiting(NamedTuple):
    """A request in the queue."""

    connection: QueuedConnection
    request: Any
    arrived: float


class RequestQueue:
    """The whole requests of all connections, answered in the order in which they were read.

    Between two slices of answering the loop looks at its sockets, so requests wait here, where that is measured, and not in
    the kernel. A request counts as arrived when the loop looked the last time before it was read, unless the loop was idle:
    it may have come just after that. Where that was long ago, because one answer took long, the kernel says when it came.

    For uvloop, which runs what is due before it looks at the sockets: `_work` therefore sees all that they had.
    """

    def __init__(self, shedding: LoadShedding) -> None:
        self._shedding = shedding
        self._waiting: deque[Waiting] = deque()
        self._working = False
        self._empty_since = self._last_refusal = 0.0
        self._looked = self._looked_before = 0.0

    def put(self, connection: QueuedConnection, request: Any) -> None:
        """Take a request that has just been read."""
        if not self._working:
            self._working = True
            self._looked = self._looked_before = perf_counter()
            self._shedding.was_empty(self._empty_since, self._looked)
            asyncio.get_running_loop().call_soon(self._work)
        arrived = self._looked_before
        if self._looked - arrived > LONG_TURN:
            arrived = max(arrived, perf_counter() - seconds_since_data(connection.transport))
        self._waiting.append(Waiting(connection, request, arrived))

    def _work(self) -> None:
        if not self._waiting:
            self._working = False
            self._empty_since = perf_counter()
            return
        self._looked_before = self._looked
        now = perf_counter()
        end = now + SLICE
        try:
            while self._waiting and now < end:
                connection, request, arrived = self._waiting.popleft()
                if self._shedding.refuses(arrived, now, len(self._waiting)):
                    # One after the other, and none at once, so that clients do not try again all together.
                    at = max(arrived + self._shedding.max_wait / 2, self._last_refusal + 1 / REFUSALS_A_SECOND)
                    self._last_refusal = at
                    connection.shed(request, max(0.0, at - now))
                elif not connection.answer(request, arrived):
                    break  # its task comes next
                now = perf_counter()
        finally:
            self._looked = perf_counter()
            asyncio.get_running_loop().call_soon(self._work)


def seconds_since_data(transport: asyncio.Transport) -> float:
    """Since the client's last bytes came, as the kernel knows; infinite where it does not."""
    connection = transport.get_extra_info("socket")
    if connection is None or not hasattr(socket, "TCP_INFO"):
        return inf
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_RECEIVED.stop)
    return int.from_bytes(info[TCP_INFO_RECEIVED], sys.byteorder) / 1000
