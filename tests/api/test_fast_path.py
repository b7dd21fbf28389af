"""Answers written without ASGI are the answers of HTTP: in order, one a request, and closed when they should be."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import Server


@pytest.fixture(scope="module")
def server(trained_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    started = Server(trained_project, ("--drain-seconds", "0"), tmp_path_factory.mktemp("server") / "log")
    yield started.address
    started.terminate()
    assert started.process.wait(timeout=30) == 0


@pytest.fixture(scope="module")
def rows(trained_project: Path) -> list[bytes]:
    import pandas as pd

    names = [one["name"] for one in json.loads((trained_project / "models/schema.json").read_text())["features"]]
    table = pd.read_parquet(trained_project / "data/test.parquet")[names].astype(object)
    found = [
        {name: None if value != value else value for name, value in row.items()} for row in table.to_dict("records")
    ]
    return [json.dumps(row).encode() for row in found]


def request(body: bytes, *headers: str, version: str = "1.1", method: str = "POST", path: str = "/predict") -> bytes:
    head = [f"{method} {path} HTTP/{version}", "host: here", "content-type: application/json", *headers]
    return "\r\n".join([*head, f"content-length: {len(body)}", "", ""]).encode() + body


def answers(connection: socket.socket, count: int) -> list[tuple[http.client.HTTPResponse, dict[str, Any]]]:
    found = []
    for _ in range(count):
        response = http.client.HTTPResponse(connection)
        response.begin()
        found.append((response, json.loads(response.read())))
    return found


def test_pipelined_requests_are_answered_in_order(server: tuple[str, int], rows: list[bytes]) -> None:
    sent = b"".join(request(row, f"x-request-id: r{number}") for number, row in enumerate(rows[:50]))
    with socket.create_connection(server, timeout=10) as connection, connection.makefile("rb") as stream:
        connection.sendall(sent)
        seen = []
        while len(seen) < 50:
            assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
            headers = http.client.parse_headers(stream)
            seen.append(json.loads(stream.read(int(headers["content-length"])))["request_id"])
            assert headers["date"]
    assert seen == [f"r{number}" for number in range(50)]


def test_one_row_and_a_batch_agree(server: tuple[str, int], rows: list[bytes]) -> None:
    client = http.client.HTTPConnection(*server, timeout=10)
    json_header = {"content-type": "application/json"}
    single = []
    for row in rows[:20]:
        client.request("POST", "/predict", row, json_header)
        single.append(json.loads(client.getresponse().read())["probability"])
    client.request("POST", "/predict/batch", b'{"rows":[' + b",".join(rows[:20]) + b"]}", json_header)
    batch = [row["probability"] for row in json.loads(client.getresponse().read())["rows"]]
    assert single == pytest.approx(batch, abs=1e-6)


def test_the_size_of_a_head_is_its_own_and_not_of_what_came_before(server: tuple[str, int], rows: list[bytes]) -> None:
    sent = request(rows[0]) * 60 + request(rows[0], f"x-large: {'a' * 31_000}")
    with socket.create_connection(server, timeout=10) as connection, connection.makefile("rb") as stream:
        connection.sendall(sent)
        for _ in range(61):
            assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
            stream.read(int(http.client.parse_headers(stream)["content-length"]))


@pytest.mark.parametrize("size", [33_000, 400_000])
def test_a_head_that_is_too_long_is_refused_however_it_arrives(
    server: tuple[str, int], rows: list[bytes], size: int
) -> None:
    with socket.create_connection(server, timeout=10) as connection:
        connection.sendall(request(rows[0], f"x-large: {'a' * size}"))
        ((response, body),) = answers(connection, 1)
        assert (response.status, body["code"]) == (431, "head-too-large")


@pytest.mark.parametrize(
    ("sent", "status", "closed"),
    [
        (request(b"{}"), 422, False),
        (request(b"{}", "connection: close"), 422, True),
        (request(b"{}", version="1.0"), 422, True),
        (request(b"", method="GET"), 405, False),
        (request(b"{}", "content-encoding: gzip"), 415, False),
        (request(b"{}", path="/nowhere"), 404, False),
    ],
    ids=["keep", "close", "http 1.0", "wrong verb", "compressed", "unknown path"],
)
def test_connections_stay_open_or_close_as_the_client_asks(
    server: tuple[str, int], rows: list[bytes], sent: bytes, status: int, closed: bool
) -> None:
    with socket.create_connection(server, timeout=10) as connection:
        connection.sendall(sent)
        ((response, body),) = answers(connection, 1)
        assert (response.status, response.will_close) == (status, closed)
        assert set(body) == {"code", "detail"}
        if closed:
            assert connection.recv(1) == b""
        else:
            connection.sendall(request(rows[0]))
            ((response, body),) = answers(connection, 1)
            assert response.status == 200


def test_a_client_that_never_reads_gets_no_more_than_a_buffer_full(server: tuple[str, int], rows: list[bytes]) -> None:
    """And everybody else is answered meanwhile."""
    with socket.create_connection(server, timeout=10) as greedy:
        greedy.settimeout(0.5)
        many = request(rows[0]) * 200
        with pytest.raises(TimeoutError):
            for _ in range(2_000):
                greedy.sendall(many)
        with socket.create_connection(server, timeout=10) as connection:
            connection.sendall(request(rows[0]))
            ((response, _),) = answers(connection, 1)
            assert response.status == 200


def test_every_answer_is_counted_once(server: tuple[str, int], rows: list[bytes]) -> None:
    def counted() -> float:
        client = http.client.HTTPConnection(*server, timeout=10)
        client.request("GET", "/metrics")
        text = client.getresponse().read().decode()
        (line,) = [
            one for one in text.splitlines() if one.startswith('lockgate_requests_total{route="/predict",status="200"}')
        ]
        assert "lockgate_requests_in_flight 1" in text
        return float(line.split()[-1])

    before = counted()
    with socket.create_connection(server, timeout=10) as connection:
        for row in rows[:30]:
            connection.sendall(request(row))
            answers(connection, 1)
    assert counted() == before + 30
