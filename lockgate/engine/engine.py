"""What an engine is to those who have work for it, and the one that needs nothing but this process.

A table comes in parts, each part gives sums, and the sums are added in the order of the parts: so what comes out depends neither on
how many workers there are nor on who is done first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from distributed import Client

Item = TypeVar("Item")
Made = TypeVar("Made")


class Engine(Protocol):
    """Does the same to each of many items."""

    @property
    def workers(self) -> int:
        """How many items are worked on at a time."""

    @property
    def client(self) -> Client | None:
        """Dask's own client, for a library that trains through it; None where the engine is this process."""

    def map(self, function: Callable[[Item], Made], items: Iterable[Item]) -> Iterator[Made]:
        """`function(item)` of each item, in the order of the items, a few ahead of whoever takes them.

        The function (one of a module, or a `functools.partial` of it), the items and what it makes travel between processes
        where the engine has some: they pickle, and what it makes is small, such as counts or the name of a file that it wrote.
        What the function raises is raised when its turn comes.
        """


class LocalEngine:
    """Threads of this process: reading and counting let go of the interpreter's lock."""

    client = None

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers

    def map(self, function: Callable[[Item], Made], items: Iterable[Item]) -> Iterator[Made]:
        """As `Engine.map`."""
        if self.workers == 1:
            yield from map(function, items)
            return
        with ThreadPoolExecutor(self.workers, thread_name_prefix="lockgate-engine") as pool:
            running: deque[Future[Made]] = deque()
            try:
                for item in items:
                    running.append(pool.submit(function, item))
                    if len(running) > self.workers:
                        yield running.popleft().result()
                while running:
                    yield running.popleft().result()
            finally:
                for future in running:
                    future.cancel()
