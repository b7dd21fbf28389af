"""What a service does in a burst, beyond saturation and while it is scraped: clients in this process, or wrk beside them."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import uvloop
from benchmarks._serve_processes import Server
from hardening._load import SETTLE_SECONDS, Load
from hardening._service import GoldenRequest

PATIENCE = 10.0  # seconds for the answers to a burst
OPENING_SECONDS = 1.0  # of an overload, which are not measured


@dataclass(frozen=True)
class Burst:
    """How many of the requests that came at once were answered with 200, and after how many ms the last of these was."""

    answered: int
    slowest: float


def burst(server: Server, requests: Sequence[GoldenRequest], count: int) -> Burst:
    """That many requests at once, each on a connection of its own."""
    return uvloop.run(_burst(server.port, [requests[place % len(requests)].request for place in range(count)]))


async def _burst(port: int, requests: Sequence[bytes]) -> Burst:
    together = asyncio.Event()
    times: list[float] = []

    async def ask(request: bytes) -> None:
        await together.wait()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            status = await reader.readline()
            writer.close()
        except OSError:
            return
        if status.split()[1:2] == [b"200"]:
            times.append(time.perf_counter())

    tasks = [asyncio.create_task(ask(request)) for request in requests]
    await asyncio.sleep(0)
    started = time.perf_counter()
    together.set()
    _, late = await asyncio.wait(tasks, timeout=PATIENCE)
    for task in late:
        task.cancel()
    return Burst(len(times), 1e3 * (max(times, default=started + PATIENCE) - started))


@dataclass(frozen=True)
class Accepted:
    """Answers with 200 a second, the 99th percentile of their latencies in ms, and how many requests were refused."""

    rate: float
    p99: float
    refused: int


def saturate(server: Server, requests: Sequence[GoldenRequest], connections: int, seconds: float) -> Accepted:
    """Clients that ask again at once, whatever they are answered, measured from a second after all had their first answer."""

    async def round_() -> Accepted:
        load = Load(server.port, requests, connections)
        await load.begin()
        await load.settle(SETTLE_SECONDS)
        await asyncio.sleep(OPENING_SECONDS)
        load.seen.latencies.clear()
        load.seen.refused = 0
        await asyncio.sleep(seconds)
        answered = len(load.seen.latencies)
        found = Accepted(answered / seconds, 1e3 * load.seen.percentile(0.99), load.seen.refused)
        await load.end(PATIENCE)
        return found

    return uvloop.run(round_())


@contextmanager
def scraping(server: Server, core: int, clients: int, seconds: float) -> Iterator[None]:
    """That many clients who read /metrics without pause while the block runs, at most `seconds`."""
    address = f"http://127.0.0.1:{server.port}/metrics"
    command = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{clients}", f"-d{seconds:g}s", "--timeout", "10s", address]
    scrapers = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        scrapers.terminate()
        scrapers.wait()
