"""The rule by which load is shed, on times that are made up; and the queue, which measures them."""

from __future__ import annotations

import asyncio
import heapq
import random
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from lockgate.service.http.request_queue import BURST, FEW, INTERVAL, REFUSALS_A_SECOND, LoadShedding, RequestQueue

TARGET, MAX = 0.005, 0.25
LATE = TARGET * 2

Asked = tuple[float, float, int]  # seconds since the one before arrived, seconds of waiting, how many are behind
requests = st.lists(st.tuples(st.floats(0.0, 0.1), st.floats(0.0, 0.4), st.integers(0, 40)), max_size=60)


def decisions(shedding: LoadShedding, asked: list[Asked], began: float = 1000.0) -> list[bool]:
    """Which of the requests are refused."""
    refused, arrived = [], began
    for gap, wait, behind in asked:
        arrived += gap
        refused.append(shedding.refuses(arrived, arrived + wait, behind))
    return refused


def overloaded() -> LoadShedding:
    """The rule, in front of a queue that stands."""
    shedding = LoadShedding(TARGET, MAX)
    assert decisions(shedding, [(0.02, LATE, 40)] * 7)[-1]
    return shedding


@given(requests, st.booleans())
def test_nobody_waits_longer_than_the_longest_wait(asked: list[Asked], stands: bool) -> None:
    for (_, wait, _), refused in zip(
        asked, decisions(overloaded() if stands else LoadShedding(TARGET, MAX), asked), strict=True
    ):
        assert refused or wait <= MAX + 1e-9


@given(requests, st.booleans())
def test_who_waited_no_longer_than_the_target_or_is_one_of_the_last_is_answered(
    asked: list[Asked], stands: bool
) -> None:
    for (_, wait, behind), refused in zip(
        asked, decisions(overloaded() if stands else LoadShedding(TARGET, MAX), asked), strict=True
    ):
        assert not (refused and wait < MAX - 1e-9 and (wait < TARGET - 1e-9 or behind < FEW))


@given(
    st.lists(
        st.tuples(st.floats(0.0, (BURST - MAX) / 60), st.floats(0.0, MAX - 1e-6), st.integers(0, 500)), max_size=59
    )
)
def test_a_burst_on_an_idle_service_is_answered_whole(asked: list[Asked]) -> None:
    shedding = overloaded()
    shedding.was_empty(1001.0, 1001.0 + INTERVAL)
    assert not any(decisions(shedding, asked, 1001.0 + INTERVAL))


@given(st.lists(st.floats(0.0, INTERVAL / 10), min_size=30, max_size=60).filter(lambda gaps: sum(gaps[1:]) > INTERVAL))
def test_once_all_were_late_for_a_while_the_late_are_refused(gaps: list[float]) -> None:
    refused = decisions(LoadShedding(TARGET, MAX), [(gap, LATE, 40) for gap in gaps])
    first = refused.index(True)
    assert all(refused[first:])
    assert sum(gaps[1 : first + 1]) >= INTERVAL - 1e-6
    assert sum(gaps[1:first]) < INTERVAL + 1e-6


@pytest.mark.parametrize("between", [(0.0, TARGET / 2, 40), (0.0, LATE, FEW - 1)], ids=["in time", "of the last"])
def test_one_that_was_not_late_begins_the_while_anew(between: Asked) -> None:
    asked = [(0.02, LATE, 40)] * 4 + [between] + [(0.02, LATE, 40)] * 5
    assert not any(decisions(LoadShedding(TARGET, MAX), asked))


def test_load_that_lasts_longer_than_a_burst_is_shed_on_a_service_that_was_idle() -> None:
    shedding = LoadShedding(TARGET, MAX)
    shedding.was_empty(0.0, 1000.0)
    refused = decisions(shedding, [(0.02, LATE, 40)] * 40)
    assert not any(refused[:23])
    assert all(refused[27:])


def test_moments_without_a_queue_end_the_shedding_when_they_add_up() -> None:
    shedding, now = overloaded(), 1001.0
    for _ in range(9):
        shedding.was_empty(now, now + INTERVAL / 10)
        now += INTERVAL / 10
        assert decisions(shedding, [(0.0, LATE, 40)], now) == [True]
    shedding.was_empty(now, now + INTERVAL / 10 + 1e-6)
    assert decisions(shedding, [(0.0, LATE, 40)], now + INTERVAL / 10) == [False]


def test_few_moments_without_a_queue_do_not_end_it_however_long_it_lasts() -> None:
    shedding = overloaded()
    for second in range(1001, 1100):
        shedding.was_empty(second, second + 0.04)
        assert decisions(shedding, [(0.0, LATE, 40)], second + 0.05) == [True]


