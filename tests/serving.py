"""Asking the service: through ASGI in this process, or over sockets of a process of its own."""

from __future__ import annotations

import asyncio
import hashlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lockgate.documents.schema_json import Schema
from lockgate.service.worker import Worker

JSON_TYPE = {"content-type": "application/json"}


@dataclass(frozen=True)
class Answered:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, which must be JSON without NaN."""

        def no_constant(name: str) -> float:
            raise AssertionError(f"the answer holds {name}")

        return json.loads(self.body, parse_constant=no_constant)


class Client:
    """Calls the application as a server would; the body comes in parts of `chunk` bytes."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    def ask(
        self,
        path: str,
        body: bytes | Any = b"",
        method: str | None = None,
        chunk: int = 1 << 20,
        root_path: str = "",
        before_the_last_part: Callable[[], None] = lambda: None,
        **headers: str,
    ) -> Answered:
        """An answer; a body that is no bytes is sent as JSON, and headers have _ for -."""
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        path, _, query = path.partition("?")
        given = {**(JSON_TYPE if body else {}), **{name.replace("_", "-"): value for name, value in headers.items()}}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method or ("POST" if body else "GET"),
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": root_path,
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 1),
        }
        parts = [body[at : at + chunk] for at in range(0, len(body) or 1, chunk)]
        return asyncio.run(self._call(scope, parts, before_the_last_part))

    async def _call(
        self, scope: dict[str, Any], parts: list[bytes], before_the_last_part: Callable[[], None]
    ) -> Answered:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            part = parts.pop(0)
            if not parts:
                before_the_last_part()
            return {"type": "http.request", "body": part, "more_body": bool(parts)}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.worker.app(scope, receive, send)
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Answered(sent[0]["status"], headers, b"".join(one.get("body", b"") for one in sent[1:]))

    def metrics(self) -> dict[str, float]:
        """The series and their values, as text and number."""
        return parsed_metrics(self.ask("/metrics").body.decode())


