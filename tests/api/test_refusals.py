"""What is refused: with the right status, naming the place, and without a word of the input."""

from __future__ import annotations

import gc
import json
from dataclasses import replace
from typing import Any

import pytest
from bad_bodies import BAD, MARK
from hypothesis import given
from hypothesis import strategies as st
from serving import Client

from lockgate.service.api.bearer_token import BearerTokens
from lockgate.service.api.errors import Refusal
from lockgate.service.bundle import VerifiedBundle
from lockgate.service.settings import Settings
from lockgate.service.worker import Worker


@pytest.mark.parametrize("path", ["/predict", "/explain"])
@pytest.mark.parametrize("name", list(BAD))
def test_a_bad_applicant_is_refused(client: Client, rows: Any, name: str, path: str) -> None:
    row = next(row for row in rows if None not in row.values())
    status, make = BAD[name]
    answer = client.ask(path, make(row))
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json"), answer.body
    assert set(answer.json) == {"code", "detail"}
    assert all(set(one) == {"loc", "msg"} for one in answer.json["detail"])
    assert answer.json["detail"]
    assert MARK.encode() not in answer.body
    assert b"777" not in answer.body


@pytest.mark.parametrize("name", [name for name, (status, _) in BAD.items() if status == 422])
def test_a_batch_is_refused_whole_and_names_the_row(client: Client, rows: Any, name: str) -> None:
    row = next(row for row in rows if None not in row.values())
    bad = BAD[name][1](row)
    before = client.metrics()
    answer = client.ask("/predict/batch", b'{"rows": [%s, %s]}' % (json.dumps(row).encode(), bad))
    assert answer.status == 422
    assert {tuple(one["loc"][:3]) for one in answer.json["detail"]} == {("body", "rows", 1)}
    assert MARK.encode() not in answer.body
    after = client.metrics()
    for series in before:
        if series.startswith(("lockgate_predictions", "lockgate_feature_bin_rows", "lockgate_score")):
            assert after[series] == before[series], series


@pytest.mark.parametrize(
    "body",
    [b'{"rows": []}', b"{}", b"[]", b'{"rows": {}}', b'{"rows": null}', b'{"rows": [], "rows": []}', b'{"more": 1}'],
)
def test_batches_of_another_shape_are_refused(client: Client, body: bytes) -> None:
    assert client.ask("/predict/batch", body).status == 422


def test_rows_given_twice_are_refused(client: Client, body: bytes) -> None:
    assert client.ask("/predict/batch", b'{"rows": [%s], "rows": [%s]}' % (body, body)).status == 422


def test_a_thousand_rows_are_taken_and_one_more_is_not(client: Client, rows: Any) -> None:
    assert client.ask("/predict/batch", {"rows": rows[:1000]}).status == 200
    answer = client.ask("/predict/batch", {"rows": rows[:1001]})
    assert answer.status == 422
    assert answer.json["detail"] == [{"loc": ["body", "rows"], "msg": "expected 1 to 1,000 applicants, got 1,001"}]


def test_every_problem_of_a_row_is_named_at_once(client: Client, rows: Any) -> None:
    row = dict(rows[0], dependants="two", savings=True, **{MARK: 1})
    del row["income"]
    answer = client.ask("/predict", row)
    places = [tuple(one["loc"]) for one in answer.json["detail"]]
    assert places == [("body", "dependants"), ("body", "savings"), ("body",), ("body", "income")]


def test_a_thousand_bad_rows_get_a_short_answer(client: Client, rows: Any) -> None:
    bad = [{**row, "housing": MARK, "dependants": 1.5} for row in rows[:1000]]
    answer = client.ask("/predict/batch", {"rows": bad})
    assert answer.status == 422
    assert len(answer.json["detail"]) == 20


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content_type": "text/plain"}, 415),
        ({"content_type": ""}, 415),
        ({"content_type": "application/json; charset=utf-16"}, 415),
        ({"content_type": "application/x-www-form-urlencoded"}, 415),
        ({"content_type": "multipart/form-data; boundary=x"}, 415),
        ({"content_encoding": "gzip"}, 415),
        ({"content_encoding": "br"}, 415),
        ({"content_type": "Application/JSON; Charset=UTF-8"}, 200),
        ({"content_encoding": "identity"}, 200),
    ],
)
def test_only_plain_json_is_taken(client: Client, body: bytes, headers: dict[str, str], status: int) -> None:
    assert client.ask("/predict", body, **headers).status == status


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD", "FOO"])
def test_other_verbs_are_refused_and_the_right_one_is_named(client: Client, method: str) -> None:
    for path in ("/predict", "/predict/batch", "/explain"):
        answer = client.ask(path, method=method)
        assert (answer.status, answer.headers["allow"]) == (405, "POST")
    if method not in ("GET", "HEAD"):
        for path in ("/health", "/ready", "/metrics", "/drift", "/docs", "/openapi.json"):
            answer = client.ask(path, method=method)
            assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD"), path


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/drift", "/docs", "/openapi.json"])
def test_head_has_the_headers_of_get_and_no_body(client: Client, path: str) -> None:
    head, got = client.ask(path, method="HEAD"), client.ask(path)
    assert (head.status, head.body) == (got.status, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    assert int(head.headers["content-length"]) > 0


def test_a_long_body_is_refused(client: Client) -> None:
    most = client.worker.state.predictor.max_body
    for chunk in (10_000, most + 1):
        assert client.ask("/predict/batch", b" " * (most + 1), chunk=chunk).status == 413


@pytest.mark.parametrize("reasons", ["0", "-1", "23", "x", "", "1.0", "99999999999999999999", "%C2%B2", "1&reasons=2"])
def test_a_bad_number_of_reasons_is_refused(client: Client, body: bytes, reasons: str) -> None:
    answer = client.ask(f"/explain?reasons={reasons}", body)
    assert (answer.status, answer.json["detail"][0]["loc"]) == (422, ["query", "reasons"])


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=5,
)


@given(data=st.data())
def test_no_body_whatever_is_a_fault_of_the_service(client: Client, rows: Any, data: st.DataObject) -> None:
    row = dict(rows[data.draw(st.integers(0, 50))])
    for name in data.draw(st.lists(st.sampled_from(list(row)), max_size=3)):
        row[name] = data.draw(VALUES)
    body = json.dumps(row).encode()
    start = data.draw(st.integers(0, len(body)))
    body = data.draw(st.sampled_from([body, body[:start] + data.draw(st.binary(max_size=8)) + body[start:]]))
    for path, sent in (("/predict", body), ("/predict/batch", b'{"rows":[' + body + b"]}")):
        answer = client.ask(path, sent or b" ")
        assert answer.status in (200, 400, 422), answer.body
        assert answer.json


def test_a_refusal_keeps_nothing_of_the_requests_that_it_ended(bundle: VerifiedBundle, body: bytes) -> None:
    """An exception that is raised a second time keeps the frames of the first, and with them the body."""
    worker = Worker(replace(bundle, native=None), "pass", Settings(tokens=BearerTokens(())))
    headers = [(b"content-type", b"application/json")]
    identity = worker.common.identify(headers)

    def status(path: str, sent: bytes) -> int:
        endpoint = worker.fast_path.endpoint(path, "POST")
        assert endpoint
        return worker.fast_path.answer(endpoint, b"", headers, sent, identity)[0]

    assert status("/explain", body) == 401
    worker.state.tokens = None
    assert [status("/explain", body), status("/predict", b"{")] == [404, 400]
    gc.collect()
    assert not [one for one in gc.get_objects() if isinstance(one, Refusal) and one.__traceback__ is not None]
