"""Requests that all come at once to a service that has nothing to do: every one of them is answered, and soon."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Sequence
from math import inf

import uvloop
from hardening._service import GoldenRequest, golden_requests, running
from promises import Promises

LIMIT = 0.5
PATIENCE = 10.0
IDLE = 0.5


async def burst(port: int, requests: Sequence[GoldenRequest]) -> list[tuple[bytes, float]]:
    """Each request on a connection of its own, all at once: their statuses, and the seconds until each was there."""
    together = asyncio.Event()

    async def ask(one: GoldenRequest) -> tuple[bytes, float]:
        await together.wait()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(one.request)
        line = await asyncio.wait_for(reader.readline(), PATIENCE)
        seconds = time.monotonic() - started
        writer.close()
        return line[9:12], seconds

    tasks = [asyncio.ensure_future(ask(one)) for one in requests]
    await asyncio.sleep(0)
    started = time.monotonic()
    together.set()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    return [(b"", inf) if isinstance(one, BaseException) else one for one in ended]


def main() -> int:
    """Several bursts, each after a pause."""
    parser = argparse.ArgumentParser(prog="scripts/harden burst", description=__doc__)
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    promises = Promises()
    golden = golden_requests()
    asked = [golden[number % len(golden)] for number in range(given.requests)]
    with running() as service:
        rounds = []
        for _ in range(given.rounds):
            time.sleep(IDLE)
            rounds.append(uvloop.run(burst(service.port, asked)))
        shed = service.metric("lockgate_rejected_requests_total")
    answered = [sum(status == b"200" for status, _ in one) for one in rounds]
    whole = sum(one == given.requests for one in answered)
    promises.check(
        whole > given.rounds // 2,  # the machine itself can stand still for longer than a request may wait
        f"{given.requests} simultaneous requests are all answered, in most of {given.rounds} rounds",
        f"in {whole}, {min(answered)} at least, {shed:.0f} refused",
    )
    slowest = [max(seconds for _, seconds in one) for one in rounds]
    shown = ", ".join(f"{one:.2f}" for one in slowest)
    promises.check(statistics.median(slowest) < LIMIT, f"the median of the slowest is under {LIMIT:g} s", f"{shown} s")
    return promises.finish()


if __name__ == "__main__":
    sys.exit(main())