class Server:
    """`python -m lockgate serve`, or another `program`, on a free port, ready."""

    def __init__(
        self,
        project: Path,
        options: tuple[str, ...],
        log: Path,
        wait: float = 60.0,
        program: tuple[str, ...] = ("-m", "lockgate", "serve"),
    ) -> None:
        self._log = log
        command = [sys.executable, *program, "--port", "0", *options]
        with log.open("wb") as stream:
            self.process = subprocess.Popen(command, cwd=project, stderr=stream)
        try:
            self._wait_until_ready(time.monotonic() + wait)
        except BaseException:
            self.kill()
            raise

    def _wait_until_ready(self, deadline: float) -> None:
        self.address = ("127.0.0.1", self._port(deadline))
        while self.ask("GET", "/ready")[0] != 200:
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)

    def _port(self, deadline: float) -> int:
        while time.monotonic() < deadline:
            ready = [one for one in self.events() if one["event"] == "ready"]
            if ready:
                return int(ready[0]["url"].rpartition(":")[2])
            assert self.process.poll() is None, self.log()
            time.sleep(0.02)
        raise AssertionError(f"no port in time: {self.log()}")

    def log(self) -> str:
        """What the process wrote to stderr."""
        return self._log.read_text()

    def events(self) -> list[dict[str, Any]]:
        """The events that it logged, whole lines only."""
        return [
            json.loads(line) for line in self.log().splitlines(keepends=True) if line[0] == "{" and line[-1] == "\n"
        ]

    def named(self, event: str) -> list[dict[str, Any]]:
        """The events of that name."""
        return [one for one in self.events() if one["event"] == event]

    def wait_for(self, event: str, times: int = 1, seconds: float = 30.0) -> list[dict[str, Any]]:
        """The events of that name, once it was logged so many times."""
        end = time.monotonic() + seconds
        while len(found := self.named(event)) < times:
            assert time.monotonic() < end, self.log()
            time.sleep(0.02)
        return found

    def workers(self) -> list[int]:
        """The processes that its supervisor has started, by age."""
        pid = self.process.pid
        return sorted(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))

    def connect(self) -> socket.socket:
        """A connection."""
        return socket.create_connection(self.address, timeout=30)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, str], bytes]:
        """One request on a connection of its own."""
        with self.connect() as connection:
            connection.sendall(request(method, path, body, connection="close", **headers))
            return read_answer(connection)

    @property
    def admin_address(self) -> tuple[str, int]:
        """Of the admin port."""
        host, _, port = self.named("ready")[0]["admin"].rpartition(":")
        return host.removeprefix("http://"), int(port)

    def ask_admin(self, method: str, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """One request on the admin port."""
        with socket.create_connection(self.admin_address, timeout=60) as connection:
            connection.sendall(request(method, path, connection="close", **headers))
            return read_answer(connection)

    def reload(self, result: str) -> dict[str, Any]:
        """SIGHUP; the event that says how the reload ended, which is to be with `result`."""
        before = len(self.reloads())
        self.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 60
        while len(found := self.reloads()) == before:
            assert time.monotonic() < end, self.log()
            time.sleep(0.01)
        assert found[-1]["event"] == f"reload-{result}", self.log()
        return found[-1]

    def reloads(self) -> list[dict[str, Any]]:
        """The events of reloads that have ended."""
        results = {f"reload-{one}" for one in ("switched", "unchanged", "refused", "failed")}
        return [one for one in self.events() if one["event"] in results]

    def metrics(self) -> dict[str, float]:
        """What a scrape of it says."""
        return parsed_metrics(self.ask("GET", "/metrics")[2].decode())

    def terminate(self) -> None:
        """SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it, whatever it does; its workers end with it."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


StartServer = Callable[..., Server]


@contextmanager
def starting_servers(
    project: Path, logs: Path, program: tuple[str, ...] = ("-m", "lockgate", "serve")
) -> Iterator[StartServer]:
    """`start("--workers", "2")`: servers in a project, with their logs in a folder, which end with the block."""
    servers: list[Server] = []

    def start(*options: str) -> Server:
        servers.append(Server(project, options, logs / f"server-{len(servers)}.log", program=program))
        return servers[-1]

    try:
        yield start
    finally:
        for server in servers:
            server.kill()


def wait_until(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    """Return once it holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "host: test", f"content-length: {len(body)}"]
    if body:
        lines.append("content-type: application/json")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def read_answer(connection: socket.socket, *, head: bool = False) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the next answer; ConnectionError where there is none. `head`: it is HEAD's, without a body."""
    with connection.makefile("rb") as stream:
        status = stream.readline()
        if not status:
            raise ConnectionError("closed without an answer")
        headers = {}
        while (line := stream.readline().rstrip()) != b"":
            name, _, value = line.decode().partition(": ")
            headers[name.lower()] = value
        length = 0 if head else int(headers.get("content-length", 0))
        return int(status.split()[1]), headers, stream.read(length)


def parsed_metrics(text: str) -> dict[str, float]:
    """Prometheus's text format by its own parser: `name{label=value}`, labels sorted, and the number."""
    from prometheus_client.parser import text_string_to_metric_families

    return {
        sample.name
        + ("{" + ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items())) + "}" if sample.labels else ""): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def applicants(path: Path, schema: Schema) -> list[dict[str, Any]]:
    """The table's features as objects for JSON, None where a value is missing."""
    frame = pd.read_parquet(path)[schema.feature_names]
    return [
        {name: None if pd.isna(value) else value for name, value in row.items()} for row in frame.to_dict("records")
    ]


def change_bundle(folder: Path, name: str, edit: Callable[[Any], object]) -> None:
    """Edit a JSON file of the bundle and write a manifest and a verdict that are right about it."""
    models = folder / "models"
    value = json.loads((models / name).read_bytes())
    edit(value)
    (models / name).write_text(json.dumps(value))
    manifest = json.loads((models / "manifest.json").read_bytes())
    manifest["files"][name] = hashlib.sha256((models / name).read_bytes()).hexdigest()
    (models / "manifest.json").write_text(json.dumps(manifest))
    gate = json.loads((folder / "reports" / "gate.json").read_bytes())
    gate["model"] = hashlib.sha256((models / "manifest.json").read_bytes()).hexdigest()
    (folder / "reports" / "gate.json").write_text(json.dumps(gate))
