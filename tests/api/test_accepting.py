"""Which worker accepts a connection, where several share a listener."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from serving import Server, read_answer, request

HEALTH = request("GET", "/health")
LISTENS = "0A"  # in /proc/net/tcp


@pytest.fixture(scope="module", params=[2, pytest.param(3, marks=pytest.mark.full), 4])
def workers(
    request: pytest.FixtureRequest, trained_project: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server with two, three or four workers."""
    server = Server(trained_project, ("--workers", str(request.param)), tmp_path_factory.mktemp("workers") / "log")
    yield server
    server.kill()


def connections_of(server: Server) -> list[int]:
    """How many connections each worker has, in ascending order."""
    port = f":{server.address[1]:04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    connected = {f"socket:[{line[9]}]" for line in lines if line[1].endswith(port) and line[3] != LISTENS}
    counts = []
    for worker in server.workers():
        links = set()
        for link in Path(f"/proc/{worker}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                links.add(os.readlink(link))
        counts.append(len(connected & links))
    return sorted(counts)


def shares(server: Server, number: int, *, at_once: bool) -> list[int]:
    """How many of `number` connections each worker accepts; each of them is answered."""
    deadline = time.monotonic() + 20.0
    while any(connections_of(server)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with ExitStack() as stack:
        connections = []
        for _ in range(number):
            connections.append(stack.enter_context(server.connect()))
            connections[-1].sendall(HEALTH)
            if not at_once:
                assert read_answer(connections[-1])[0] == 200
        if at_once:
            assert [read_answer(connection)[0] for connection in connections] == [200] * number
        return connections_of(server)


@pytest.mark.parametrize("number", [16, pytest.param(40, marks=pytest.mark.full), 500])
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one by one"])
def test_connections_are_spread_over_the_workers(workers: Server, number: int, at_once: bool) -> None:
    found = [shares(workers, number, at_once=at_once) for _ in range(3)]
    assert {sum(one) for one in found} == {number}
    leads = sorted(one[-1] / max(one[0] * 1.5, one[0] + 2) for one in found)
    # A worker that gets no processor for long is not waited for, and four share two cores: then the best round counts.
    assert leads[1 if len(found[0]) == 2 else 0] <= 1.0, found


def test_a_worker_that_hangs_delays_nobody(start_server: Callable[..., Server]) -> None:
    server = start_server("--workers", "2", "--hang-seconds", "60")
    hung = min(server.workers())
    os.kill(hung, signal.SIGSTOP)
    try:
        times = []
        with ExitStack() as stack:
            for _ in range(60):
                began = time.monotonic()
                connection = stack.enter_context(server.connect())
                connection.sendall(HEALTH)
                assert read_answer(connection)[0] == 200
                times.append(time.monotonic() - began)
                time.sleep(0.03)
        # Until it is known to hang each waits for it for some 20 ms; this machine takes its time as well.
        assert statistics.median(times) < 0.2
        assert max(times) < 5.0
    finally:
        os.kill(hung, signal.SIGCONT)


def test_a_worker_without_files_waits_for_some(start_server: Callable[..., Server]) -> None:
    server = start_server()
    [worker] = server.workers()
    hard = resource.prlimit(worker, resource.RLIMIT_NOFILE)[1]
    used = max(int(file.name) for file in Path(f"/proc/{worker}/fd").iterdir())
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (used + 6, hard))
    with ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for _ in range(20)]
        connections[0].sendall(HEALTH)
        assert read_answer(connections[0])[0] == 200
        while "cannot-accept" not in server.log():
            time.sleep(0.01)
        before = processor_seconds(worker)
        time.sleep(1.0)
        assert processor_seconds(worker) - before < 0.5  # it does not try without end
    assert server.ask("GET", "/health")[0] == 200
    assert server.log().count("cannot-accept") < 10


def processor_seconds(process: int) -> float:
    """What a process has taken of the processor."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