def simulated(clients: int, pause: float = 0.0) -> tuple[float, float]:
    """Answers a second and the 99th percentile of their seconds, after the first second of clients that ask again at once.

    Each request takes 0.1 ms, refusing one 0.02 ms; `pause` is the longest of the service's, every 30 ms or so.
    """
    chance = random.Random(1)  # noqa: S311
    shedding, waiting = LoadShedding(TARGET, MAX), deque[float]()
    arrivals = [chance.random() * 0.005 for _ in range(clients)]
    heapq.heapify(arrivals)
    now = told = next_pause = 0.0
    seconds = []
    while now < 4.0:
        if not waiting and arrivals[0] > now:
            shedding.was_empty(now, arrivals[0])
            now = arrivals[0]
        while arrivals and arrivals[0] <= now:
            waiting.append(heapq.heappop(arrivals))
        arrived = waiting.popleft()
        if shedding.refuses(arrived, now, len(waiting)):
            now += 0.00002
            told = max(arrived + MAX / 2, told + 1 / REFUSALS_A_SECOND)
            heapq.heappush(arrivals, max(now, told))
        else:
            now += 0.0001 * chance.uniform(0.7, 1.3)
            seconds += [now - arrived] if now > 1.0 else []
            heapq.heappush(arrivals, now + 0.0003 * chance.uniform(0.5, 3.0))
        if pause and now > next_pause:
            now += pause * chance.random()
            next_pause = now + chance.expovariate(1 / 0.03)
    return len(seconds) / 3.0, sorted(seconds)[int(len(seconds) * 0.99)]


@pytest.mark.parametrize("pause", [0.0, 0.01, 0.03])
@pytest.mark.parametrize("times", [2, 10, 100])
def test_overload_neither_queues_nor_starves(times: int, pause: float) -> None:
    usual_rate, usual = simulated(32, pause)
    rate, accepted = simulated(32 * times, pause)
    assert accepted < 2 * max(usual, TARGET)
    assert rate > 0.8 * usual_rate


class Answering:
    """A connection whose requests are functions; it notes how long each had waited, and who was refused."""

    def __init__(self, transport: Any = None) -> None:
        self.transport = transport
        self.waits: dict[Callable[[], object], float] = {}
        self.refused: list[float] = []

    def answer(self, request: Callable[[], object], arrived: float) -> bool:
        self.waits[request] = time.perf_counter() - arrived
        return request() is None

    def shed(self, request: Callable[[], object], seconds: float) -> None:
        self.refused.append(seconds)


class NoSocket:
    """A transport of which the kernel knows nothing."""

    def get_extra_info(self, _: str) -> None: ...


def test_a_request_that_fails_stops_nobody_behind_it() -> None:
    async def run() -> list[str]:
        failures: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(repr(context["exception"])))
        queue, connection, answered = RequestQueue(LoadShedding(TARGET, MAX)), Answering(NoSocket()), asyncio.Event()
        queue.put(connection, lambda: 1 / 0)
        queue.put(connection, answered.set)
        await asyncio.wait_for(answered.wait(), 5.0)
        return failures

    assert asyncio.run(run()) == ["ZeroDivisionError('division by zero')"]


def test_the_queue_waits_for_a_task_to_take_its_first_step() -> None:
    async def run() -> list[str]:
        steps: list[str] = []
        queue, connection, done = RequestQueue(LoadShedding(TARGET, MAX)), Answering(NoSocket()), asyncio.Event()

        def start() -> bool:
            asyncio.get_running_loop().call_soon(steps.append, "task")
            return True

        queue.put(connection, start)
        queue.put(connection, lambda: steps.append("next"))
        queue.put(connection, done.set)
        await asyncio.wait_for(done.wait(), 5.0)
        return steps

    assert asyncio.run(run()) == ["task", "next"]


def test_refusals_are_told_one_after_the_other() -> None:
    async def run() -> list[float]:
        queue, connection, done = RequestQueue(LoadShedding(0.0, 0.0)), Answering(NoSocket()), asyncio.Event()
        for _ in range(50):
            queue.put(connection, done.set)
        await asyncio.sleep(0.05)
        return connection.refused

    told = asyncio.run(run())
    assert len(told) == 50
    assert told[-1] == pytest.approx(49 / REFUSALS_A_SECOND, abs=0.02)


def test_a_wait_is_counted_from_when_the_bytes_came_not_from_when_they_were_read() -> None:
    async def run() -> float:
        loop = asyncio.get_running_loop()
        queue, done = RequestQueue(LoadShedding(TARGET, 10.0)), asyncio.Event()
        served: list[Answering] = []

        class Protocol(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                self.connection = Answering(transport)

            def data_received(self, data: bytes) -> None:
                served.append(self.connection)
                queue.put(self.connection, done.set)

        with (
            socket.create_server(("127.0.0.1", 0)) as listener,
            socket.create_connection(listener.getsockname()) as client,
        ):
            accepted, _ = listener.accept()
            accepted.setblocking(False)
            transport, _ = await loop.connect_accepted_socket(Protocol, accepted)

            def keep_the_loop_busy() -> None:
                time.sleep(0.15)
                client.sendall(b"x")
                time.sleep(0.05)

            queue.put(Answering(NoSocket()), keep_the_loop_busy)
            await asyncio.wait_for(done.wait(), 5.0)
            transport.close()
        [wait] = served[0].waits.values()
        return wait

    assert 0.04 < uvloop.run(run()) < 0.14
