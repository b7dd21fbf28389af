"""Putting drift.json behind an address: what storage answers, and what never reaches the log."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from lockgate.ci.nightly.publish import upload
from lockgate.config.errors import InputError

SECRET = "https://bucket.example/drift.json?signature=secret"  # noqa: S105


def answers(monkeypatch: pytest.MonkeyPatch, *found: Any) -> list[dict[str, Any]]:
    """Storage that gives these answers, a status or an exception each; the requests it got."""
    left, got = list(found), []

    def put(url: str, **given: Any) -> requests.Response:
        got.append({"url": url, **given})
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        response = requests.Response()
        response.status_code = answer
        if answer in (301, 307):
            response.headers["location"] = "http://elsewhere.example"
        return response

    monkeypatch.setattr(requests, "put", put)
    return got


def test_the_content_is_put_with_the_header(monkeypatch: pytest.MonkeyPatch) -> None:
    got = answers(monkeypatch, 200)
    upload(SECRET, "Authorization: Bearer x:y", b"{}", wait=lambda _: None)

    assert got[0]["data"] == b"{}"
    assert got[0]["headers"] == {"Content-Type": "application/json", "Authorization": "Bearer x:y"}


def test_a_bad_moment_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    got = answers(monkeypatch, 503, requests.ConnectionError("x"), 201)
    upload(SECRET, "", b"{}", wait=lambda _: None)

    assert len(got) == 3


@pytest.mark.parametrize("found", [(403,), (307,), (500, 500, 500), (requests.Timeout(SECRET),) * 3])
def test_a_failure_names_neither_address_nor_header(monkeypatch: pytest.MonkeyPatch, found: tuple[Any, ...]) -> None:
    answers(monkeypatch, *found)
    with pytest.raises(InputError) as failure:
        upload(SECRET, "X-Key: hidden", b"{}", wait=lambda _: None)

    assert "secret" not in str(failure.value)
    assert "hidden" not in str(failure.value)


@pytest.mark.parametrize(
    ("url", "header", "word"),
    [("http://bucket.example", "", "https"), (SECRET, "no header", "put-header"), (SECRET, "A: b\nC: d", "put-header")],
)
def test_what_cannot_be_sent_is_refused_before_anything_is(
    monkeypatch: pytest.MonkeyPatch, url: str, header: str, word: str
) -> None:
    got = answers(monkeypatch)
    with pytest.raises(InputError, match=word):
        upload(url, header, b"{}")

    assert not got
