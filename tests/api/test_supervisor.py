"""The supervisor: workers that end or hang are replaced, and signals do what operators expect of them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Server, StartServer, change_bundle, read_answer, request, starting_servers, wait_until

BLOCKING = (str(Path(__file__).parents[1] / "blocking_service.py"),)
FULL = pytest.mark.full
BOTH = pytest.mark.parametrize("workers", [pytest.param(1, marks=FULL), 2])
PREDICTED = "lockgate_requests_total{route=/predict,status=200}"


@pytest.fixture
def start_blocking(trained_project: Path, tmp_path: Path) -> Iterator[StartServer]:
    """`start_blocking("--workers", "2")`: a service with a path that blocks, GET /block."""
    with starting_servers(trained_project, tmp_path, BLOCKING) as start:
        yield start


def restarts(server: Server) -> dict[str, float]:
    """How many workers were replaced, by reason, without those of 0."""
    name = "lockgate_worker_restarts_total{reason="
    found = server.metrics().items()
    return {series[len(name) : -1]: value for series, value in found if series.startswith(name) and value}


def wait_until_replaced(server: Server, process: int, workers: int) -> None:
    """Return once a worker's place is taken by a process that answers."""
    wait_until(lambda: len(server.workers()) == workers and process not in server.workers())
    wait_until(lambda: server.ask("GET", "/ready")[0] == 200)


