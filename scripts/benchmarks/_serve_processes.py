"""Servers as processes of their own, pinned to one core, on free ports of 127.0.0.1."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 60.0  # seconds until a server that has not answered has failed


@dataclass(frozen=True)
class Server:
    """A running server, and the seconds from its start to its first answered prediction."""

    port: int
    path: str
    first_answer: float
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """Where its predictions are."""
        return f"http://127.0.0.1:{self.port}{self.path}"

    def megabytes(self) -> float:
        """Resident memory of the server and its children now."""
        return sum(int(stat[21]) for stat in self._stats()) * os.sysconf("SC_PAGE_SIZE") / 1e6

    def processor(self) -> float:
        """Seconds of processor time that the server and its children have used, however busy the machine is."""
        return sum(int(stat[11]) + int(stat[12]) for stat in self._stats()) / os.sysconf("SC_CLK_TCK")

    def _stats(self) -> Iterator[list[str]]:
        """The fields of /proc/PID/stat after the name, of every process in the server's session."""
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == self.process.pid:
                yield fields


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


@contextmanager
def running(
    module: Sequence[str], core: int, path: str, body: bytes, environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """`python -m ...module` with {port} filled in, once it has answered `body` at `path`; ended with the block."""
    port = free_port()
    command = ["taskset", "-c", str(core), sys.executable, "-m", *(part.format(port=port) for part in module)]
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait(process, f"http://127.0.0.1:{port}{path}", body, started)
        yield Server(port, path, time.perf_counter() - started, process)
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], url: str, body: bytes, started: float) -> None:
    while True:
        try:
            request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310
            with urllib.request.urlopen(request, timeout=10):  # noqa: S310
                return
        except urllib.error.HTTPError as error:
            sys.exit(f"{url} answered {error.code}: {error.read()[:300]!r}")
        except OSError:
            if process.poll() is not None:
                sys.exit(f"{' '.join(map(str, process.args))} ended with {process.returncode}")  # type: ignore[arg-type]
            if time.perf_counter() - started > PATIENCE:
                sys.exit(f"{url} did not answer within {PATIENCE:g} s")
            time.sleep(0.005)
