"""MLflow servers that are slow, broken or hostile: one line within the limit, and no traceback, no full disk, no foreign file."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lockgate.config.errors import InputError
from lockgate.registry.artifacts import download_files, require_store
from lockgate.registry.mlflow_client import connect, tracking_uri

SECONDS = 2
SLACK = 20.0  # of a busy machine; without a limit it would be minutes


class HostileHandler(BaseHTTPRequestHandler):
    """Answers as the server's `behaviour` says, which gets the handler and the number of the request."""

    protocol_version = "HTTP/1.1"
    server: HostileServer

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer()

    def _answer(self) -> None:
        self.server.requests += 1
        try:
            self.server.behaviour(self, self.server.requests)
        except OSError:
            self.close_connection = True  # the client has had enough

    def reply(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments: Any) -> None:
        """Nothing."""


class HostileServer(ThreadingHTTPServer):
    daemon_threads = True
    requests = 0
    behaviour: Callable[[HostileHandler, int], None]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HostileServer]:
    import mlflow

    with HostileServer(("127.0.0.1", 0), HostileHandler) as hostile:
        thread = threading.Thread(target=hostile.serve_forever, daemon=True)
        thread.start()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", hostile.url)
        monkeypatch.setenv("LOCKGATE_MLFLOW_SECONDS", str(SECONDS))
        yield hostile
        hostile.shutdown()
        mlflow.set_tracking_uri(None)


def trickle_body(handler: HostileHandler, _number: int) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    trickle(handler, b" ")


def trickle_header(handler: HostileHandler, _number: int) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    trickle(handler, b"x")


def trickle(handler: HostileHandler, byte: bytes) -> None:
    for _ in range(600):
        handler.wfile.write(byte)
        time.sleep(0.2)


def say_nothing(_handler: HostileHandler, _number: int) -> None:
    time.sleep(120)


def announce_four_gigabytes(handler: HostileHandler, _number: int) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(4 << 30))
    handler.end_headers()
    handler.wfile.write(b"x" * 1000)


