"""Closed-loop clients that look at every answer: how long it took, its status, and whether it is whole and right."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

import uvloop
from hardening._service import GoldenRequest

TOLERANCE = 1e-6
SETTLE_SECONDS = 20.0


@dataclass
class Seen:
    """What the clients of a round saw; latencies are in seconds, of answers with status 200."""

    latencies: list[float] = field(default_factory=list)
    last_answer: float = 0.0  # monotonic
    refused: int = 0  # 503 with Retry-After
    others: dict[int, int] = field(default_factory=dict)  # any other status
    wrong: int = 0  # another probability than its model's
    models: set[str] = field(default_factory=set)  # the digests of those that answered
    settled: float = 0.0  # seconds until all had their first answer
    lost: int = 0  # sent, and not answered as a whole

    def percentile(self, share: float) -> float:
        """Of the latencies; 0 where nothing was answered."""
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0

    @property
    def strange(self) -> int:
        """Answers that no client should see."""
        return self.wrong + self.lost + sum(self.others.values())


class Client(asyncio.Protocol):
    """One connection at a time, one request at a time, until told to stop; honours `Connection: close`."""

    def __init__(self, load: Load, number: int) -> None:
        self._load, self._numbers = load, count(number)
        self._received = bytearray()
        self._sent: GoldenRequest | None = None
        self._sent_at = 0.0
        self._answered = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = transport
        self._send()

    def _send(self) -> None:
        if self._load.stopped:
            self._transport.close()
            return
        requests = self._load.requests
        self._sent = requests[next(self._numbers) % len(requests)]
        self._received.clear()
        self._sent_at = time.monotonic()
        self._transport.write(self._sent.request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """A part of an answer; once it is complete, send the next request."""
        self._received += data
        head, blank, body = bytes(self._received).partition(b"\r\n\r\n")
        lowered = head.lower()
        if not blank or len(body) < int(lowered.partition(b"content-length:")[2].partition(b"\r\n")[0]):
            return
        self._count(int(head[9:12]), b"retry-after:" in lowered, body)
        self._sent = None
        if not self._answered:
            self._answered = True
            self._load.first_answer()
        if b"connection: close" in lowered:
            self._transport.close()
        else:
            self._send()

    def _count(self, status: int, has_retry_after: bool, body: bytes) -> None:
        seen, now = self._load.seen, time.monotonic()
        if status == 200 and self._sent is not None:
            seen.latencies.append(now - self._sent_at)
            seen.last_answer = now
            answer = json.loads(body)
            right = self._sent.probabilities.get(answer["model"], math.nan)
            seen.wrong += not abs(answer["probability"] - right) <= TOLERANCE
            seen.models.add(answer["model"])
        elif status == 503 and has_retry_after:
            seen.refused += 1
        else:
            seen.others[status] = seen.others.get(status, 0) + 1

    def connection_lost(self, exc: Exception | None) -> None:
        """A request without an answer is lost; connect again while that is wanted."""
        self._load.seen.lost += self._sent is not None
        self._sent = None
        self._load.closed(self)


class Load:
    """`connections` clients of 127.0.0.1:`port`, which send the requests in turn."""

    def __init__(self, port: int, requests: Sequence[GoldenRequest], connections: int) -> None:
        self.requests, self.seen = requests, Seen()
        self.stopped = self.keep_out = False
        self._port, self._connections = port, connections
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = 0
        self._all_closed = asyncio.Event()
        self._unanswered = connections
        self._all_answered = asyncio.Event()

    async def begin(self) -> None:
        """Connect everybody; a connection that is refused is not a request that was lost."""
        for number in range(self._connections):
            await self._connect(Client(self, number * 7))

    async def settle(self, patience: float) -> None:
        """Wait until everybody has had an answer, and forget how long those took."""
        start = time.monotonic()
        try:
            await asyncio.wait_for(self._all_answered.wait(), patience)
        except TimeoutError:
            self.seen.lost += self._unanswered
        self.seen.latencies.clear()
        self.seen.settled = time.monotonic() - start

    def first_answer(self) -> None:
        """One more client has had an answer."""
        self._unanswered -= 1
        if not self._unanswered:
            self._all_answered.set()

    async def _connect(self, client: Client) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", self._port)
            self._open += 1
        except OSError:
            self.keep_out = True

    def closed(self, client: Client) -> None:
        """A connection has ended: open another, unless the service is known to be going."""
        self._open -= 1
        if not self.stopped and not self.keep_out:
            task = asyncio.get_running_loop().create_task(self._connect(client))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif not self._open:
            self._all_closed.set()

    async def end(self, patience: float) -> None:
        """Let everybody take the answer that is due, and count who has none after `patience` seconds as lost."""
        self.stopped = True
        if self._open:
            try:
                await asyncio.wait_for(self._all_closed.wait(), patience)
            except TimeoutError:
                self.seen.lost += self._open


def load(port: int, requests: Sequence[GoldenRequest], connections: int, seconds: float, opening: float = 0.0) -> Seen:
    """One round of load, measured from `opening` seconds after everybody is connected and has had an answer."""

    async def round_() -> Seen:
        clients = Load(port, requests, connections)
        await clients.begin()
        await clients.settle(SETTLE_SECONDS)
        await asyncio.sleep(opening)
        clients.seen.latencies.clear()
        await asyncio.sleep(seconds)
        await clients.end(10.0)
        return clients.seen

    return uvloop.run(round_())
