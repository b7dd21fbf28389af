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

PATIENCE = 60.0  # seconds until a server that has not answered has failed


@dataclass(frozen=True)
class Server:
    """A running server, and the seconds from its start to its first answered prediction."""

    url: str
    first_answer: float
    process: subprocess.Popen[bytes]

    def megabytes(self) -> float:
        """Resident memory now."""
        with open(f"/proc/{self.process.pid}/statm") as stream:
            return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


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
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env={**os.environ, **(environment or {})}, **quiet)  # type: ignore[call-overload]
    try:
        url = f"http://127.0.0.1:{port}{path}"
        _wait(process, url, body, started)
        yield Server(url, time.perf_counter() - started, process)
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