REFUSALS: dict[str, tuple[Callable[[HostileHandler, int], None], str]] = {
    "a byte now and then": (trickle_body, "waited for 2 s"),
    "a header now and then": (trickle_header, "waited for 2 s"),
    "silence": (say_nothing, "waited for 2 s"),
    "an hour's patience": (lambda handler, _: handler.reply(429, b"", Retry_After="3600"), "a pause of 3,600 s"),
    "always busy": (lambda handler, _: handler.reply(503, b"busy"), "503"),
    "a page": (lambda handler, _: handler.reply(200, b"<html>please log in</html>"), "not in a valid JSON format"),
    "another shape": (lambda handler, _: handler.reply(200, b'{"experiments": 5}'), "experiments"),
    "four gigabytes": (announce_four_gigabytes, "bytes"),
    "a redirect to a file": (lambda handler, _: handler.reply(302, b"", Location="file:///etc/passwd"), "302"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_hostile_server_is_one_line_within_the_limit(server: HostileServer, case: str) -> None:
    server.behaviour, words = REFUSALS[case]
    began = time.monotonic()
    with pytest.raises(InputError) as refused:
        connect()
    assert time.monotonic() - began < SECONDS + SLACK
    assert f"MLflow at {server.url} failed" in str(refused.value)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def reset(handler: HostileHandler) -> None:
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


PASSING: dict[str, Callable[[HostileHandler], None]] = {
    "busy": lambda handler: handler.reply(503, b""),
    "busy for a moment": lambda handler: handler.reply(429, b"", Retry_After="0"),
    "broken off": reset,
}


@pytest.mark.parametrize("case", PASSING)
def test_what_passes_is_asked_again(server: HostileServer, case: str) -> None:
    server.behaviour = lambda handler, number: PASSING[case](handler) if number == 1 else handler.reply(200, b"{}")
    connect()
    assert server.requests == 2


def test_the_limit_is_for_all_requests_together(server: HostileServer) -> None:
    def slow(handler: HostileHandler, _number: int) -> None:
        time.sleep(0.6)
        handler.reply(200, b"{}")

    server.behaviour = slow
    client = connect()
    with pytest.raises(InputError, match="waited for 2 s"):
        ask_for_ever(client)
    assert server.requests < 6


def ask_for_ever(client: Any) -> None:
    from lockgate.registry.mlflow_client import mlflow_errors

    while True:
        with mlflow_errors():
            client.search_experiments(max_results=1)


def artifacts(listed: Any, content: Callable[[HostileHandler], None]) -> Callable[[HostileHandler, int], None]:
    """A server whose artifact store lists this, and answers a download so."""

    def answer(handler: HostileHandler, _number: int) -> None:
        if "mlflow-artifacts/artifacts?" in handler.path:
            handler.reply(200, json.dumps(listed).encode())
        elif "mlflow-artifacts/artifacts/" in handler.path:
            content(handler)
        else:
            handler.reply(200, b"{}")

    return answer


def files(**sizes: int) -> dict[str, Any]:
    return {"files": [{"path": name, "is_dir": False, "file_size": size} for name, size in sizes.items()]}


STORED: dict[str, tuple[Any, Callable[[HostileHandler], None], str]] = {
    "a manifest of four gigabytes": (files(manifest=4 << 30), lambda handler: handler.reply(200, b""), "the limit is"),
    "one that says it is small": (files(manifest=10), lambda handler: announce_four_gigabytes(handler, 0), "bytes"),
    "too many": (files(**{f"f{number}": 1 for number in range(200)}), lambda handler: handler.reply(200, b""), "files"),
    "a folder": (
        {"files": [{"path": "a", "is_dir": True}]},
        lambda handler: handler.reply(200, b""),
        "which is no file of ours",
    ),
    "a file elsewhere": (files(**{"../a": 1}), lambda handler: handler.reply(200, b""), "failed"),
    "no list": ({"files": [{}]}, lambda handler: handler.reply(200, b""), "not MLflow's"),
    "a byte now and then": (files(manifest=1000), lambda handler: trickle_body(handler, 0), "waited for 2 s"),
}


@pytest.mark.parametrize("case", STORED)
def test_what_is_stored_is_bounded_before_and_while_it_is_downloaded(
    server: HostileServer, case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    listed, content, words = STORED[case]
    server.behaviour = artifacts(listed, content)
    connect()
    with pytest.raises(InputError, match=words):
        download_files("mlflow-artifacts:/1/models/m/artifacts", "bundle")
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"] == []


@pytest.mark.parametrize("stated", ["ftp://host/x", "gopher://host", "https://", "http://", "http://[", "javascript:x"])
def test_what_is_no_store_is_refused_at_once(stated: str) -> None:
    with pytest.raises(InputError, match="MLFLOW_TRACKING_URI is"):
        tracking_uri(stated)


def test_http_to_another_machine_needs_a_word_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="LOCKGATE_MLFLOW_HTTP=1"):
        tracking_uri("http://mlflow.example:5000")
    for local in ("http://127.0.0.1:5000", "http://localhost:5000", "http://[::1]:5000", "https://mlflow.example"):
        assert tracking_uri(local) == local
    monkeypatch.setenv("LOCKGATE_MLFLOW_HTTP", "1")
    assert tracking_uri("http://mlflow.example:5000") == "http://mlflow.example:5000"


@pytest.mark.parametrize(
    ("tracking", "own", "foreign"),
    [
        (
            "https://mlflow.example",
            ["mlflow-artifacts:/1/a", "mlflow-artifacts://mlflow.example/1/a", "s3://bucket/a", "https://mlflow.example/a"],
            ["file:///etc", "/etc", "http://169.254.169.254/a", "mlflow-artifacts://other/1", "ftp://host/a", "models:/m/1"],
        ),
        ("sqlite:///mlflow.db", ["file:///project/mlartifacts", "/project", "gs://bucket/a"], ["http://host/a", "sftp://host/a"]),
    ],
)  # fmt: skip
def test_artifacts_come_from_the_servers_own_stores_only(tracking: str, own: list[str], foreign: list[str]) -> None:
    import mlflow

    mlflow.set_tracking_uri(tracking)
    try:
        for uri in own:
            require_store(uri)
        for uri in foreign:
            with pytest.raises(InputError, match="neither its own nor an object store"):
                require_store(uri)
    finally:
        mlflow.set_tracking_uri(None)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Of a machine that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listener:
        yield listener.getsockname()[1]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A database that MLflow has made."""
    import mlflow

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{path}")
        connect()
    yield path
    mlflow.set_tracking_uri(None)


# A command that asks MLflow's object store, as `lockgate pull` does, or a database by a client that cannot be interrupted. The
# limit is set once MLflow is imported and its database has answered: on a busy machine that alone takes longer.
COMMAND = """
import os, sys, time
import click
from lockgate.cli.command import Command
from lockgate.registry.artifacts import download_files
from lockgate.registry.mlflow_client import connect, mlflow_errors

@click.command(cls=Command)
def ask():
    asked, seconds = sys.argv[1:]
    if "locked" not in asked:
        connect()
    os.environ["LOCKGATE_MLFLOW_SECONDS"] = seconds
    connect()
    if asked == "s3":
        download_files("s3://bucket/1/models/m/artifacts", "bundle")
    elif asked == "s3 in a thread":
        from concurrent.futures import ThreadPoolExecutor
        with mlflow_errors():
            ThreadPoolExecutor().submit(download_files, "s3://bucket/1/models/m/artifacts", "bundle").result()
    elif asked == "a client that cannot be interrupted":
        with mlflow_errors():
            while True:
                try:
                    time.sleep(60)
                except BaseException:
                    pass

ask(args=[])
"""


@pytest.mark.parametrize(
    "asked", ["s3", "s3 in a thread", "a client that cannot be interrupted", "a database that somebody else has locked"]
)
def test_a_command_ends_where_a_store_or_a_database_never_answers(
    asked: str, silent_port: int, database: Path, tmp_path: Path
) -> None:
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": f"sqlite:///{database}",
        "MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{silent_port}",
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    command = [sys.executable, "-c", COMMAND, asked, str(SECONDS)]
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        if "locked" in asked:
            other.execute("BEGIN EXCLUSIVE")
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=SLACK * 2, check=False
        )
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: MLflow at sqlite:///")
    assert "it was waited for 2 s in all (LOCKGATE_MLFLOW_SECONDS sets the limit)" in line
    assert ("the store of its artifacts at s3://bucket/1/models/m/artifacts" in line) == asked.startswith("s3")
