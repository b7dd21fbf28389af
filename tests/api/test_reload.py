"""Another bundle in the place of the one that is served: both phases, every refusal, and never a failed request."""

from __future__ import annotations

import json
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from serving import Client, Server, parsed_metrics, read_answer, request
from support import FULL, edit_params, invoke, succeed

from lockgate.service.bundle import read_bundle
from lockgate.service.settings import Settings
from lockgate.service.worker import Worker

RELOADS = 100 if FULL else 20


@dataclass(frozen=True)
class TwoBundles:
    """A folder whose `models` and `reports` can be those of either of two bundles, by digest."""

    folder: Path
    sources: dict[str, Path]

    @property
    def digests(self) -> list[str]:
        """Of the first and of the second."""
        return list(self.sources)

    def put(self, digest: str) -> None:
        """Let this bundle and its verdict be in the place of the other, as one rename."""
        link = self.folder / ".link"
        link.symlink_to(self.sources[digest], target_is_directory=True)
        link.replace(self.folder / "models")


@pytest.fixture(scope="session")
def other_project(trained_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another model of the same data, that passed its gate."""
    folder = tmp_path_factory.mktemp("other") / "project"
    shutil.copytree(trained_project, folder)
    edit_params(folder, train={"learning_rate": 0.2})
    for command in ("train", "evaluate", "gate"):
        succeed(invoke(folder, command))
    return folder


@pytest.fixture
def two(trained_project: Path, other_project: Path, tmp_path: Path) -> TwoBundles:
    """The two bundles; the first is in its place."""
    sources = {}
    for name, project in (("first", trained_project), ("second", other_project)):
        shutil.copytree(project / "models", tmp_path / name)
        shutil.copy(project / "reports" / "gate.json", tmp_path / name)
        sources[read_bundle(tmp_path / name).digest] = tmp_path / name
    (tmp_path / "service").mkdir()
    found = TwoBundles(tmp_path / "service", sources)
    found.put(found.digests[0])
    return found


@pytest.fixture
def start(two: TwoBundles, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """`start("--workers", "2")`: the command, which serves the first of the two."""
    servers: list[Server] = []

    def start_one(*options: str) -> Server:
        servers.append(Server(two.folder, options, tmp_path / "log"))
        return servers[-1]

    yield start_one
    for server in servers:
        server.kill()


def metrics_of(server: Server) -> dict[str, float]:
    """What a scrape of it says."""
    found: dict[str, float] = parsed_metrics(server.ask("GET", "/metrics")[2].decode())
    return found


def reload(server: Server, result: str) -> dict[str, Any]:
    """SIGHUP; the event that says how the reload ended, which is to be with `result`."""
    before = len(ended(server))
    server.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + 60
    while len(found := ended(server)) == before:
        assert time.monotonic() < end, server.log()
        time.sleep(0.01)
    assert found[-1]["event"] == f"reload-{result}", server.log()
    return found[-1]


def ended(server: Server) -> list[dict[str, Any]]:
    """The events of reloads that have ended."""
    results = {f"reload-{one}" for one in ("switched", "unchanged", "refused", "failed")}
    return [one for one in server.events() if one["event"] in results]


def served_by(server: Server) -> str:
    """The digest of the model that answers."""
    found: str = json.loads(server.ask("GET", "/health")[2])["model"]
    return found


@dataclass
class Clients:
    """Connections that ask the same rows again and again, and what was wrong with any answer."""

    server: Server
    bodies: list[bytes]
    expected: dict[str, list[float]]  # by digest, the probability of each row
    asked: dict[str, int] = field(default_factory=dict)  # answers by digest
    wrong: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    opened: int = 0

    def run(self, number: int) -> None:
        """One connection, kept open."""
        with self.server.connect() as connection:
            self.opened += 1
            row = number
            while not self.stopped.is_set():
                row = (row + 1) % len(self.bodies)
                try:
                    connection.sendall(request("POST", "/predict", self.bodies[row]))
                    status, headers, body = read_answer(connection)
                except OSError as error:
                    self.wrong.append(repr(error))
                    return
                answer = json.loads(body)
                digest = answer.get("model", "")
                expected = self.expected.get(digest, [])
                if status != 200 or headers["x-model-digest"] != digest or answer["probability"] != expected[row]:
                    self.wrong.append(f"{status} {headers} {answer}")
                self.asked[digest] = self.asked.get(digest, 0) + 1


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("options", [(), ("--no-fast-path",)], ids=["fast path", "ASGI"])
def test_no_request_fails_while_models_change(
    start: Callable[..., Server], two: TwoBundles, rows: Any, tmp_path: Path, workers: int, options: tuple[str, ...]
) -> None:
    logged = tmp_path / "decisions"
    server = start("--workers", str(workers), "--decision-log", str(logged), "--drain-seconds", "0.2", *options)
    bodies = [json.dumps(row).encode() for row in rows[:40]]
    expected = {
        digest: [
            one["probability"]
            for one in Client(Worker(read_bundle(source), "pass", Settings()))
            .ask("/predict/batch", {"rows": rows[:40]})
            .json["rows"]
        ]
        for digest, source in two.sources.items()
    }
    first, second = two.digests
    assert sum(a != b for a, b in zip(expected[first], expected[second], strict=True)) > 30
    clients = Clients(server, bodies, expected)
    with ThreadPoolExecutor(6) as pool:
        running = [pool.submit(clients.run, number * 7) for number in range(6)]
        try:
            for place in range(RELOADS):
                two.put(two.digests[(place + 1) % 2])
                switched = reload(server, "switched")
                assert (switched["previous"], switched["model"]) == (
                    two.digests[place % 2],
                    two.digests[(place + 1) % 2],
                )
        finally:
            clients.stopped.set()
        for one in running:
            one.result(30)
    assert clients.wrong == []
    assert set(clients.asked) == {first, second}
    metrics = metrics_of(server)
    assert metrics["lockgate_reloads_total{result=switched}"] == RELOADS
    for digest in (first, second):
        counted = sum(
            metrics[f"lockgate_predictions_total{{decision={one},digest={digest}}}"]
            for one in ("favourable", "unfavourable")
        )
        assert counted >= clients.asked[digest] > 0
    server.terminate()
    assert server.process.wait(30) == 0
    assert len(server.named("worker-ended")) == workers
    rows_logged = pd.concat([pd.read_parquet(path) for path in logged.glob("*.parquet")])
    assert rows_logged["lockgate_digest"].value_counts().to_dict() == clients.asked
    scored = {digest: set(values) for digest, values in expected.items()}
    assert all(
        score in scored[digest]
        for digest, score in zip(rows_logged["lockgate_digest"], rows_logged["lockgate_score"], strict=True)
    )
