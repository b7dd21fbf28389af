"""app/main.py is the service for any ASGI server, and a team's own to add to."""

from __future__ import annotations

import html
import http.client
import subprocess
import sys
from copy import copy
from dataclasses import replace
from pathlib import Path

import pytest
from serving import Client
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
