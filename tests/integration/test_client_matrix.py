"""`scripts/clients`: a cell fails where a server answers a client otherwise than the service has to, and only there."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from client_matrix.clients import Client, ask, clients, verdict
from client_matrix.load import Seen, load
from client_matrix.matrix import DIRECT
from client_matrix.plan import Answer, make_plan
from client_matrix.proxies import PROXIES, Proxy, configuration_text
from hardening._service import ROOT

ROWS = [({"income": number, "age": 40}, number / 10) for number in range(4)]
MAX_BODY = 200_000


@dataclass(frozen=True)
class Fault:
    """How the stand-in differs from a service; the name is that of the request whose answer shows it."""

    name: str = ""
    probability: float = 0.0  # more than is right
    repeats_headers: bool = True
    repeats_trace: bool = True
    knows_head: bool = True
    reads_chunks: bool = True
    link: str = "openapi.json"
    code: str = "invalid-request"
    too_large: bytes = b'{"code": "body-too-large"}'
    paths: str = "/predict"
    model: str = "a"  # in the body; the header has "a"


class StandIn(BaseHTTPRequestHandler):
    """What the service would answer to the plan, but for its fault."""

    protocol_version = "HTTP/1.1"
    fault = Fault()

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        if self.fault.repeats_headers:
            self.send_header("x-request-id", self.headers["x-request-id"])
        if self.fault.repeats_trace:
            self.send_header("server-timing", f"trace;desc={self.headers['traceparent']}")
        self.send_header("x-model-digest", "a")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.answer(200 if self.fault.knows_head else 405, b"{}")

    def do_GET(self) -> None:
        if self.path.endswith("/docs"):
            host = self.headers["host"]
            self.answer(200, f"<a href='{self.fault.link}'>all</a> curl http://{host}/credit/predict".encode())
        else:
            self.answer(200, json.dumps({"paths": {self.fault.paths: {}}}).encode())

    def do_POST(self) -> None:
        chunked = self.headers["transfer-encoding"] == "chunked"
        body = self.read_chunks() if chunked else self.rfile.read(int(self.headers["content-length"]))
        if len(body) > MAX_BODY:
            self.answer(413, self.fault.too_large)
        elif chunked and not self.fault.reads_chunks:
            self.answer(411, b"{}")
        else:
            self.predict(json.loads(body))

    def predict(self, given: dict[str, object]) -> None:
        rows = given.get("rows", [given])
        assert isinstance(rows, list)
        if any("age" not in row for row in rows):
            self.answer(422, json.dumps({"code": self.fault.code}).encode())
            return
        answers = [
            {"probability": row["income"] / 10 + self.fault.probability, "model": self.fault.model} for row in rows
        ]
        self.answer(200, json.dumps({"rows": answers} if "rows" in given else answers[0]).encode())

    def read_chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  # the base class's name
        """Say nothing."""


@contextmanager
def served(fault: Fault) -> Iterator[int]:
    handler = type("Faulty", (StandIn,), {"fault": fault})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Client:
    return next(one for one in clients(tmp_path_factory.mktemp("classes")) if one.name == "urllib3")


def cell(client: Client, fault: Fault) -> tuple[str, list[tuple[str, str]]]:
    with served(fault) as port:
        host = f"http://127.0.0.1:{port}"
        plan = make_plan(ROWS, MAX_BODY, f"{host}/credit")
        return verdict(client, plan, ask(client, plan, host))


def test_the_cell_of_a_right_server_is_ok(client: Client) -> None:
    assert cell(client, Fault()) == ("ok", [])


FAULTS = (
    Fault("predict", probability=0.01),
    Fault("predict", repeats_headers=False),
    Fault("predict", repeats_trace=False),
    Fault("predict-chunked", reads_chunks=False),
    Fault("head", knows_head=False),
    Fault("docs", link="/openapi.json"),
    Fault("docs", link="elsewhere.json"),
    Fault("openapi", paths="/other"),
    Fault("wrong", code="internal-error"),
    Fault("too-large", too_large=b"<html>413 Request Entity Too Large</html>"),
)


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
def test_the_cell_of_a_wrong_one_fails_and_names_the_request(client: Client, fault: Fault) -> None:
    word, flaws = cell(client, fault)
    assert word == f"{len(flaws)} FAIL"
    assert fault.name in dict(flaws)


def test_a_server_that_is_not_there_fails_every_request(client: Client) -> None:
    with served(Fault()) as port:
        host = f"http://127.0.0.1:{port}"
    plan = make_plan(ROWS, MAX_BODY, host)
    word, flaws = verdict(client, plan, ask(client, plan, host))
    assert (word, len(flaws)) == (f"{len(plan)} FAIL", len(plan))


class TestRefusal:
    """A client that insists on HTTP/2 may be refused, at once and for all of its requests."""

    plan = make_plan(ROWS, MAX_BODY, "http://127.0.0.1:8000")

    @pytest.fixture
    def insisting(self, tmp_path: Path) -> Client:
        return next(one for one in clients(tmp_path) if one.may_be_refused)

    def cell(self, insisting: Client, *answers: Answer) -> str:
        by_name = {request.name: answers[number % len(answers)] for number, request in enumerate(self.plan)}
        return verdict(insisting, self.plan, by_name)[0]

    def test_at_once(self, insisting: Client) -> None:
        assert self.cell(insisting, Answer(0, problem="Error in the HTTP2 framing layer")) == "refused"

    def test_not_after_a_wait(self, insisting: Client) -> None:
        word = self.cell(insisting, Answer(0, problem="Operation timed out after 20000 milliseconds"))
        assert word == f"{len(self.plan)} FAIL"

    def test_not_for_some_of_them(self, insisting: Client) -> None:
        assert "FAIL" in self.cell(insisting, Answer(0, problem="Error in the HTTP2 framing layer"), Answer(200))

    def test_and_no_other_client(self, client: Client) -> None:
        assert self.cell(client, Answer(0, problem="reset")) == f"{len(self.plan)} FAIL"


def wait_for_a_request(seen: Seen) -> None:
    while not seen.requests:
        time.sleep(0.001)


@pytest.mark.parametrize(
    ("fault", "fails"), [(Fault(), False), (Fault(probability=0.01), True), (Fault(model="b"), True)], ids=repr
)
def test_the_load_counts_wrong_answers_as_failed(fault: Fault, fails: bool) -> None:
    with served(fault) as port:
        with load({"direct": port}, ROWS, 2, lambda _: 0.001) as seen:
            wait_for_a_request(seen["direct"])
        assert bool(seen["direct"].failures) is fails


def test_the_load_counts_a_lost_answer_as_failed() -> None:
    with served(Fault()) as port:
        pass
    with load({"gone": port}, ROWS, 1, lambda _: 0.001) as seen:
        wait_for_a_request(seen["gone"])
    assert seen["gone"].failures[0].startswith("ConnectionRefusedError")


@pytest.mark.parametrize("proxy", PROXIES, ids=lambda proxy: proxy.name)
def test_the_published_configurations_are_the_ones_that_run(proxy: Proxy) -> None:
    text = configuration_text(proxy, 18080, (18001, 18002), 1)
    assert "18001" in text
    assert "18002" in text
    assert "8001" not in text.replace("18001", "")


def test_the_page_shows_the_matrix_that_runs(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "clients.md").read_text()
    header = next(line for line in page.splitlines() if line.startswith("| client |"))
    shown = re.findall(r"^\| (.+) [\d.]+ \| (?:ok|refused) ", page, re.MULTILINE)
    assert shown == [client.name for client in clients(tmp_path)]
    assert [cell.split()[0] for cell in header.split("|")[2:-1]] == [DIRECT, *(proxy.name for proxy in PROXIES)]
    assert "FAIL" not in page
