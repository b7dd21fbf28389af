"""`lockgate smoke`: what makes it pass, and every answer that it must not let pass.

The answers come from a stand-in server, because a service that answers wrongly cannot be had otherwise; the real one
is asked by `scripts/image check`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import onnx_models
import pytest
from support import assert_refused, invoke, succeed

from lockgate.config.files import readable_json, sha256_bytes, sha256_file

PROBABILITIES = [0.125, 0.5, 0.875]
Fault = Callable[[str, dict[str, Any]], tuple[int, dict[str, Any]] | None]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle with golden rows; the other files only have to be what the manifest says."""
    return make_bundle(tmp_path / "models")


def make_bundle(folder: Path, golden: dict[str, Any] | None = None) -> Path:
    rows: list[dict[str, Any]] = [{"income": value, "grade": None} for value in PROBABILITIES]
    rows.append({"income": None, "grade": 1.0})
    files = {"profile.json": b"{}"}
    feature = {"kind": "numeric", "integer": False, "categories": [], "minimum": None, "maximum": None, "text": ""}
    names = {"name": "income", "nullable": False}, {"name": "grade", "nullable": True}
    schema: dict[str, Any] = dict.fromkeys(("audit", "columns", "id_columns"), ())
    schema |= dict.fromkeys(("time_column", "weight_column", "decision", "origin"))
    schema |= {
        "schema": 1,
        "target": "",
        "classes": {"positive": ["1"], "negative": ["0"], "left_out": []},
        "features": [feature | name for name in names],
    }
    files["model.onnx"] = onnx_models.content()
    files["schema.json"] = readable_json(schema)
    files["golden.json"] = readable_json(golden or {"schema": 1, "rows": rows, "probabilities": [*PROBABILITIES, 0.5]})
    hashes = {name: sha256_bytes(content) for name, content in files.items()}
    files["manifest.json"] = readable_json(
        {"schema": 2, "files": hashes, "training_data": "0" * 64, "origin": None, "params": {}}
    )
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


class StandIn(ThreadingHTTPServer):
    """Answers as the bundle says, except where `fault` answers first."""

    def __init__(self, digest: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.digest = digest
        self.fault: Fault = lambda _route, _answer: None
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StandIn

    def do_GET(self) -> None:
        self._answer({"model": self.server.digest})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if body.get("income", 0.0) is None:
            self._answer({"code": "incomplete"}, 422)
            return
        rows = [{"probability": row["income"], "decision": "favourable"} for row in body.get("rows", [body])]
        answer = {"rows": rows} if "rows" in body else rows[0]
        self._answer({**answer, "model": self.server.digest})

    def _answer(self, answer: dict[str, Any], status: int = 200) -> None:
        status, answer = self.server.fault(self.path, answer) or (status, answer)
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def service(bundle: Path) -> Iterator[StandIn]:
    server = StandIn(sha256_file(bundle / "manifest.json"))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_service_that_answers_as_the_bundle_says_passes(bundle: Path, service: StandIn) -> None:
    result = succeed(invoke(bundle.parent, "smoke", service.url))
    assert "3 golden rows" in result.output
    assert "1 incomplete ones refused" in result.output


def test_a_difference_within_the_tolerance_passes(bundle: Path, service: StandIn) -> None:
    service.fault = lambda route, answer: (
        (200, answer | {"probability": answer["probability"] + 9e-7}) if "probability" in answer else None
    )
    assert "9.0e-07" in succeed(invoke(bundle.parent, "smoke", service.url)).output


def another_probability(route: str, answer: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
    return (200, answer | {"probability": 0.125}) if route == "/predict" and "probability" in answer else None


def no_probability(route: str, answer: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
    return (200, answer | {"probability": None}) if route == "/predict" else None


def nan(route: str, answer: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
    return (200, answer | {"probability": float("nan")}) if route == "/predict" else None


def batch_in_another_order(route: str, answer: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
    return (200, answer | {"rows": answer["rows"][::-1]}) if route == "/predict/batch" else None


def batch_cut_short(route: str, answer: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
    return (200, answer | {"rows": answer["rows"][:-1]}) if route == "/predict/batch" else None


def another_decision(route: str, answer: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
    return (200, answer | {"decision": "unfavourable"}) if route == "/predict" else None


def another_model(route: str, answer: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
    return (200, answer | {"model": "f" * 64}) if route == "/health" else None


def refused_row(route: str, answer: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
    return (422, {"code": "invalid"}) if route == "/predict" else None


def no_refusal(route: str, answer: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
    return (200, {"probability": 0.5}) if "code" in answer else None


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (another_probability, "row 1: probability 0.125"),
        (no_probability, "row 0: probability None"),
        (nan, "row 0: probability nan"),
        (batch_in_another_order, "in a batch, row 0"),
        (batch_cut_short, "/predict/batch"),
        (another_decision, "decisions"),
        (another_model, "serves the model"),
        (refused_row, "answered 422"),
        (no_refusal, "a row without income was answered with 200"),
    ],
)
def test_an_answer_that_is_not_the_bundles_ends_with_3(
    bundle: Path, service: StandIn, fault: Fault, words: str
) -> None:
    service.fault = fault
    assert_refused(invoke(bundle.parent, "smoke", service.url), service.url, words, code=3)


def test_a_service_that_never_gets_ready_is_bad_input(bundle: Path, service: StandIn) -> None:
    service.fault = lambda route, _: (503, {}) if route == "/ready" else None
    assert_refused(invoke(bundle.parent, "smoke", service.url, "--wait", "0"), "/ready answers 503")


def test_nothing_listening_is_bad_input(bundle: Path) -> None:
    assert_refused(invoke(bundle.parent, "smoke", "http://127.0.0.1:1", "--wait", "0"), "does not answer")


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://127.0.0.1", "http://", "http://127.0.0.1:port"])
def test_what_is_no_url_is_bad_input(bundle: Path, url: str) -> None:
    assert_refused(invoke(bundle.parent, "smoke", url), url.removesuffix("127.0.0.1:port"), "give one such as")


def test_a_changed_bundle_is_bad_input(bundle: Path) -> None:
    (bundle / "golden.json").write_bytes(b"{}")
    assert_refused(invoke(bundle.parent, "smoke", "http://127.0.0.1:1"), "golden.json", "corrupted")


@pytest.mark.parametrize(
    "golden",
    [
        {"schema": 2, "rows": [{}], "probabilities": [0.5]},
        {"schema": 1, "rows": [], "probabilities": []},
        {"schema": 1, "rows": [{}], "probabilities": [0.5, 0.5]},
        {"schema": 1, "rows": [{}], "probabilities": ["0.5"]},
    ],
)
def test_golden_predictions_of_another_form_are_bad_input(tmp_path: Path, golden: dict[str, Any]) -> None:
    make_bundle(tmp_path / "models", golden)
    assert_refused(invoke(tmp_path, "smoke", "http://127.0.0.1:1"), "golden.json")
