"""SIGTERM under load, many times over: /ready says so first, and every request that was sent is answered.

The clients are like a load balancer's: they keep connections open, honour `Connection: close`, and open no new ones once
/ready has said 503. A poller asks /ready on a new connection every few milliseconds, as health checks do.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import time
from dataclasses import dataclass

import uvloop
from hardening._load import Load
from hardening._service import GoldenRequest, Service, end, golden_requests, start, wait_until_ready
from promises import Promises

CLIENTS = 8
DRAIN, GRACE = 0.4, 5.0
HEARD = 0.05  # seconds until a balancer acts on it, in which it sends more
POLL = 0.005
EXIT = DRAIN + GRACE + 1.0
READY = b"GET /ready HTTP/1.1\r\nhost: lockgate\r\nconnection: close\r\n\r\n"


@dataclass(frozen=True)
class Try:
    """One SIGTERM; times are seconds after it."""

    lost: int
    strange: int
    answers_after: bool
    not_ready: float
    refused: float
    ended: float
    code: int


class Poller:
    """When /ready first said 503, and when a connection was first refused."""

    def __init__(self, port: int, clients: Load) -> None:
        self._port, self._clients = port, clients
        self.not_ready = self.refused = 0.0

    async def run(self) -> None:
        """Ask until a connection is refused."""
        while not self.refused:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                self.refused = time.monotonic()
                break
            writer.write(READY)
            try:
                answer = await asyncio.wait_for(reader.read(), 5.0)
            except OSError:
                answer = b""
            writer.close()
            if answer.startswith(b"HTTP/1.1 503") and not self.not_ready:
                self.not_ready = time.monotonic()
                await asyncio.sleep(HEARD)
                self._clients.keep_out = True
            await asyncio.sleep(POLL)


async def one_try(service: Service, asked: list[GoldenRequest], delay: float) -> Try:
    """Load a service, end it after `delay` seconds, and see what became of everybody."""
    clients = Load(service.port, asked, CLIENTS)
    await clients.begin()
    poller = Poller(service.port, clients)
    polling = asyncio.create_task(poller.run())
    await asyncio.sleep(delay)
    told = time.monotonic()
    service.terminate()
    code = await asyncio.to_thread(service.process.wait, EXIT + 20.0)
    ended = time.monotonic()
    await polling
    await clients.end(2.0)
    return Try(
        lost=clients.seen.lost,
        strange=clients.seen.strange - clients.seen.lost,
        answers_after=clients.seen.last_answer > poller.not_ready > told,
        not_ready=poller.not_ready - told,
        refused=poller.refused - told,
        ended=ended - told,
        code=code,
    )


def all_tries(number: int, options: tuple[str, ...]) -> list[Try]:
    """Each with a service of its own; the next one starts while the last one drains."""
    asked, chance = golden_requests(), random.Random(7)  # noqa: S311  # moments, not secrets
    arguments = ("--drain-seconds", str(DRAIN), "--grace-seconds", str(GRACE), *options)
    following, tries = start(*arguments), []
    try:
        for left in range(number - 1, -1, -1):
            service = following
            try:
                wait_until_ready(service)
                following = start(*arguments) if left else service
                tries.append(uvloop.run(one_try(service, asked, chance.uniform(0.05, 0.3))))
            finally:
                end(service)
    finally:
        end(following)
    return tries


def report(tries: list[Try], kind: str, promises: Promises) -> None:
    """The promises over all tries."""
    lost, strange = sum(one.lost for one in tries), sum(one.strange for one in tries)
    promises.check(lost == 0, f"SIGTERM under load loses no request ({kind})", f"{lost} lost in {len(tries)} tries")
    promises.check(strange == 0, "what is answered meanwhile is right", f"{strange} wrong or refused")
    first = sum(0.0 < one.not_ready < one.refused for one in tries)
    promises.check(
        first == len(tries),
        "/ready says so before connections are refused",
        f"{first} of {len(tries)}, after {statistics.median(one.not_ready for one in tries) * 1e3:.0f} ms (median),"
        f" refused after {statistics.median(one.refused for one in tries) * 1e3:.0f} ms",
    )
    after = sum(one.answers_after for one in tries)
    promises.check(after == len(tries), "requests are answered after it said so", f"in {after} of {len(tries)}")
    good = sum(one.code == 0 and one.ended < EXIT for one in tries)
    promises.check(
        good == len(tries),
        f"it ends within {EXIT:g} s with 0",
        f"{good} of {len(tries)}, slowest {max(one.ended for one in tries):.1f} s",
    )


def main() -> int:
    """One worker, and a few times two."""
    parser = argparse.ArgumentParser(prog="scripts/harden drain", description=__doc__)
    parser.add_argument("--tries", type=int, default=100)
    parser.add_argument("--tries-of-two", type=int, default=10, help="with two workers")
    given = parser.parse_args()
    promises = Promises()
    report(all_tries(given.tries, ()), "one worker", promises)
    report(all_tries(given.tries_of_two, ("--workers", "2")), "two workers", promises)
    return promises.finish()


if __name__ == "__main__":
    sys.exit(main())
