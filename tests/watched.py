"""Real replicas of the service under a real Prometheus, Alertmanager and receiver."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
from watched_configuration import MONITORING, write_alertmanager, write_prometheus

T = TypeVar("T")
PATIENCE = 240.0  # seconds; what takes a second takes many on a machine that does other things too


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_for(what: str, find: Callable[[], T]) -> T:
    """The first answer of `find` that is true; AssertionError naming `what` where there is none in time."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            if found := find():
                return found
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"waited {PATIENCE:g} s for {what}")


class Watched:
    """A context: replicas by job, started and scraped once when it is entered, ended when it is left."""

    def __init__(self, folder: Path, jobs: dict[str, list[list[str]]], project: Path) -> None:
        """`jobs` has, by job, the further arguments of each replica's `lockgate serve` in `project`."""
        self._folder, self._jobs, self._project = folder, jobs, project
        self._ends = ExitStack()
        self.replicas: dict[str, list[str]] = {}
        self.prometheus = f"http://127.0.0.1:{free_port()}"
        self.alertmanager = f"http://127.0.0.1:{free_port()}"

    def __enter__(self) -> Self:
        with ExitStack() as ends:
            self._ends = ends
            receiver = self._start_and_read_address(
                "receiver", [sys.executable, MONITORING / "receiver" / "receiver.py"]
            )
            self._start_alertmanager(receiver)
            self._start_replicas()
            self._start_prometheus()
            self._ends = ends.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The instant vector of `expr` now."""
        answer = httpx.post(f"{self.prometheus}/api/v1/query", data={"query": expr}).json()
        assert answer["status"] == "success", (expr, answer)
        if answer["data"]["resultType"] == "scalar":
            return [{"metric": {}, "value": answer["data"]["result"]}]
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def query_range(self, expr: str) -> list[dict[str, Any]]:
        """The series of `expr` over the last half minute, as a panel asks for them."""
        now = time.time()
        parameters = {"query": expr, "start": str(now - 30), "end": str(now), "step": "5"}
        answer = httpx.post(f"{self.prometheus}/api/v1/query_range", data=parameters).json()
        assert answer["status"] == "success", (expr, answer)
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def received(self) -> list[dict[str, Any]]:
        """Every alert that reached the receiver."""
        lines = (self._folder / "receiver.log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def _start(self, name: str, command: list[Any], **environment: str) -> None:
        log = self._ends.enter_context((self._folder / f"{name}.log").open("w"))
        process = subprocess.Popen(
            list(map(str, command)),
            stdout=log,
            stderr=log,
            cwd=self._project,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        )
        self._ends.callback(process.wait)
        self._ends.callback(process.kill)

    def _start_and_read_address(self, name: str, command: list[Any]) -> str:
        self._start(name, command, RECEIVER_PORT="0")
        log = self._folder / f"{name}.log"
        found = wait_for(f"{name} to start", lambda: re.search(r"127\.0\.0\.1:\d+", log.read_text()))
        return found.group()

    def _start_replicas(self) -> None:
        serve = [sys.executable, "-m", "lockgate", "serve", "--port", "0", "--drift-seconds", "1"]
        for job, replicas in self._jobs.items():
            self.replicas[job] = [
                self._start_and_read_address(f"{job}-{number}", [*serve, *arguments])
                for number, arguments in enumerate(replicas)
            ]

    def _start_alertmanager(self, receiver: str) -> None:
        self._start(
            "alertmanager",
            [
                "prometheus-alertmanager",
                f"--config.file={write_alertmanager(self._folder, receiver)}",
                f"--storage.path={self._folder / 'alertmanager'}",
                f"--web.listen-address={_host_and_port(self.alertmanager)}",
                "--cluster.listen-address=",
            ],
        )

    def _start_prometheus(self) -> None:
        own = _host_and_port(self.prometheus)
        path = write_prometheus(self._folder, own, _host_and_port(self.alertmanager), self.replicas)
        store = f"--storage.tsdb.path={self._folder / 'tsdb'}"
        self._start("prometheus", ["prometheus", f"--config.file={path}", store, f"--web.listen-address={own}"])
        counted = 'count by (instance) (lockgate:feature_bin_rows_total:aligned{feature="score"})'
        replicas = sum(map(len, self.replicas.values()))
        # It listens before it can answer, and says 503 until then.
        wait_for("Prometheus to be ready", lambda: httpx.get(f"{self.prometheus}/-/ready").is_success)
        wait_for(
            "the first scrape of every replica to be counted by model",
            lambda: len(self.query(counted)) == replicas,
        )


def _host_and_port(address: str) -> str:
    return address.removeprefix("http://")
