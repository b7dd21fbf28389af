"""app/main.py is the service for any ASGI server, and a team's own to add to."""

from __future__ import annotations

import html
import http.client
import inspect
import json
import shutil
import subprocess
import sys
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from serving import Client, Server, starting_servers
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from support import invoke, succeed
from watched import free_port

from lockgate.service import create_app
from lockgate.service.settings import Settings

APP = Path(__file__).parents[2] / "app/main.py"
OWN_ROUTE = """

@app.get("/team")
def team() -> str:
    return "ours"
"""


def test_another_server_runs_it_and_a_team_adds_a_route(project: Path) -> None:
    (project / "app").mkdir()
    (project / "app/main.py").write_text(APP.read_text() + OWN_ROUTE)
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "app.main:app", "--port", str(port), "--log-level", "error"], cwd=project
    )
    try:
        succeed(invoke(project, "smoke", f"http://127.0.0.1:{port}"))
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        client.request("GET", "/team")
        assert client.getresponse().read() == b'"ours"'
        client.close()
    finally:
        server.terminate()
        server.wait(30)
    assert server.returncode in (0, -15)


def test_a_bundle_that_did_not_pass_is_not_served(project: Path) -> None:
    (project / "reports/gate.json").unlink()
    code = f"import runpy; runpy.run_path({str(APP)!r})"
    ended = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=False)
    assert "InputError" in ended.stderr
    assert "gate.json" in ended.stderr.splitlines()[-1]


class Stamp:
    """A team's own middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-team", b"ours")]
            await send(message)

        await self._app(scope, receive, stamped)


def test_a_team_adds_middleware(trained_project: Path, body: bytes) -> None:
    app = create_app(trained_project / "models", Settings(verdict=trained_project / "reports" / "gate.json"))
    app.add_middleware(Stamp)
    with TestClient(app) as client:
        answer = client.post("/predict", content=body, headers={"content-type": "application/json"})
        refused = client.get("/predict")
    assert (answer.status_code, answer.headers["x-team"]) == (200, "ours")
    assert (refused.status_code, refused.headers["x-team"]) == (405, "ours")


TEAM_APP = f"""
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lockgate.service import create_app

{inspect.getsource(Stamp)}

application = create_app()
application.add_api_route("/team", lambda: "ours")
application.add_middleware(Stamp)
"""


def comparable(answer: tuple[int, dict[str, str], bytes]) -> tuple[int, dict[str, str], bytes]:
    """Without what differs from answer to answer."""
    status, headers, body = answer
    return status, {name: value for name, value in headers.items() if name not in ("date", "x-team")}, body


def test_lockgate_serve_runs_a_teams_application(
    project: Path, other_project: Path, tmp_path: Path, rows: Any, body: bytes
) -> None:
    (project / "app").mkdir()
    (project / "app/main.py").write_text(TEAM_APP)
    with starting_servers(project, tmp_path) as start:
        plain = start("--drain-seconds", "0")
        server = start("--app", "app.main:application", "--workers", "2", "--admin-port", "0", "--drain-seconds", "0")
        asked = [
            ("POST", "/predict", body),
            ("POST", "/predict", b"{}"),
            ("POST", "/predict/batch", json.dumps({"rows": rows[:20]}).encode()),
            ("POST", "/explain", body),
            ("GET", "/health", b""),
            ("GET", "/predict", b""),
        ]
        for one in asked:
            ours, theirs = (each.ask(*one, x_request_id="a") for each in (server, plain))
            assert ours[1]["x-team"] == "ours"
            assert comparable(ours) == comparable(theirs)
        assert server.ask("GET", "/team")[::2] == (200, b'"ours"')
        counted = server.metrics()
        assert counted["lockgate_requests_total{route=/predict,status=200}"] == 1
        assert counted["lockgate_workers_ready"] == 2
        before = digest_of(server)
        for name in ("models", "reports"):
            shutil.rmtree(project / name)
            shutil.copytree(other_project / name, project / name)
        assert server.reload("switched")["previous"] == before
        after = digest_of(server)
        answer = server.ask("POST", "/predict", body)
        assert (json.loads(answer[2])["model"], answer[1]["x-team"]) == (after, "ours")
        assert after != before
        assert "--app=app.main:application" in server.named("start")[0]["options"]
        server.terminate()
        assert server.process.wait(30) == 0


def digest_of(server: Server) -> str:
    """Of the model that answers."""
    found: str = json.loads(server.ask("GET", "/health")[2])["model"]
    return found


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ("app.main", "such as app.main:app"),
        ("nowhere.main:app", "No module named 'nowhere'"),
        ("app.main:absent", 'Attribute "absent" not found'),
        ("app.broken:app", "ZeroDivisionError"),
        ("app.other:app", "create_app()"),
        ("app.given:app", "call create_app() without any"),
    ],
)
def test_an_application_that_is_none_is_refused(project: Path, app: str, said: str) -> None:
    (project / "app").mkdir()
    for name, text in {
        "main": "from lockgate.service import create_app\napp = create_app()\n",
        "broken": "1 / 0\n",
        "other": "from fastapi import FastAPI\napp = FastAPI()\n",
        "given": "from lockgate.service import create_app\napp = create_app('models')\n",
    }.items():
        (project / f"app/{name}.py").write_text(text)
    command = [sys.executable, "-m", "lockgate", "serve", "--port", "0", "--app", app]
    ended = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 2
    assert said in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


def test_an_answer_names_the_model_that_scored_it_though_it_changed_while_the_body_came(
    client: Client, body: bytes
) -> None:
    state = client.worker.state
    other = copy(state.predictor)
    other.bundle = replace(other.bundle, digest="0" * 64)
    other.digest_header = (b"x-model-digest", b"0" * 64)

    def switch() -> None:
        state.predictor = other

    answer = client.ask("/predict", body, chunk=len(body) // 2 + 1, before_the_last_part=switch)
    assert (answer.json["model"], answer.headers["x-model-digest"]) == ("0" * 64, "0" * 64)


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        ({}, "http://service:8000"),
        ({"x-forwarded-prefix": "/scores"}, "http://service:8000/scores"),
        ({"x-forwarded-proto": "https", "x-forwarded-host": "credit.example"}, "https://credit.example"),
        (
            {"x-forwarded-proto": "javascript", "x-forwarded-host": "a b", "x-forwarded-prefix": "//evil"},
            "http://service:8000",
        ),
    ],
)
def test_the_page_has_the_address_that_its_reader_came_by(client: Client, headers: dict[str, str], base: str) -> None:
    page = client.ask("/docs", host="service:8000", **headers).body.decode()
    assert f"curl {base}/health" in html.unescape(page)
    assert "evil" not in page


def test_a_server_that_knows_the_prefix_has_it_on_the_page_and_in_the_document(client: Client) -> None:
    page = client.ask("/scores/docs", root_path="/scores", host="service:8000")
    document = client.ask("/scores/openapi.json", root_path="/scores")
    assert "curl http://service:8000/scores/health" in html.unescape(page.body.decode())
    assert document.json["servers"] == [{"url": "/scores"}]
