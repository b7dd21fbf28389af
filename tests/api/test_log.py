"""What the service logs over its life: every event is a line of JSON that names its process, its model and its request."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from drift_results import drift_result, feature_drift
from serving import Client, Server, parsed_metrics, read_answer, request

from lockgate.config.version import __version__
from lockgate.service.bundle import VerifiedBundle

Start = Callable[..., Server]
Ask = Callable[..., int]
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"
SERVER_TIMING = re.compile(rf"trace;desc=00-{TRACE_ID}-([0-9a-f]{{16}})-01")


def event_of(server: Server, name: str, times: int = 1, **fields: Any) -> dict[str, Any]:
    """The last of so many events of this name, once they are logged."""
    deadline = time.monotonic() + 60
    while True:
        found = [one for one in server.events() if one["event"] == name and fields.items() <= one.items()]
        if len(found) >= times:
            return found[times - 1]
        assert time.monotonic() < deadline, server.log()
        time.sleep(0.05)


def test_a_life(start_server: Start, bundle: VerifiedBundle, body: bytes, tmp_path: Path) -> None:
    decisions = tmp_path / "decisions"
    drift = "http://me:secret@127.0.0.1:1/drift.json"
    server = start_server(
        "--workers", "2", "--drain-seconds", "0.2", "--decision-log", str(decisions), "--log-seconds", "3600", "--drift", drift
    )  # fmt: skip
    start = event_of(server, "start")
    assert (start["version"], start["verdict"], start["model"]) == (__version__, "pass", bundle.digest)
    assert "--workers=2" in start["options"].split()
    assert "--log-seconds=3600.0" in start["options"].split()
    assert "--grace-seconds" not in start["options"]  # it has its default
    ready = event_of(server, "ready")
    assert ready["message"] == f"serving {bundle.digest[:12]} (pass) on {ready['url']}"
    assert event_of(server, "drift-source-failing")["source"] == "http://127.0.0.1:1/drift.json"

    assert server.ask("POST", "/predict", body[:-1], x_request_id="cut", traceparent=TRACEPARENT)[0] == 400
    refused = event_of(server, "refused", request_id="cut")
    assert (refused["reason"], refused["status"], refused["route"]) == ("malformed-json", 400, "/predict")
    assert (refused["trace_id"], refused["model"], refused["level"]) == (TRACE_ID, bundle.digest, "info")
    assert server.ask("GET", "/no/such/path")[0] == 404
    assert event_of(server, "refused", reason="not-found")["route"] == "other"
    with server.connect() as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        assert read_answer(connection)[0] == 400
    assert event_of(server, "refused", reason="invalid-http")["status"] == 400

    for _ in range(40):  # some of them for either worker
        assert server.ask("POST", "/predict", body)[0] == 200
    queued = parsed_metrics(server.ask("GET", "/metrics")[2].decode())["lockgate_decision_log_queued_rows"]
    assert queued == 40
    workers = children(server)
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    ended = [event_of(server, "worker-ended", number, signal="SIGKILL") for number in (1, 2)]
    assert {one["ended"] for one in ended} == set(workers)
    assert {one["level"] for one in ended} == {"warning"}
    back = [event_of(server, "worker-restarted", number) for number in (1, 2)]
    assert {one["worker"] for one in back} == {0, 1}
    lost = sum(one["rows"] for one in server.events() if one["event"] == "decision-rows-lost")
    metrics = parsed_metrics(server.ask("GET", "/metrics")[2].decode())
    assert metrics["lockgate_decision_log_lost_rows_total"] == lost == 40
    assert metrics["lockgate_decision_log_queued_rows"] == 0
    assert metrics["lockgate_worker_restarts_total{reason=killed}"] == 2
    assert not decisions.exists()

    assert server.ask("POST", "/predict", body)[0] == 200
    server.terminate()
    assert server.process.wait(timeout=30) == 0
    names = [one["event"] for one in server.events()]
    assert (names[0], names[-1]) == ("start", "end")
    assert names.count("worker-drains") == names.count("worker-drained") == 2
    assert event_of(server, "worker-drained")["cut"] == 0
    assert names.index("drain") < names.index("worker-drains")
    assert [one["level"] for one in server.events() if one["event"] == "worker-ended"][2:] == ["info", "info"]
    assert len(list(decisions.iterdir())) == 1  # what a worker that is not killed has decided is written
    assert_well_formed(server)
    assert "secret" not in server.log()


def children(server: Server) -> list[int]:
    pid = server.process.pid
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def assert_well_formed(server: Server) -> None:
    for line in server.log().splitlines():
        said = json.loads(line)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", said["time"]), line
        assert said["level"] in ("info", "warning", "error"), line
        assert said["pid"] > 0, line


def test_a_worker_that_cannot_write_says_so_and_recovers(start_server: Start, body: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "decisions"
    folder.write_text("a file where the folder should be")
    server = start_server("--decision-log", str(folder), "--log-rows", "1", "--drain-seconds", "0")
    server.ask("POST", "/predict", body)
    failing = event_of(server, "decision-log-failing")
    assert (failing["level"], failing["folder"]) == ("error", str(folder))
    folder.unlink()
    assert event_of(server, "decision-log-recovered")["rows"] == 1


def test_a_drift_source_is_named_when_it_fails_and_when_it_is_back(
    make_client: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    drift = tmp_path / "drift.json"
    nightly = make_client(drift=str(drift)).worker.nightly
    for _ in range(3):
        nightly.read()
    drift.write_bytes(drift_result(feature_drift()).to_bytes())
    for _ in range(3):
        nightly.read()
    failing, recovered = [one.getMessage() for one in caplog.records]
    assert failing == f'drift-source-failing source={drift} why="No such file or directory"'
    assert recovered == f"drift-source-recovered source={drift}"


@pytest.mark.parametrize("options", [(), ("--no-fast-path",)])
def test_the_access_log_has_every_answer(
    start_server: Start, body: bytes, bundle: VerifiedBundle, options: Any
) -> None:
    server = start_server("--access-log", "--drain-seconds", "0", *options)
    asked = server.ask("POST", "/predict?secret=1", body, x_request_id="one", traceparent=TRACEPARENT)
    span = SERVER_TIMING.fullmatch(asked[1]["server-timing"])
    assert span is not None
    said = event_of(server, "request", request_id="one")
    assert 0 < said.pop("seconds") < 5
    for name in ("time", "pid"):
        said.pop(name)
    assert said == {
        "level": "info",
        "event": "request",
        "worker": 0,
        "model": bundle.digest,
        "method": "POST",
        "path": "/predict",
        "status": 200,
        "bytes": len(asked[2]),
        "client": "127.0.0.1",
        "request_id": "one",
        "trace_id": TRACE_ID,
        "span_id": span[1],
    }
    server.ask("GET", "/health", x_request_id="two")
    assert not {"trace_id", "span_id"} & event_of(server, "request", request_id="two").keys()
    server.ask("HEAD", "/health", x_request_id="three")
    said = event_of(server, "request", request_id="three")
    assert (said["method"], said["status"], said["bytes"]) == ("HEAD", 200, 0)
    with server.connect() as connection:
        connection.sendall(b"HEAD / HTTP/1.1\r\nhost: a\r\nhost: b\r\nx-request-id: refused\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")
    said = event_of(server, "request", request_id="refused")
    assert (said["method"], said["path"], said["status"], said["bytes"]) == ("HEAD", "/", 400, 0)
    assert "seconds" not in said
    server.ask("GET", "/docs", x_request_id="proxied", x_forwarded_for="10.1.2.3", x_forwarded_proto="https")
    assert event_of(server, "request", request_id="proxied")["client"] == "127.0.0.1"
    server.ask("GET", "/a%0a%1b[2J" + "x" * 1000, x_request_id="four")
    said = event_of(server, "request", request_id="four")
    assert (said["status"], len(said["path"])) == (404, 203)
    assert said["path"].startswith("/a\n\x1b[2Jxxx")
    assert "secret" not in server.log()
    assert_well_formed(server)


def test_without_it_no_answer_is_logged(start_server: Start, body: bytes) -> None:
    server = start_server("--drain-seconds", "0")
    server.ask("POST", "/predict", body)
    server.terminate()
    server.process.wait(timeout=30)
    assert "request" not in [one["event"] for one in server.events()]


@contextmanager
def serving(
    folder: Path, *options: str, stderr: Any = subprocess.PIPE
) -> Iterator[tuple[subprocess.Popen[bytes], Ask]]:
    """The command as a process of a port that is known before, and a function that asks it on one connection."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "lockgate", "serve", "--port", str(port), "--drain-seconds", "0", *options]
    process = subprocess.Popen(command, cwd=folder, stderr=stderr)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                connection = socket.create_connection(("127.0.0.1", port), timeout=30)
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.05)

        def ask(method: str, path: str, body: bytes = b"") -> int:
            connection.sendall(request(method, path, body))
            return read_answer(connection)[0]

        with connection:
            while ask("GET", "/ready") != HTTPStatus.OK:
                time.sleep(0.05)
            yield process, ask
    finally:
        process.kill()
        process.wait()


