"""The fake's HTTP side: finds the operation, checks the request, injects faults, records everything."""

from __future__ import annotations

import base64
import importlib
import json
import pkgutil
import ssl
import threading
import time
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from fake_github import areas
from fake_github.call import OPERATIONS, Answer, Call, State, refusal
from fake_github.description import description
from fake_github.faults import Faults

for _module in pkgutil.iter_modules(areas.__path__):
    importlib.import_module(f"{areas.__name__}.{_module.name}")

# Enterprise servers, and uploads, have the same operations below these.
_PREFIXES = ("/api/uploads", "/api/v3", "/uploads")
CONTROL = "/_fake/"
DEFAULT_STATE: State = {"repository": "acme/credit", "default_branch": "main", "logins": {}}


@dataclass(frozen=True)
class Request:
    """A request as it came, and how it was answered."""

    operation: str
    method: str
    path: str
    query: dict[str, str]
    body: Any
    login: str
    status: int


class FakeGitHub:
    """GitHub on a free port of 127.0.0.1 while the `with` block runs.

    `problems` has every request that the description does not allow and every answer of ours that GitHub would not
    give; a test that ends with any has failed. With `tls` it is https://localhost, and an Enterprise server for whoever
    asks below /api/v3.
    """

    def __init__(self, state: State | None = None, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.state: State = {**DEFAULT_STATE, **(state or {})}
        self.faults = Faults()
        self.requests: list[Request] = []
        self.problems: list[str] = []
        self.description = description()
        self._lock = threading.RLock()
        fake = self

        class Handler(_Handler):
            github = fake

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._address = "http://127.0.0.1"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
            self._address = "https://localhost"

    @property
    def url(self) -> str:
        """What goes into GITHUB_API_URL."""
        return f"{self._address}:{self._server.server_address[1]}"

    def __enter__(self) -> FakeGitHub:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def asked(self, operation: str) -> list[Request]:
        """The requests for this operation, in order."""
        return [request for request in self.requests if request.operation == operation]

    def control(self, method: str, path: str, raw: bytes) -> Answer:
        """For whoever uses the fake as a process: /_fake/state, faults, requests, problems."""
        with self._lock:
            given = json.loads(raw) if raw else None
            if path == "state":
                if method == "PUT":
                    self.state = {**DEFAULT_STATE, **given}
                return Answer(200, self.state)
            if path == "faults" and method == "POST":
                self.faults.plan_json(given)
                return Answer(200, self.faults.left())
            if path.startswith("artifacts/"):
                found = [a for a in self.state.get("artifacts", []) if str(a["id"]) == path.removeprefix("artifacts/")]
                return Answer(200, base64.b64decode(found[0]["content"])) if found else refusal(404, "Not Found")
            if path == "requests":
                return Answer(200, [asdict(request) for request in self.requests])
            return Answer(200, self.problems) if path == "problems" else refusal(404, "no such control")

    def answer(self, method: str, target: str, token: str, raw: bytes) -> Answer:
        """The answer to one request, with its traces left in `requests` and `problems`."""
        parts = urlsplit(target)
        path = next((parts.path.removeprefix(p) for p in _PREFIXES if parts.path.startswith(f"{p}/")), parts.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        found = self.description.find(method, path)
        login = self.state["logins"].get(token, "github-actions[bot]") if token else ""
        body = _parsed(raw)
        name = found[0].id if found else f"{method} {path}"
        with self._lock:
            fault = self.faults.next(name)
        if fault is not None:
            time.sleep(fault.delay)
        with self._lock:
            if fault is not None and fault.status is not None and not fault.performed:
                answer = Answer(fault.status, {"message": fault.message}, fault.headers)
            elif found is None:
                self.problems.append(f"{method} {path}: GitHub has no such operation")
                answer = refusal(404, "Not Found")
            elif not login:
                answer = refusal(401, "Bad credentials")
            else:
                operation, values = found
                where = f"{method} {path} ({name})"
                problems = [f"{where}: {problem}" for problem in operation.problems(values, query, body)]
                self.problems += problems
                call = Call(
                    self.state, {**values, "": parts.path}, query, body, raw, login, self.url, self.description
                )  # fmt: skip
                answer = self._perform(name, where, call, bool(problems))
                if isinstance(answer.body, dict | list):
                    wrong = operation.answer_problems(answer.status, answer.body)
                    self.problems += [f"the fake's answer to {where}: {problem}" for problem in wrong]
                if fault is not None and fault.status is not None:
                    answer = Answer(fault.status, {"message": fault.message}, fault.headers)
            self.requests.append(Request(name, method, path, query, body, login, answer.status))
        return answer

    def _perform(self, name: str, where: str, call: Call, refused: bool) -> Answer:
        if refused:
            return refusal(422, "Validation Failed")
        owner_and_name = f"{call.path.get('owner')}/{call.path.get('repo')}"
        if "owner" in call.path and owner_and_name.lower() != self.state["repository"].lower():
            return refusal(404, "Not Found")
        if name not in OPERATIONS:
            self.problems.append(f"{where}: the fake does not have this operation yet; add it to areas/")
            return refusal(501, "Not Implemented")
        return OPERATIONS[name](call)


class _Handler(BaseHTTPRequestHandler):
    github: FakeGitHub
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet an answer: headers and body apart wait for each other 40 ms

    def _serve(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.startswith(CONTROL):
            answer = self.github.control(self.command, self.path.removeprefix(CONTROL), raw)
        else:
            token = self.headers.get("Authorization", "").rpartition(" ")[2]
            answer = self.github.answer(self.command, self.path, token, raw)
        content = b"" if answer.body is None else answer.body
        binary = isinstance(content, bytes)
        if not binary:
            content = json.dumps(content).encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/octet-stream" if binary else "application/json; charset=utf-8")
        for header, value in answer.headers.items():
            self.send_header(header, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if answer.status != 204:
            self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Silence: `requests` has it all."""


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return {"not JSON": True}
