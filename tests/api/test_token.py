"""A service that asks for a bearer token answers nobody else but its probes, whichever way a request comes in."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from serving import Client, Server, StartServer, parsed_metrics, read_answer, request, wait_until
from support import assert_refused, invoke, succeed

from lockgate.service.api.bearer_token import read_tokens
from lockgate.service.application import create_app
from lockgate.service.settings import settings_of_environment

OLD, NEW = "0123456789abcdef-old", "fedcba9876543210-new"
OPEN = ["/health", "/ready"]
ASKING = ["/predict", "/predict/batch", "/explain", "/drift", "/metrics", "/docs", "/openapi.json", "/elsewhere"]
POSTS = ["/predict", "/predict/batch", "/explain"]


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """Two tokens, as while they are changed."""
    file = tmp_path / "tokens"
    file.write_text(f"{OLD}\n{NEW}\n")
    return file


@pytest.fixture
def client(make_client: Callable[..., Client], token_file: Path) -> Client:
    """A service that asks for one of them."""
    return make_client(token_file=token_file, tokens=read_tokens(token_file, {}))


def body_of(path: str, row: dict[str, Any]) -> bytes:
    sent = {"rows": [row]} if path == "/predict/batch" else row
    return json.dumps(sent).encode() if path in POSTS else b""


@pytest.mark.parametrize("path", ASKING)
def test_without_a_token_a_path_answers_401_and_with_one_as_ever(client: Client, rows: Any, path: str) -> None:
    body = body_of(path, rows[0])
    refused = client.ask(path, body)
    assert (refused.status, refused.json["code"]) == (401, "unauthorized")
    assert refused.json["detail"] == [
        {"loc": ["header", "authorization"], "msg": "send `Authorization: Bearer TOKEN`, once"}
    ]
    assert refused.headers["www-authenticate"] == 'Bearer realm="lockgate"'
    assert {"x-request-id", "x-model-digest"} <= set(refused.headers)
    for token in (OLD, NEW):
        answered = client.ask(path, body, authorization=f"bearer {token}")
        assert answered.status == (404 if path == "/elsewhere" else 200), answered.body


@pytest.mark.parametrize("path", OPEN)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_probes_bring_no_token(client: Client, path: str, method: str) -> None:
    assert client.ask(path, method=method).status in (200, 503)  # nothing has started it, so it is not ready


def test_the_token_comes_before_everything_else_that_is_wrong(client: Client) -> None:
    mark = "zq7mark"
    for path, body, headers in [
        ("/predict", mark.encode(), {}),
        ("/predict", b"x" * 10_000_000, {}),
        ("/predict", b"{}", {"content_type": "text/plain"}),
        ("/predict", b"", {}),
        ("/explain?reasons=x", b"{}", {}),
    ]:
        refused = client.ask(path, body, authorization=f"Bearer {mark}0123456789", **headers)
        assert refused.status == 401
        assert refused.headers["www-authenticate"] == 'Bearer realm="lockgate", error="invalid_token"'
        assert mark.encode() not in refused.body
    assert client.ask("/predict", b"{}", method="DELETE").status == 401


def test_a_refused_request_is_scored_by_nobody_and_counted_as_401(client: Client, rows: Any) -> None:
    for _ in range(3):
        client.ask("/predict", rows[0])
    counted = parsed(client)
    assert counted["lockgate_requests_total{route=/predict,status=401}"] == 3
    assert sum(value for name, value in counted.items() if name.startswith("lockgate_predictions_total")) == 0


def parsed(client: Client) -> dict[str, float]:
    return parsed_metrics(client.ask("/metrics", authorization=f"Bearer {NEW}").body.decode())


def test_behind_a_path_prefix_the_probes_stay_open(client: Client) -> None:
    refused = client.ask("/credit/predict", b"{}", root_path="/credit")
    assert refused.status == 401
    assert client.ask("/credit/health", root_path="/credit").status == 200
    assert client.ask("/elsewhere/health", root_path="/credit").status == 401


def test_the_document_and_its_page_say_that_a_token_is_needed(
    client: Client, make_client: Callable[..., Client]
) -> None:
    document = client.ask("/openapi.json", authorization=f"Bearer {NEW}").json
    assert document["components"]["securitySchemes"] == {"token": {"type": "http", "scheme": "bearer"}}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            asks = ("security" in operation, "401" in operation["responses"])
            assert asks == ((False, False) if path in OPEN else (True, True)), path
    page = client.ask("/docs", authorization=f"Bearer {NEW}").body.decode()
    assert page.count("authorization: Bearer TOKEN") == len(document["paths"]) - len(OPEN)
    assert NEW not in page
    without = make_client().ask("/openapi.json").json
    assert "securitySchemes" not in without["components"]
    assert not any("security" in one or "401" in one["responses"] for one in without["paths"]["/predict"].values())


def test_with_and_without_the_fast_path_the_answers_are_the_same(
    start_server: StartServer, token_file: Path, body: bytes
) -> None:
    answers = []
    for options in ([], ["--no-fast-path"]):
        server = start_server("--token-file", str(token_file), "--drain-seconds", "0", *options)
        answers.append(
            [
                server.ask("POST", "/predict", body, **headers)
                for headers in (
                    {"x_request_id": "a"},
                    {"x_request_id": "a", "authorization": "Bearer 0000000000000000"},
                    {"x_request_id": "a", "authorization": f"Bearer {OLD}"},
                )
            ]
            + [server.ask("GET", "/metrics", x_request_id="a"), server.ask("GET", "/docs", x_request_id="a")]
        )
        assert OLD not in server.log()
        assert "0000000000000000" not in server.log()
    for fast, ordinary in zip(*answers, strict=True):
        for _, headers, _ in (fast, ordinary):
            assert headers.pop("date")
        assert fast == ordinary
    assert [status for status, _, _ in answers[0]] == [401, 401, 200, 401, 401]


def test_two_authorizations_are_refused_by_the_server_too(
    start_server: StartServer, token_file: Path, body: bytes
) -> None:
    server = start_server("--token-file", str(token_file), "--drain-seconds", "0")
    lines = ["POST /predict HTTP/1.1", "host: test", f"content-length: {len(body)}", "content-type: application/json"]
    for given, status in [([OLD], 200), ([OLD, NEW], 401), ([NEW], 200)]:
        with server.connect() as connection:
            head = [*lines, *[f"Authorization: Bearer {token}" for token in given], "", ""]
            connection.sendall("\r\n".join(head).encode() + body)
            assert read_answer(connection)[0] == status


UNSENT = (
    "content-length: 400",
    "content-length: 400000000",  # more than may be sent
    "transfer-encoding: chunked",
    "content-length: 400\r\nexpect: 100-continue",
)


def test_a_body_is_not_waited_for_without_a_token(start_server: StartServer, token_file: Path) -> None:
    server = start_server("--token-file", str(token_file), "--drain-seconds", "0", "--request-seconds", "60")
    for announced in UNSENT:
        head = f"POST /predict HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n{announced}\r\n"
        with server.connect() as connection:
            connection.sendall(f"{head}authorization: Bearer 0000000000000000\r\n\r\n".encode())
            status, headers, body = read_answer(connection)
            assert (status, json.loads(body)["code"], headers["connection"]) == (401, "unauthorized", "close"), (
                announced
            )
            assert headers["www-authenticate"] == 'Bearer realm="lockgate", error="invalid_token"'
            assert connection.recv(1) == b"", "the connection is closed"
    counted = parsed_metrics(server.ask("GET", "/metrics", authorization=f"Bearer {NEW}")[2].decode())
    assert counted["lockgate_requests_total{route=/predict,status=401}"] == len(UNSENT)
    assert sum(value for name, value in counted.items() if name.startswith("lockgate_rejected_requests_total")) == 0
    assert {one["reason"] for one in server.named("refused")} == {"unauthorized"}
    with server.connect() as connection:
        connection.sendall(f"{head}authorization: Bearer {NEW}\r\n\r\n".encode())
        assert read_answer(connection)[0] == 100, "with a token the body is asked for"


def test_a_client_that_sends_much_without_a_token_reads_why(start_server: StartServer, token_file: Path) -> None:
    server = start_server("--token-file", str(token_file), "--drain-seconds", "0", "--admin-port", "0")
    for address, path in [(server.address, "/predict"), (server.admin_address, "/admin/reload")]:
        with socket.create_connection(address, timeout=30) as connection:
            connection.sendall(
                request("POST", path, b"x" * 400_000)
            )  # more than the buffers of both sides hold at first
            assert read_answer(connection)[0] == 401
            assert connection.recv(1) == b""


def test_another_server_refuses_it_before_the_body_too(client: Client, body: bytes) -> None:
    def never() -> None:
        raise AssertionError("the body was asked for")

    assert client.ask("/predict", body, before_the_last_part=never).status == 401


def test_the_variable_is_read_by_the_command(start_server: StartServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKGATE_TOKEN", OLD)
    server = start_server("--drain-seconds", "0")
    assert server.ask("GET", "/drift")[0] == 401
    assert server.ask("GET", "/drift", authorization=f"Bearer {OLD}")[0] == 200


def test_a_token_that_is_none_ends_the_start(trained_project: Path, tmp_path: Path) -> None:
    short = tmp_path / "short"
    short.write_text("tea\n")
    assert_refused(invoke(trained_project, "serve", "--port", "0", "--token-file", str(short)), "short, line 1")
    assert_refused(invoke(trained_project, "serve", "--port", "0", "--token-file", "absent"), "absent does not exist")


def test_the_token_has_no_option_that_a_list_of_processes_shows(trained_project: Path) -> None:
    assert_refused(invoke(trained_project, "serve", "--token", OLD), "No such option")


def test_another_server_asks_for_it_too(
    trained_project: Path, token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained_project)
    monkeypatch.setenv("LOCKGATE_TOKEN_FILE", str(token_file))
    assert settings_of_environment().tokens == read_tokens(token_file, {})
    client = Client(SimpleNamespace(app=create_app()))
    assert client.ask("/drift").status == 401
    assert client.ask("/drift", authorization=f"Bearer {NEW}").status == 200
    assert client.ask("/health").status == 200


def test_on_the_admin_port_metrics_are_open_and_a_reload_is_not(start_server: StartServer, token_file: Path) -> None:
    server = start_server("--token-file", str(token_file), "--drain-seconds", "0", "--admin-port", "0")

    def ask(method: str, path: str, **headers: str) -> int:
        return server.ask_admin(method, path, **headers)[0]

    assert {ask("GET", path) for path in ("/health", "/ready", "/metrics")} == {200}
    assert ask("POST", "/admin/reload") == 401
    assert ask("POST", "/admin/reload", authorization="Bearer 0000000000000000") == 401
    assert ask("GET", "/elsewhere") == 401
    assert "reload-begins" not in server.log()
    assert ask("POST", "/admin/reload", authorization=f"Bearer {NEW}") == 200
    assert server.ask("GET", "/metrics")[0] == 401


def test_smoke_brings_the_token(
    start_server: StartServer, trained_project: Path, token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_server("--token-file", str(token_file), "--drain-seconds", "0")
    url = f"http://127.0.0.1:{server.address[1]}"
    refused = invoke(trained_project, "smoke", url)
    assert refused.exit_code == 3
    assert "/predict answered 401" in refused.stderr
    assert "golden rows" in succeed(invoke(trained_project, "smoke", url, "--token-file", str(token_file))).output
    monkeypatch.setenv("LOCKGATE_TOKEN", NEW)
    assert "golden rows" in succeed(invoke(trained_project, "smoke", url)).output


def test_a_reload_takes_the_tokens_of_now_in_every_worker(start_server: StartServer, token_file: Path) -> None:
    server = start_server("--token-file", str(token_file), "--drain-seconds", "0", "--workers", "2")
    token_file.write_text(f"{NEW}\n")
    assert set(statuses(server, OLD)) == {200}  # the file is read when that is asked for
    server.reload("unchanged")
    wait_until(lambda: set(statuses(server, OLD)) == {401})
    assert set(statuses(server, NEW)) == {200}
    assert server.log().count("tokens-changed") == 1
    # One that is started later has them too.
    worker = server.workers()[0]
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: worker not in server.workers() and len(server.workers()) == 2)
    wait_until(lambda: server.ask("GET", "/ready")[0] == 200)
    assert set(statuses(server, OLD)) == {401}


def test_a_reload_with_a_spoilt_file_changes_nothing_and_says_why(start_server: StartServer, token_file: Path) -> None:
    server = start_server("--token-file", str(token_file), "--drain-seconds", "0")
    token_file.write_text("tea\n")
    server.reload("refused")
    assert "tokens, line 1: a token has 16 or more" in server.log()
    assert (set(statuses(server, OLD)), set(statuses(server, "x" * 20))) == ({200}, {401})
    token_file.unlink()
    server.reload("refused")
    assert set(statuses(server, OLD)) == {200}


def statuses(server: Server, token: str) -> list[int]:
    """What connections enough for every worker are answered."""
    return [server.ask("GET", "/drift", authorization=f"Bearer {token}")[0] for _ in range(12)]
