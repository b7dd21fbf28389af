"""One application: the fast path, the same server without it, uvicorn and gunicorn give the same bytes and the same counters."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bad_bodies import BAD
from serving import Server, parsed_metrics, read_answer, request
from watched import free_port

BY_OTHERS = {
    "uvicorn": [sys.executable, "-m", "uvicorn", "app.main:app", "--log-level", "error", "--port", "{port}"],
    "gunicorn": [sys.executable, "-m", "gunicorn", "-k", "asgi", "app.main:app", "--bind", "127.0.0.1:{port}"],
}
# What is another number each time or in each process: times, memory, what runs beside the requests, and waiting for /ready.
VARIES = re.compile(
    r"_duration_seconds_(bucket|sum)|process_|python_|nightly|psi_chance|drift_source|/ready|connections|heartbeat"
)
HTML_ADDRESS = re.compile(rb"127\.0\.0\.1:\d+")


@dataclass(frozen=True)
class Case:
    """A request, and what it is called in a failure."""

    name: str
    method: str
    path: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


def corpus(rows: list[dict[str, Any]]) -> list[Case]:
    whole = next(row for row in rows if None not in row.values())
    one = json.dumps(whole).encode()
    found = [
        Case(f"{path}, row {place}", "POST", path, json.dumps(row).encode())
        for path in ("/predict", "/explain")
        for place, row in enumerate(rows[:40])
    ]
    found += [Case("batch", "POST", "/predict/batch", json.dumps({"rows": rows[:300]}).encode())]
    found += [
        Case(f"{path}, {name}", "POST", path, make(whole))
        for path in ("/predict", "/explain")
        for name, (_, make) in BAD.items()
    ]
    found += [
        Case(f"batch, {name}", "POST", "/predict/batch", b'{"rows": [%s, %s]}' % (one, make(whole)))
        for name, (_, make) in BAD.items()
    ]
    found += [
        Case(f"reasons={text}", "POST", f"/explain?reasons={text}", one)
        for text in ("1", "22", "0", "x", "", "%C2%B2", "1&reasons=2")
    ]
    kinds = ("text/plain", "application/json; charset=utf-16", "Application/JSON; Charset=UTF-8", "application/json;")
    found += [Case(kind, "POST", "/predict", one, (("content-type", kind),)) for kind in kinds]
    found += [
        Case(f"encoding {name}", "POST", "/predict", one, (("content-encoding", name),))
        for name in ("gzip", "identity")
    ]
    for path in (
        "/predict",
        "/explain",
        "/health",
        "/ready",
        "/drift",
        "/docs",
        "/openapi.json",
        "/nothing",
        "/predict/",
    ):
        found += [
            Case(f"{method} {path}", method, path) for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "POST")
        ]
    return found


Seen = tuple[int, dict[str, str], bytes]


def answers(connect: Callable[[], socket.socket], cases: list[Case]) -> list[Seen]:
    """Each answer, over one connection while it lasts."""
    found: list[Seen] = []
    connection = connect()
    for number, case in enumerate(cases):
        headers = {"x-request-id": f"case-{number}", **dict(case.headers)}
        sent = request(case.method, case.path, case.body, **headers)
        if case.headers and case.headers[0][0] == "content-type":
            sent = sent.replace(b"content-type: application/json\r\n", b"", 1)
        connection.sendall(sent)
        answered = read_answer(connection, head=case.method == "HEAD")
        found.append(answered)
        if answered[1].get("connection") == "close":
            connection.close()
            connection = connect()
    connection.close()
    return found


def own(headers: dict[str, str]) -> dict[str, str]:
    """Without what is a server's own."""
    return {
        name.lower(): value for name, value in headers.items() if name.lower() not in ("date", "server", "connection")
    }


def counters(server_metrics: bytes) -> dict[str, float]:
    return {name: value for name, value in parsed_metrics(server_metrics.decode()).items() if not VARIES.search(name)}


@pytest.fixture
def other_server(trained_project: Path, tmp_path: Path) -> Iterator[Callable[[str], tuple[str, int]]]:
    """`other_server("uvicorn")`: app/main.py under that server, ready."""
    started = []
    code = Path(__file__).parents[2] / "app"

    def start(name: str) -> tuple[str, int]:
        port = free_port()
        environment = {**os.environ, "PYTHONPATH": str(code.parent)}
        command = [part.format(port=port) for part in BY_OTHERS[name]]
        process = subprocess.Popen(command, cwd=trained_project, env=environment, stderr=subprocess.DEVNULL)
        started.append(process)
        deadline = time.monotonic() + 60
        while True:
            try:
                with connect(("127.0.0.1", port)) as connection:
                    connection.sendall(request("GET", "/ready"))
                    if read_answer(connection)[0] == 200:
                        return "127.0.0.1", port
            except OSError:
                assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)

    yield start
    for process in started:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def connect(address: tuple[str, int]) -> socket.socket:
    return socket.create_connection(address, timeout=30)


def test_the_fast_path_has_the_bytes_and_the_counters_of_the_application(
    start_server: Callable[..., Server], rows: list[dict[str, Any]]
) -> None:
    cases = corpus(rows)
    fast, slow = start_server(), start_server("--no-fast-path")
    for case, mine, theirs in zip(cases, answers(fast.connect, cases), answers(slow.connect, cases), strict=True):
        assert mine[0] == theirs[0], case.name
        assert [item for item in mine[1].items() if item[0] != "date"] == [
            item for item in theirs[1].items() if item[0] != "date"
        ], case.name
        assert HTML_ADDRESS.sub(b"", mine[2]) == HTML_ADDRESS.sub(b"", theirs[2]), case.name
    assert counters(fast.ask("GET", "/metrics")[2]) == counters(slow.ask("GET", "/metrics")[2])


@pytest.mark.parametrize("name", ["uvicorn", pytest.param("gunicorn", marks=pytest.mark.full)])
def test_another_server_gives_the_same_answers_and_counters(
    start_server: Callable[..., Server],
    other_server: Callable[[str], tuple[str, int]],
    rows: list[dict[str, Any]],
    name: str,
) -> None:
    cases = corpus(rows)
    ours, address = start_server(), other_server(name)
    theirs = answers(lambda: connect(address), cases)
    for case, mine, other in zip(cases, answers(ours.connect, cases), theirs, strict=True):
        assert (mine[0], own(mine[1])) == (other[0], own(other[1])), case.name
        assert HTML_ADDRESS.sub(b"", mine[2]) == HTML_ADDRESS.sub(b"", other[2]), case.name
    with connect(address) as connection:
        connection.sendall(request("GET", "/metrics", connection="close"))
        found = counters(read_answer(connection)[2])
    assert counters(ours.ask("GET", "/metrics")[2]) == found
