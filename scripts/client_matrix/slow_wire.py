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


class _Wire:
    """Leads connections to `target`; they are cut where nobody listens there, and when the wire is taken away."""

    def __init__(self, target: int) -> None:
        self._target = target
        # The loop itself holds tasks, and streams their readers, only weakly.
        self._tasks: set[asyncio.Task[None] | None] = set()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry both ways until both have ended."""
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            await asyncio.gather(_carry(reader, far_writer), _carry(far_reader, writer))
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._tasks.discard(task)


async def _run(targets: Sequence[int], ports: Future[list[int]], ended: threading.Event) -> None:
    """Listen for each target on a free port until `ended`."""
    servers = [await asyncio.start_server(_Wire(target).connected, "127.0.0.1", 0, backlog=1024) for target in targets]
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