def test_a_log_that_nobody_reads_holds_up_no_answer(trained_project: Path, body: bytes) -> None:
    with serving(trained_project, "--access-log") as (process, ask):
        for _ in range(1_000):  # 300 kB, of which a pipe holds 64
            assert ask("POST", "/predict", body) == 200
        process.terminate()
        process.communicate(timeout=30)
        assert process.returncode == 0


@pytest.mark.parametrize(
    ("change", "reason", "at"),
    [
        ({"income": "Confidential"}, "invalid-request", "body.income"),
        ({"housing": "Confidential"}, "unseen-category", "body.housing"),
        ({"Confidential": 1}, "invalid-request", "body"),
    ],
)
def test_a_refused_row_is_named_without_what_was_sent(
    client: Client, rows: Any, caplog: pytest.LogCaptureFixture, change: Any, reason: str, at: str
) -> None:
    caplog.set_level("INFO")
    assert client.ask("/predict", {**rows[0], **change}).status == HTTPStatus.UNPROCESSABLE_ENTITY
    (record,) = [one for one in caplog.records if one.getMessage().startswith("refused ")]
    said = record.getMessage()
    assert f"reason={reason} " in said
    assert f" at={at} " in said
    assert "Confidential" not in said


def test_refusals_of_one_kind_are_sampled(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    for _ in range(50):
        assert client.ask("/predict", b"{").status == 400
    client.worker.request_log.flush(last=True)
    first, last = [one.getMessage() for one in caplog.records if one.getMessage().startswith("refused ")]
    assert "left_out" not in first
    assert last == "refused reason=malformed-json route=/predict left_out=49"


def test_a_defect_is_logged_with_its_request(client: Client, body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("a defect")

    client.worker.state.predictor.model.one = fail  # type: ignore[method-assign, assignment]
    assert client.ask("/predict", body, x_request_id="r-1", traceparent=TRACEPARENT).status == 500
    (record,) = [one for one in caplog.records if one.getMessage().startswith("request-failed ")]
    assert f"route=/predict request_id=r-1 trace_id={TRACE_ID} " in record.getMessage()
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "a defect"


def test_a_trace_is_answered_and_others_are_ignored(client: Client, body: bytes) -> None:
    for path, sent in [("/predict", body), ("/health", b""), ("/docs", b""), ("/nothing", b"")]:
        answer = client.ask(path, sent, traceparent=TRACEPARENT, tracestate="congo=t61rcWkgMzE")
        assert SERVER_TIMING.fullmatch(answer.headers["server-timing"])
        assert "tracestate" not in answer.headers
        assert "server-timing" not in client.ask(path, sent).headers
        assert "server-timing" not in client.ask(path, sent, traceparent=TRACEPARENT.upper()).headers


def test_a_refusal_of_the_connection_answers_its_trace(start_server: Start, body: bytes) -> None:
    server = start_server("--max-body-bytes", "100", "--drain-seconds", "0")
    status, headers, _ = server.ask("POST", "/predict", body, traceparent=TRACEPARENT, x_request_id="large")
    assert (status, headers["x-request-id"]) == (413, "large")
    assert SERVER_TIMING.fullmatch(headers["server-timing"])
    assert event_of(server, "refused", reason="body-too-large")["trace_id"] == TRACE_ID


def test_two_traceparents_are_none(start_server: Start) -> None:
    server = start_server("--drain-seconds", "0")
    with server.connect() as connection:
        line = f"traceparent: {TRACEPARENT}\r\n".encode()
        connection.sendall(
            b"GET /health HTTP/1.1\r\nhost: a\r\n" + line + line.replace(b"trace", b"TRACE", 1) + b"\r\n"
        )
        assert "server-timing" not in read_answer(connection)[1]


def test_text_on_request(trained_project: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as stream, serving(trained_project, "--log-format", "text", stderr=stream):
        ready = r" info    ready serving [0-9a-f]{12} \(pass\) on http://127\.0\.0\.1:\d+ "
        deadline = time.monotonic() + 60
        while not re.search(ready, log.read_text()):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)


def test_a_level_silences_what_is_below_it(trained_project: Path) -> None:
    with serving(trained_project, "--log-level", "error") as (process, ask):
        assert ask("GET", "/nothing") == 404
        process.terminate()
        _, printed = process.communicate(timeout=30)
        assert (process.returncode, printed) == (0, b"")
