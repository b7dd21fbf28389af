"""Closed-loop load with wrk on a core of its own, with bodies that vary from request to request."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from benchmarks._serve_processes import Server

SCRIPT = Path(__file__).with_name("_serve_load.lua")


@dataclass(frozen=True)
class Load:
    """What a round of load saw: good answers a second, their latencies in ms, how many were none, and what each cost.

    `cost` is the server's processor time in microseconds a good answer: of all, what a busy machine changes least.
    """

    rate: float
    p50: float
    p99: float
    failed: int
    cost: float


class Generator:
    """wrk, pinned to `core`; the bodies go through a file, one a line."""

    def __init__(self, core: int) -> None:
        self._core = core
        self._folder = tempfile.TemporaryDirectory(prefix="lockgate-")

    def __enter__(self) -> Generator:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._folder.cleanup()

    def bodies(self, name: str, bodies: Sequence[bytes]) -> Path:
        """A file of request bodies to send in turn."""
        path = Path(self._folder.name) / name
        path.write_bytes(b"\n".join(bodies) + b"\n")
        return path

    def run(self, server: Server, path: str, bodies: Path, connections: int, seconds: float) -> Load:
        """One round of POST requests; a failure to reach the server ends the benchmark."""
        command = ["taskset", "-c", str(self._core), "wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s"]
        command += ["--timeout", "10s", "-s", str(SCRIPT), server.url + path, "--", str(bodies)]
        before = server.processor()
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 30)
        found = json.loads(answer.stdout.strip().splitlines()[-1])
        good = max(found["requests"] - found["failed"], 1)
        cost = 1e6 * (server.processor() - before) / good
        return Load(good / found["seconds"], found["p50"], found["p99"], found["failed"], cost)
