"""A `lockgate serve` of its own on a free port of 127.0.0.1, and the golden rows to ask it."""

from __future__ import annotations

import http.client
import json
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from promises import fail

from lockgate.documents.golden_json import GoldenPredictions
from lockgate.model.bundle import GOLDEN, verify_bundle

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30.0
FILES = 8192
SETTLE_SECONDS = 2.0


@dataclass(frozen=True)
class Service:
    """A running service."""

    process: subprocess.Popen[bytes]
    port: int
    errors: IO[bytes]

    def processes(self) -> list[int]:
        """The supervisor and its workers."""
        pid = self.process.pid
        return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]

    def megabytes(self) -> float:
        """Resident memory of all its processes now, with what they share counted once."""
        return sum(_proportional_kilobytes(one) for one in self.processes()) * 1024 / 1e6

    def settled_megabytes(self) -> float:
        """Resident memory once it has stopped growing: the PSI of chance is computed after readiness."""
        sizes = [0.0, self.megabytes()]
        while abs(sizes[-1] - sizes[-2]) > 0.5:
            time.sleep(SETTLE_SECONDS)
            sizes.append(self.megabytes())
        return sizes[-1]

    def get(self, path: str, timeout: float = 5.0) -> tuple[int, bytes]:
        """Status and body of a GET on a connection of its own; status 0 where nobody answers in time."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        lines = self.get("/metrics")[1].decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name)

    def connect(self, timeout: float = 20.0) -> socket.socket:
        """A new connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def terminate(self) -> None:
        """SIGTERM, without waiting."""
        self.process.send_signal(signal.SIGTERM)

    def printed(self) -> str:
        """What it printed on stderr, on one line."""
        self.errors.seek(0)
        return " ".join(self.errors.read().decode(errors="replace").split())[-500:]


def _proportional_kilobytes(process: int) -> int:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def start(*options: str, port: int | None = None) -> Service:
    """Start a service, without waiting for it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, hard), hard))
    port = port or free_port()
    errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed by `end`
    command = [sys.executable, "-m", "lockgate", "serve", "--port", str(port), *options]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)
    return Service(process, port, errors)


def wait_until_ready(service: Service) -> None:
    """Return once /ready says so; ends the script when it does not."""
    end = time.monotonic() + START_SECONDS
    while service.get("/ready")[0] != http.HTTPStatus.OK:
        if service.process.poll() is not None or time.monotonic() > end:
            fail(f"the service did not get ready: {service.printed()}")
        time.sleep(0.02)


def end(service: Service) -> None:
    """Kill what still runs."""
    service.process.kill()
    service.process.wait()
    service.errors.close()


@contextmanager
def running(*options: str) -> Iterator[Service]:
    """A ready service, killed at the end where it still runs."""
    service = start(*options)
    try:
        wait_until_ready(service)
        yield service
    finally:
        end(service)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


@dataclass(frozen=True)
class GoldenRequest:
    """A request to /predict as bytes, and the probability that is the right answer of each model, by its digest."""

    request: bytes
    probabilities: Mapping[str, float]


def golden_requests(*folders: Path) -> list[GoldenRequest]:
    """The golden rows that a service may answer, of the bundles in these folders, which have the same rows; by default models/."""
    probabilities: dict[str, dict[str, float]] = {}  # by row, and then by digest
    for folder in folders or [ROOT / "models"]:
        bundle = verify_bundle(folder)
        golden = GoldenPredictions.read(bundle.contents[GOLDEN], bundle.path(GOLDEN))
        for row, probability in golden.complete(bundle.schema):
            probabilities.setdefault(json.dumps(row), {})[bundle.digest] = probability
    return [GoldenRequest(post("/predict", row.encode()), of_models) for row, of_models in probabilities.items()]


def post(path: str, body: bytes) -> bytes:
    """A POST request of JSON."""
    head = f"POST {path} HTTP/1.1\r\nhost: lockgate\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body
