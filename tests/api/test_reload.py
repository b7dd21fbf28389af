"""Another bundle in the place of the one that is served: both phases, every refusal, and never a failed request."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from serving import Client, Server, StartServer, change_bundle, read_answer, request, starting_servers, wait_until
from support import FULL

from lockgate.config.errors import InputError
from lockgate.service.bundle import read_bundle
from lockgate.service.settings import Settings
from lockgate.service.worker import Worker

RELOADS = 40 if FULL else 6


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
def start(two: TwoBundles, tmp_path: Path) -> Iterator[StartServer]:
    """`start("--workers", "2")`: the command, which serves the first of the two."""
    with starting_servers(two.folder, tmp_path) as start:
        yield start


def begin_and_read(server: Server) -> None:
    """SIGHUP; return once the bundle is read, and the workers are to prepare it."""
    workers = server.workers()
    server.process.send_signal(signal.SIGHUP)
    server.wait_for("reload-begins")
    wait_until(lambda: server.workers() == workers)  # the process that reads is beside them, and has ended


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
    answered: list[str] = field(default_factory=list)  # the digest of each answer
    wrong: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    opened: int = 0

    @property
    def asked(self) -> dict[str, int]:
        """Answers by digest."""
        return dict(Counter(self.answered))

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
                self.answered.append(digest)  # which no other thread comes between, as it may where one is added


@pytest.mark.parametrize(
    ("workers", "options"),
    [
        pytest.param(1, (), marks=pytest.mark.full),
        (2, ()),
        pytest.param(1, ("--no-fast-path",), marks=pytest.mark.full),
        pytest.param(2, ("--no-fast-path",), marks=pytest.mark.full),
    ],
    ids=["1-fast path", "2-fast path", "1-ASGI", "2-ASGI"],
)
def test_no_request_fails_while_models_change(
    start: StartServer, two: TwoBundles, rows: Any, tmp_path: Path, workers: int, options: tuple[str, ...]
) -> None:
    logged = tmp_path / "decisions"
    patient = ("--max-wait", "10", "--target-wait", "10")  # a machine that is busy with other tests is no overload
    server = start(
        "--workers", str(workers), "--decision-log", str(logged), "--drain-seconds", "0.2", *patient, *options
    )
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
                switched = server.reload("switched")
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
    metrics = server.metrics()
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


def damaged(two: TwoBundles) -> str:
    """The second bundle, with a byte too many in a file."""
    source = two.sources[two.digests[1]]
    (source / "golden.json").write_bytes((source / "golden.json").read_bytes() + b" ")
    two.put(two.digests[1])
    return "golden.json is corrupted"


def without_verdict(two: TwoBundles) -> str:
    """The second bundle, of which no gate has said anything."""
    (two.sources[two.digests[1]] / "gate.json").unlink()
    two.put(two.digests[1])
    return "gate.json does not exist"


def blocked(two: TwoBundles) -> str:
    """The second bundle, which the gate blocked."""
    path = two.sources[two.digests[1]] / "gate.json"
    gate = json.loads(path.read_bytes())
    gate["verdict"] = "block"
    gate["checks"][0]["status"] = "block"
    path.write_text(json.dumps(gate))
    two.put(two.digests[1])
    return "gate.json"


def of_another(two: TwoBundles) -> str:
    """The second bundle with the verdict of the first."""
    first, second = two.sources.values()
    shutil.copy(first / "gate.json", second)
    two.put(two.digests[1])
    return "gate.json"


def absent(two: TwoBundles) -> str:
    """No folder at all."""
    (two.folder / "models").unlink()
    return "models"


def of_wrong_golden_rows(two: TwoBundles) -> str:
    """Whole and gated, but its model does not give its golden probabilities: only a worker that prepares it sees that."""
    folder = two.folder.parent / "wrong"
    (folder / "reports").mkdir(parents=True)
    source = two.sources[two.digests[1]]
    shutil.copytree(source, folder / "models")
    shutil.move(folder / "models" / "gate.json", folder / "reports")
    change_bundle(folder, "golden.json", lambda one: one.update(probabilities=[0.5, *one["probabilities"][1:]]))
    shutil.move(folder / "reports" / "gate.json", folder / "models")
    two.sources["wrong"] = folder / "models"
    two.put("wrong")
    return "does not give the probabilities in golden.json"


WAYS = (damaged, without_verdict, blocked, of_another, absent, of_wrong_golden_rows)
QUICK_WAYS = (
    damaged,
    blocked,
    of_wrong_golden_rows,
)  # the others are refused by the same function, as test_start.py has it


@pytest.mark.parametrize(
    "spoil",
    [pytest.param(one, id=one.__name__, marks=() if one in QUICK_WAYS else pytest.mark.full) for one in WAYS],
)
def test_what_is_not_to_be_served_is_refused_and_the_old_model_stays(
    start: StartServer, two: TwoBundles, body: bytes, spoil: Callable[[TwoBundles], str]
) -> None:
    server = start("--workers", "2", "--drain-seconds", "0.2")
    workers = server.workers()
    said = spoil(two)
    refused = server.reload("refused")
    assert said in refused["message"]
    assert "\n" not in refused["message"]
    assert (refused["level"], refused["model"]) == ("error", two.digests[0])
    assert server.workers() == workers
    assert {served_by(server) for _ in range(6)} == {two.digests[0]}
    assert server.ask("POST", "/predict", body)[0] == 200
    metrics = server.metrics()
    assert metrics["lockgate_reloads_total{result=refused}"] == 1
    assert {series.partition("digest=")[2][:64] for series in metrics if "digest=" in series} == {two.digests[0]}
    two.put(two.digests[0])
    server.reload("unchanged")
    server.terminate()
    assert server.process.wait(30) == 0


def test_the_same_bundle_changes_nothing(start: StartServer, two: TwoBundles) -> None:
    server = start()
    workers = server.workers()
    two.put(two.digests[0])
    assert server.reload("unchanged")["model"] == two.digests[0]
    assert server.workers() == workers
    assert server.metrics()["lockgate_reloads_total{result=unchanged}"] == 1


def test_a_worker_that_starts_later_serves_the_model_of_now(start: StartServer, two: TwoBundles) -> None:
    server = start()
    two.put(two.digests[1])
    server.reload("switched")
    two.put(two.digests[0])  # lies there, and nobody asked for it
    os.kill(server.workers()[0], signal.SIGKILL)
    server.wait_for("worker-restarted")
    assert served_by(server) == two.digests[1]
    assert json.loads(server.ask("GET", "/health")[2])["verdict"] == "pass"


def test_a_worker_that_ends_meanwhile_leaves_all_with_the_old_model(start: StartServer, two: TwoBundles) -> None:
    server = start("--workers", "2", "--drain-seconds", "0.2")
    stopped = server.workers()[0]
    os.kill(stopped, signal.SIGSTOP)  # it cannot prepare anything
    two.put(two.digests[1])
    begin_and_read(server)
    os.kill(stopped, signal.SIGKILL)
    (failed,) = server.wait_for("reload-failed")
    assert failed["message"] == "a worker ended meanwhile"
    server.wait_for("worker-restarted")
    assert {served_by(server) for _ in range(10)} == {two.digests[0]}
    assert server.reload("switched")["model"] == two.digests[1]
    assert {served_by(server) for _ in range(10)} == {two.digests[1]}


def test_a_reload_that_takes_too_long_is_given_up(start: StartServer, two: TwoBundles) -> None:
    server = start("--workers", "2", "--reload-seconds", "5", "--hang-seconds", "60")
    stopped = server.workers()[0]
    os.kill(stopped, signal.SIGSTOP)
    two.put(two.digests[1])
    assert server.reload("failed")["message"] == "it took longer than 5 s"
    os.kill(stopped, signal.SIGCONT)
    assert {served_by(server) for _ in range(10)} == {two.digests[0]}
    assert server.reload("switched")["model"] == two.digests[1]
    assert {served_by(server) for _ in range(10)} == {two.digests[1]}


def test_a_hangup_during_a_reload_is_followed_after_it(start: StartServer, two: TwoBundles) -> None:
    """What lay there when the second came may be newer than what the first one read."""
    server = start("--workers", "2", "--hang-seconds", "60")
    stopped = server.workers()[0]
    os.kill(stopped, signal.SIGSTOP)
    two.put(two.digests[1])
    begin_and_read(server)
    two.put(two.digests[0])
    for _ in range(3):
        server.process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    os.kill(stopped, signal.SIGCONT)
    switched = server.wait_for("reload-switched", 2)
    assert [one["model"] for one in switched] == [two.digests[1], two.digests[0]]
    time.sleep(1.0)
    assert len(server.named("reload-begins")) == 2


def test_a_bundle_that_never_ends_stops_nothing(start: StartServer, two: TwoBundles, body: bytes) -> None:
    server = start("--reload-seconds", "1", "--drain-seconds", "0.2")
    source = two.sources[two.digests[1]]
    (source / "model.onnx").unlink()
    os.mkfifo(source / "model.onnx")  # to which nobody writes
    two.put(two.digests[1])
    server.process.send_signal(signal.SIGHUP)
    server.wait_for("reload-begins")
    assert server.ask("POST", "/predict", body)[0] == 200
    wait_until(lambda: bool(server.reloads()))
    assert server.reloads()[0]["event"] in ("reload-refused", "reload-failed")
    server.terminate()
    assert server.process.wait(30) == 0


def test_the_end_of_the_service_ends_a_reload(start: StartServer, two: TwoBundles) -> None:
    server = start("--workers", "2", "--drain-seconds", "0.2", "--hang-seconds", "1")
    os.kill(server.workers()[0], signal.SIGSTOP)
    two.put(two.digests[1])
    server.process.send_signal(signal.SIGHUP)
    server.wait_for("reload-begins")
    server.terminate()
    (failed,) = server.wait_for("reload-failed")
    assert failed["message"] == "the service ends"
    assert server.process.wait(30) == 0


def reload_by_admin(server: Server) -> tuple[int, Any]:
    """Status and JSON of POST /admin/reload."""
    status, _, body = server.ask_admin("POST", "/admin/reload")
    return status, json.loads(body)


def test_the_admin_port_reloads_and_says_what_came_of_it(start: StartServer, two: TwoBundles) -> None:
    server = start("--workers", "2", "--admin-port", "0")
    first, second = two.digests
    assert server.ask_admin("GET", "/ready")[0] == server.ask_admin("GET", "/health")[0] == 200
    assert b"lockgate_reloads_total" in server.ask_admin("GET", "/metrics")[2]
    status, answer = reload_by_admin(server)
    assert (status, answer["result"], answer["model"], answer["previous"]) == (200, "unchanged", first, first)
    two.put(second)
    status, answer = reload_by_admin(server)
    assert (status, answer["result"], answer["model"], answer["previous"]) == (200, "switched", second, first)
    assert set(answer) == {"result", "model", "previous", "request_id"}
    assert {served_by(server) for _ in range(10)} == {second}, "it is answered when every worker serves it"
    two.put(first)
    (two.sources[first] / "gate.json").unlink()
    status, answer = reload_by_admin(server)
    assert (status, answer["code"]) == (422, "reload-refused")
    assert "gate.json does not exist" in answer["detail"][0]["msg"]
    assert served_by(server) == second


def test_a_second_reload_has_to_wait_for_the_first(start: StartServer, two: TwoBundles) -> None:
    """Several at once: one is done, and the others are told to come again."""
    server = start("--admin-port", "0")
    two.put(two.digests[1])
    with ThreadPoolExecutor(4) as pool:
        found = [one.result(60) for one in [pool.submit(server.ask_admin, "POST", "/admin/reload") for _ in range(4)]]
    by_status = {status: (headers.get("retry-after"), json.loads(body)) for status, headers, body in found}
    assert set(by_status) == {200, 503}
    assert by_status[503][0] == "1"
    assert by_status[503][1]["code"] == "reload-busy"
    assert by_status[200][1]["result"] == "switched"
    assert server.metrics()["lockgate_reloads_total{result=switched}"] == 1


def test_what_is_the_admin_ports_is_not_on_the_main_one(start: StartServer, two: TwoBundles) -> None:
    server = start("--admin-port", "0", "--no-public-metrics")
    two.put(two.digests[1])
    assert server.ask("POST", "/admin/reload")[0] == 404
    assert server.ask("GET", "/metrics")[0] == 404
    assert "/metrics" not in json.loads(server.ask("GET", "/openapi.json")[2])["paths"]
    assert served_by(server) == two.digests[0]
    assert server.ask_admin("GET", "/metrics")[0] == 200
    for path in ("/predict", "/predict/batch", "/explain"):
        assert server.ask_admin("POST", path)[0] == 404
    for path in ("/docs", "/openapi.json", "/drift"):
        assert server.ask_admin("GET", path)[0] == 404
    status, headers, _ = server.ask_admin("GET", "/admin/reload")
    assert (status, headers["allow"]) == (405, "POST")


def test_the_admin_port_asks_for_the_token_before_a_reload(start: StartServer, two: TwoBundles, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("a-token-of-the-operators\n")
    server = start("--admin-port", "0", "--token-file", str(tmp_path / "tokens"))
    assert server.ask_admin("POST", "/admin/reload")[0] == 401
    assert server.ask_admin("POST", "/admin/reload", authorization="Bearer a-token-of-the-operators")[0] == 200
    assert [server.ask_admin("GET", path)[0] for path in ("/ready", "/health", "/metrics")] == [200] * 3


def test_without_an_admin_port_there_is_none(start: StartServer) -> None:
    server = start()
    assert "admin" not in server.named("ready")[0]
    assert server.ask("POST", "/admin/reload")[0] == 404
    with pytest.raises(InputError, match="leaves /metrics nowhere"):
        Settings(public_metrics=False)
