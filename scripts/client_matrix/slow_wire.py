"""A wire that takes its time, between a proxy and a service.

On one machine a proxy hears within microseconds that a service has closed a connection, and a race for an idle one is never
seen. Across a network the news takes as long as a packet, and a request that was sent meanwhile has no answer.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial

DELAY = 0.05  # seconds, one way


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes one way, then the end, as close or as reset."""
    loop = asyncio.get_running_loop()
    try:
        while data := await reader.read(65_536):
            loop.call_later(DELAY, writer.write, data)
    except ConnectionError:
        loop.call_later(DELAY, writer.transport.abort)
    else:
        loop.call_later(DELAY, writer.close)


async def _connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: int) -> None:
    """Lead a connection to `target`; it is cut where nobody listens there, and when the wire is taken away."""
    try:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(_carry(reader, far_writer), _carry(far_reader, writer))
    except (OSError, asyncio.CancelledError):
        writer.transport.abort()


async def _run(targets: Sequence[int], ports: Future[list[int]], ended: threading.Event) -> None:
    """Listen for each target on a free port until `ended`."""
    servers = [
        await asyncio.start_server(partial(_connected, target=target), "127.0.0.1", 0, backlog=1024)
        for target in targets
    ]
    ports.set_result([int(server.sockets[0].getsockname()[1]) for server in servers])
    await asyncio.to_thread(ended.wait)


@contextmanager
def slow_wires(*targets: int) -> Iterator[list[int]]:
    """The ports of wires to the ports of `targets`."""
    ports: Future[list[int]] = Future()
    ended = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_run(targets, ports, ended)), daemon=True)
    thread.start()
    try:
        yield ports.result(10.0)
    finally:
        ended.set()
        thread.join(10.0)