def is_running(process: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until_gone(*processes: int) -> None:
    """Return once none of them runs."""
    wait_until(lambda: not any(map(is_running, processes)))


@BOTH
def test_a_killed_worker_is_replaced_and_goes_on_counting(start_server: StartServer, body: bytes, workers: int) -> None:
    server = start_server("--workers", str(workers), "--drain-seconds", "0.2")
    for _ in range(20):
        assert server.ask("POST", "/predict", body)[0] == 200
    assert {server.metrics()[PREDICTED] for _ in range(6)} == {20}
    killed, *others = server.workers()
    assert len(others) == workers - 1
    os.kill(killed, signal.SIGKILL)
    wait_until_replaced(server, killed, workers)
    assert server.ask("POST", "/predict", body)[0] == 200
    assert server.metrics()[PREDICTED] == 21
    assert restarts(server) == {"killed": 1}
    (ended,) = server.named("worker-ended")
    assert (ended["worker"], ended["ended"], ended["signal"]) == (0, killed, "SIGKILL")
    server.terminate()
    assert server.process.wait(30) == 0
    assert "Traceback" not in server.log()


@BOTH
def test_a_worker_that_stands_still_is_replaced(start_server: StartServer, body: bytes, workers: int) -> None:
    server = start_server("--workers", str(workers), "--hang-seconds", "1")
    stopped = server.workers()[0]
    time.sleep(2.0)
    assert server.workers()[0] == stopped, "an idle worker is none that hangs"
    os.kill(stopped, signal.SIGSTOP)
    wait_until_replaced(server, stopped, workers)
    (hung,) = server.named("worker-hung")
    assert (hung["worker"], hung["ended"], hung["level"]) == (0, stopped, "error")
    assert 1.0 <= hung["seconds"] < 3.0
    assert server.named("worker-ended")[0]["signal"] == "SIGKILL"
    assert restarts(server) == {"hung": 1}
    assert server.ask("POST", "/predict", body)[0] == 200


def test_the_service_is_ready_while_a_worker_is(start_server: StartServer, body: bytes) -> None:
    server = start_server("--workers", "2", "--drain-seconds", "0.1")
    assert server.metrics()["lockgate_workers_ready"] == 2
    for times in (1, 2):  # the second time it is replaced after a second
        os.kill(server.workers()[-1], signal.SIGKILL)
        server.wait_for("worker-ended", times)
        if times == 1:
            server.wait_for("worker-restarted")
    assert len(server.workers()) == 1
    assert server.ask("GET", "/ready")[0] == server.ask("POST", "/predict", body)[0] == 200
    metrics = server.metrics()
    assert (metrics["lockgate_ready"], metrics["lockgate_workers_ready"]) == (1, 1)
    server.wait_for("worker-restarted", 2)
    assert server.metrics()["lockgate_workers_ready"] == 2


def test_a_worker_that_is_told_to_end_is_replaced(start_server: StartServer) -> None:
    server = start_server("--drain-seconds", "0.1")
    (ended,) = server.workers()
    os.kill(ended, signal.SIGTERM)
    wait_until_replaced(server, ended, 1)
    assert restarts(server) == {"ended": 1}


def test_a_worker_whose_loop_is_blocked_is_replaced(start_blocking: StartServer, body: bytes) -> None:
    server = start_blocking("--hang-seconds", "1")
    (blocked,) = server.workers()
    with server.connect() as connection:
        connection.sendall(request("GET", "/block"))
        wait_until_replaced(server, blocked, 1)
        with pytest.raises(ConnectionError):
            read_answer(connection)
    assert len(server.named("worker-hung")) == 1
    assert restarts(server) == {"hung": 1}
    assert server.ask("POST", "/predict", body)[0] == 200


def test_a_service_that_was_paused_as_a_whole_is_not_taken_for_hung(start_server: StartServer) -> None:
    """As `docker pause` does it, and a machine that sleeps."""
    server = start_server("--hang-seconds", "1")
    tree = [server.process.pid, *server.workers()]
    for one in tree:
        os.kill(one, signal.SIGSTOP)
    time.sleep(2.0)
    for one in tree:
        os.kill(one, signal.SIGCONT)
    time.sleep(1.0)
    assert server.workers() == tree[1:]
    assert server.named("worker-hung") == []


def test_a_worker_that_ends_again_and_again_is_replaced_more_and_more_slowly(start_server: StartServer) -> None:
    server = start_server("--drain-seconds", "0.2")
    for times in range(1, 4):
        os.kill(server.workers()[0], signal.SIGKILL)
        server.wait_for("worker-ended", times)
        wait_until(lambda: bool(server.workers()))
    again = server.named("worker-ends-again")
    assert [(one["times"], one["restart_seconds"]) for one in again] == [(2, 1.0), (3, 2.0)]


def test_sigterm_while_a_worker_waits_to_be_replaced_ends_the_service(start_server: StartServer) -> None:
    server = start_server("--drain-seconds", "0.2")
    for times in (1, 2):
        os.kill(server.workers()[0], signal.SIGKILL)
        server.wait_for("worker-ended", times)
        time.sleep(0.6)
    assert server.workers() == []
    server.terminate()
    assert server.process.wait(30) == 0


@pytest.mark.parametrize(
    "name", ["SIGHUP", "SIGUSR1", *[pytest.param(one, marks=FULL) for one in ("SIGUSR2", "SIGTTIN", "SIGTTOU")]]
)
def test_what_means_something_else_to_other_servers_ends_nothing(
    start_server: StartServer, body: bytes, name: str
) -> None:
    server = start_server()
    tree = [server.process.pid, *server.workers()]
    for one in tree:
        os.kill(one, signal.Signals[name])
    if name == "SIGHUP":
        server.wait_for("reload-unchanged")
    time.sleep(0.5)
    assert [server.process.poll(), *server.workers()] == [None, *tree[1:]]
    assert server.ask("POST", "/predict", body)[0] == 200
    assert all(is_running(one) for one in tree)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", pytest.param("SIGQUIT", marks=FULL)])
@pytest.mark.parametrize("whom", ["the supervisor", "every process"])
def test_a_draining_signal_is_heard_once(start_server: StartServer, body: bytes, name: str, whom: str) -> None:
    """A terminal sends Ctrl-C to every process of the group, and systemd SIGTERM to every one of the unit."""
    server = start_server("--drain-seconds", "1", "--grace-seconds", "5")
    with server.connect() as kept:
        kept.sendall(request("POST", "/predict", body))
        assert read_answer(kept)[0] == 200
        for one in [server.process.pid, *(server.workers() if whom == "every process" else [])]:
            os.kill(one, signal.Signals[name])
        server.wait_for("drain")
        time.sleep(0.3)
        kept.sendall(request("POST", "/predict", body))
        status, headers, _ = read_answer(kept)
        assert (status, headers["connection"]) == (200, "close")
    assert server.process.wait(30) == 0
    assert server.named("drain")[0]["why"] == name


def test_a_second_signal_ends_at_once(start_server: StartServer, body: bytes) -> None:
    server = start_server("--workers", "2", "--drain-seconds", "60", "--grace-seconds", "60", "--request-seconds", "60")
    with server.connect() as stuck:
        stuck.sendall(request("POST", "/predict", body)[:-9])
        server.terminate()
        server.wait_for("drain")
        time.sleep(0.5)
        assert server.process.poll() is None
        server.terminate()
        assert server.process.wait(10) == 0


def test_a_worker_that_hangs_does_not_hold_the_end(start_server: StartServer) -> None:
    server = start_server("--workers", "2", "--hang-seconds", "1", "--drain-seconds", "0.2", "--grace-seconds", "2")
    os.kill(server.workers()[0], signal.SIGSTOP)
    server.terminate()
    assert server.process.wait(15) == 0
    assert [one["signal"] for one in server.named("worker-ended") if "signal" in one] == ["SIGKILL"]


def test_a_worker_that_writes_its_last_decisions_is_none_that_hangs(
    start_blocking: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECONDS_TO_STOP", "4")
    server = start_blocking("--hang-seconds", "1", "--drain-seconds", "0")
    server.terminate()
    assert server.process.wait(30) == 0
    assert server.named("worker-hung") == []
    assert [one["code"] for one in server.named("worker-ended")] == [0]


def test_workers_end_with_a_supervisor_that_is_killed(start_server: StartServer) -> None:
    server = start_server("--workers", "2", "--drain-seconds", "0.2")
    workers = server.workers()
    server.kill()
    wait_until_gone(*workers)


def test_workers_that_cannot_serve_end_the_service_with_2(trained_project: Path, tmp_path: Path) -> None:
    for name in ("models", "reports"):
        shutil.copytree(trained_project / name, tmp_path / name)
    change_bundle(tmp_path, "golden.json", lambda one: one.update(probabilities=[0.5, *one["probabilities"][1:]]))
    for workers in ("1", "2"):
        command = [sys.executable, "-m", "lockgate", "serve", "--port", "0", "--workers", workers]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 2
        assert "golden.json" in ended.stderr
        assert "Traceback" not in ended.stderr
