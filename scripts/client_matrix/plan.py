"""What every client asks in a cell of the matrix, and what the answers have to be."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

BATCH_ROWS = 1_000
TOLERANCE = 1e-6
PREFIX = "/credit"  # as in deploy/proxies
REQUEST_ID = "matrix-{}"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
NONE = "-"
LINK = re.compile(r"""["']([^"'\s]*openapi\.json)["']""")


@dataclass(frozen=True)
class Answer:
    """What a client got; status 0 and the client's own words where it got none. Headers that were absent are "-"."""

    status: int
    request_id: str = NONE
    server_timing: str = NONE  # which has the trace
    problem: str = NONE
    body: bytes = b""


@dataclass(frozen=True)
class Request:
    """A request and what its answer has to be: the status, and the probabilities or the refusal's code."""

    name: str
    method: str
    path: str
    status: int = 200
    body: bytes | None = None
    chunked: bool = False
    probabilities: tuple[float, ...] = ()
    code: str | None = None
    shows: str | None = None  # an address that the page has to show

    def flaw(self, answer: Answer) -> str | None:
        """What is wrong with an answer; None where nothing is."""
        if answer.status != self.status:
            return f"status {answer.status} where {self.status} is due ({shown(answer)})"
        if answer.request_id != REQUEST_ID.format(self.name):
            return f"x-request-id is {answer.request_id}"
        return self._flaw_of_body(answer) or self._flaw_of_trace(answer.server_timing)

    def _flaw_of_body(self, answer: Answer) -> str | None:
        if self.method == "HEAD":
            return "an answer to HEAD has a body" if answer.body else None
        if self.shows is not None:
            return flaw_of_docs(self.path, self.shows, answer.body.decode(errors="replace"))
        try:
            return self._flaw_of_json(json.loads(answer.body))
        except (ValueError, KeyError, TypeError):
            return f"the body is not what is due ({shown(answer)})"

    def _flaw_of_trace(self, server_timing: str) -> str | None:
        return None if f"trace;desc=00-{TRACE_ID}-" in server_timing else f"server-timing is {server_timing}"

    def _flaw_of_json(self, body: Mapping[str, Any]) -> str | None:
        if self.code is not None:
            return None if body["code"] == self.code else f"the code is {body['code']}"
        if not self.probabilities:
            return None if "/predict" in body["paths"] else "the OpenAPI document has no /predict"
        answered = [one["probability"] for one in body.get("rows", [body])]
        right = len(answered) == len(self.probabilities) and all(
            isclose(got, due, rel_tol=0.0, abs_tol=TOLERANCE)
            for got, due in zip(answered, self.probabilities, strict=True)
        )
        return None if right else "a probability is wrong"


def flaw_of_docs(path: str, shows: str, page: str) -> str | None:
    """What is wrong with the page at `path`: its link and its examples have to lead back through the proxy."""
    links = LINK.findall(page)
    if not links:
        return "the page has no link to openapi.json"
    due = path.removesuffix("/docs") + "/openapi.json"
    astray = [link for link in links if urljoin(path, link) != due]
    if astray:
        return f"the page's link leads to {urljoin(path, astray[0])}"
    return None if shows in page else f"the page's examples do not show {shows}"


def shown(answer: Answer) -> str:
    """The beginning of an answer, or what the client said, on one line."""
    said = answer.problem if answer.problem != NONE else answer.body[:120].decode(errors="replace")
    return " ".join(said.split())[:160] or "no body"


def make_plan(rows: Sequence[tuple[Mapping[str, object], float]], max_body: int, address: str) -> list[Request]:
    """The requests of a cell, from rows with their right probability; the page is asked for at `address`, prefix and all."""

    def predict(name: str, number: int, chunked: bool = False) -> Request:
        row, probability = rows[number % len(rows)]
        body = json.dumps(row).encode()
        return Request(name, "POST", "/predict", body=body, chunked=chunked, probabilities=(probability,))

    prefix = urlsplit(address).path
    some = dict(rows[0][0])
    some.popitem()
    body, probabilities = batch(rows)
    return [
        predict("predict", 0),
        predict("predict-again", 1),
        predict("predict-chunked", 2, chunked=True),
        Request("batch", "POST", "/predict/batch", body=body, probabilities=probabilities),
        Request("batch-chunked", "POST", "/predict/batch", body=body, chunked=True, probabilities=probabilities),
        Request("head", "HEAD", "/health"),
        Request("docs", "GET", f"{prefix}/docs", shows=f"{address}/predict"),
        Request("openapi", "GET", f"{prefix}/openapi.json"),
        Request("wrong", "POST", "/predict", 422, json.dumps(some).encode(), code="invalid-request"),
        Request("too-large", "POST", "/predict/batch", 413, body + b" " * max_body, code="body-too-large"),
        predict("predict-after", 3),
    ]


def batch(rows: Sequence[tuple[Mapping[str, object], float]]) -> tuple[bytes, tuple[float, ...]]:
    """The body of a batch of 1,000 rows, and their probabilities."""
    chosen = [rows[number % len(rows)] for number in range(BATCH_ROWS)]
    return json.dumps({"rows": [row for row, _ in chosen]}).encode(), tuple(probability for _, probability in chosen)


def write_plan(plan: Sequence[Request], host: str, folder: Path) -> Path:
    """The plan for the server at `host` (http://127.0.0.1:8000), as a client's program reads it: a line a request, tabs between."""
    lines = []
    for request in plan:
        file = folder / f"{request.name}.body"
        if request.body is not None:
            file.write_bytes(request.body)
        framing = "chunked" if request.chunked else "length"
        sent = NONE if request.body is None else str(file)
        url, request_id = host + request.path, REQUEST_ID.format(request.name)
        answer = str(folder / f"{request.name}.answer")
        lines.append("\t".join([request.name, request.method, url, request_id, TRACEPARENT, sent, framing, answer]))
    path = folder / "plan"
    path.write_text("\n".join(lines) + "\n")
    return path


def read_answers(printed: str, folder: Path) -> dict[str, Answer]:
    """The answers by the request's name, from what a client's program printed and wrote into `folder`."""
    answers = {}
    for line in printed.splitlines():
        fields = line.split("\t")
        if len(fields) != 5:
            continue
        name, status, request_id, server_timing, problem = (field or NONE for field in fields)
        file = folder / f"{name}.answer"
        body = file.read_bytes() if file.exists() else b""
        answers[name] = Answer(int(status), request_id, server_timing, problem, body)
    return answers
