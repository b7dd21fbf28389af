"""The receiver as a process: what arrives becomes lines, a dispatch that GitHub would take, or a status that says why not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fake_github import FakeGitHub

RECEIVER = Path(__file__).parents[2] / "monitoring" / "receiver" / "receiver.py"
ALERT = {
    "status": "firing",
    "startsAt": "2026-11-25T03:00:00Z",
    "labels": {
        "alertname": "LockgateLiveDrift",
        "severity": "page",
        "feature": "income",
        "digest": "d",
        "window": "6h",
    },
    "annotations": {"summary": "income has drifted\nnow", "description": "...", "runbook_url": "https://x/#y"},
}
NOTIFICATION = {
    "status": "firing",
    "commonLabels": {"alertname": "LockgateLiveDrift", "severity": "page", "digest": "d", "job": "lockgate"},
    "alerts": [ALERT, {**ALERT, "labels": {**ALERT["labels"], "feature": "age"}}],  # type: ignore[dict-item]
}


@contextmanager
def receiver(**environment: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Its address and its process; what it printed is read after it has ended."""
    process = subprocess.Popen(
        [sys.executable, "-I", RECEIVER],
        env={**os.environ, "RECEIVER_PORT": "0", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield f"http://{process.stdout.readline().split()[-1]}", process
    finally:
        process.kill()
        process.wait()


def printed(process: subprocess.Popen[str]) -> tuple[str, str]:
    process.kill()
    return process.communicate()


def test_each_alert_is_one_line() -> None:
    with receiver() as (address, process):
        assert httpx.get(f"{address}/health").status_code == 200
        assert httpx.post(f"{address}/log", json=NOTIFICATION).status_code == 200
        lines = [json.loads(line) for line in printed(process)[0].splitlines()]
    assert [line["feature"] for line in lines] == ["income", "age"]
    assert lines[0] == {
        "status": "firing",
        "startsAt": "2026-11-25T03:00:00Z",
        "alertname": "LockgateLiveDrift",
        "severity": "page",
        "feature": "income",
        "digest": "d",
        **ALERT["annotations"],  # type: ignore[dict-item]
    }


def test_notifications_that_come_at_the_same_time_share_no_line() -> None:
    with receiver() as (address, process):
        with ThreadPoolExecutor(16) as pool:
            sent = list(pool.map(lambda _: httpx.post(f"{address}/log", json=NOTIFICATION).status_code, range(64)))
        lines = [json.loads(line) for line in printed(process)[0].splitlines()]
    assert sent == [200] * 64
    assert [line["feature"] for line in lines].count("income") == len(lines) / 2 == 64


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        ("/log", b"{", 400),
        ("/log", b"[]", 400),
        ("/log", b'{"alerts": [{}]}', 400),
        ("/log", b"\xff", 400),
        ("/log", b"[" * 100_000, 400),
        ("/log", b" " * (1024 * 1024 + 1), 413),
        ("/github", b"{}", 400),
        ("/elsewhere", b"{}", 404),
    ],
)
def test_what_is_no_notification_is_refused_and_leaves_it_alive(path: str, content: bytes, status: int) -> None:
    with receiver() as (address, _):
        assert httpx.post(f"{address}{path}", content=content).status_code == status
        assert httpx.get(f"{address}/health").status_code == 200


@pytest.fixture
def token(tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.write_text("secret-token\n")
    return str(path)


def post_to_github(address: str, token: str, repository: str = "acme/credit") -> tuple[int, str]:
    settings = {
        "LOCKGATE_GITHUB_REPOSITORY": repository,
        "LOCKGATE_GITHUB_TOKEN_FILE": token,
        "GITHUB_API_URL": address,
    }
    with receiver(**settings) as (own, process):
        answer = httpx.post(f"{own}/github", json=NOTIFICATION, timeout=30)
        out, err = printed(process)
    assert "secret-token" not in out + err
    return answer.status_code, out + err


def test_a_dispatch_is_one_that_github_takes(token: str) -> None:
    with FakeGitHub() as fake:
        assert post_to_github(fake.url, token) == (200, "dispatched lockgate-alert to acme/credit\n")
        (event,) = fake.state["repository_dispatches"]
        assert not fake.problems
    assert event["event_type"] == "lockgate-alert"
    expected: dict[str, Any] = {"alertname": "LockgateLiveDrift", "features": ["age", "income"], "digest": "d"}
    assert expected.items() <= event["client_payload"].items()
    assert len(event["client_payload"]) <= 10


def test_alertmanager_tries_again_where_waiting_may_help(token: str) -> None:
    assert post_to_github("http://127.0.0.1:9", token)[0] == 502


def test_alertmanager_does_not_try_again_where_somebody_has_to_mend_something(token: str) -> None:
    assert post_to_github("http://127.0.0.1:9", "/no/such/file")[0] == 400
    status, said = post_to_github("http://127.0.0.1:9", token, repository="")
    assert (status, said) == (400, "error: no repository to dispatch to; set LOCKGATE_GITHUB_REPOSITORY\n")
