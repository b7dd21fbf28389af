"""A connection, without a socket: what it takes for a request, however the bytes come, and which requests it refuses."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serving import request
from support import FULL
from uvicorn.server import ServerState

from lockgate.service.bundle import VerifiedBundle
from lockgate.service.http.connection import Connection
from lockgate.service.http.server import connections_of, uvicorn_config
from lockgate.service.settings import Settings
from lockgate.service.worker import Worker

JDK = {
    "connection": "Upgrade, HTTP2-Settings",
    "upgrade": "h2c",
    "http2_settings": "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
}
WEBSOCKET = {"connection": "keep-alive, upgrade", "upgrade": "websocket", "sec_websocket_version": "13"}
Exchange = Callable[[Iterable[bytes]], list[tuple[int, bytes]]]


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: Any) -> None:
        assert not self.closed
        self.written += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


@pytest.fixture(scope="module")
def exchange(bundle: VerifiedBundle) -> Iterator[Exchange]:
    """`exchange([b"GET ...", ...])`: statuses and bodies of what one connection answers to bytes that come in these parts."""
    worker = Worker(bundle, "pass", Settings())
    worker.start()
    config = uvicorn_config(worker, connections_of(worker), worker.app)

    async def exchanged(parts: Iterable[bytes]) -> bytes:
        shared = connections_of(worker)
        connection = Connection(config, ServerState(), {}, shared=shared)
        wire = Wire()
        connection.connection_made(wire)
        for part in parts:
            connection.data_received(part)
        for _ in range(50):
            await asyncio.sleep(0)
        connection.connection_lost(None)
        assert shared.buffered == 0
        return wire.written

    with asyncio.Runner() as runner:
        yield lambda parts: parsed(runner.run(exchanged(parts)))
    worker.stop()


def parsed(stream: bytes) -> list[tuple[int, bytes]]:
    """The answers in a stream of them."""
    answers = []
    while stream:
        head, _, rest = stream.partition(b"\r\n\r\n")
        length = 0 if head.endswith(b"Continue") else int(head.lower().partition(b"content-length: ")[2].split()[0])
        answers.append((int(head.split()[1]), rest[:length]))
        stream = rest[length:]
    return answers


def chunked(content: bytes, *sizes: int) -> bytes:
    """A body in chunks of these sizes, the last one with the rest."""
    ends = [0, *itertools.accumulate(sizes), len(content)]
    parts = [content[start:end] for start, end in itertools.pairwise(ends)]
    return b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in parts if one) + b"0\r\n\r\n"


def in_chunks(body: bytes, **headers: str) -> bytes:
    """A request to /predict with a chunked body."""
    head, _, _ = request("POST", "/predict", body, transfer_encoding="chunked", **headers).partition(b"\r\n\r\n")
    head = re.sub(rb"content-length: \d+\r\n", b"", head)
    return head + b"\r\n\r\n" + chunked(body, 1, 16, 7)


def with_length(body: bytes, **headers: str) -> bytes:
    """A request to /predict with a content-length."""
    return request("POST", "/predict", body, **headers)


MAKERS = pytest.mark.parametrize("make", [with_length, in_chunks], ids=["length", "chunks"])


@MAKERS
@pytest.mark.parametrize("offers", [JDK, WEBSOCKET, {**JDK, "expect": "100-continue"}], ids=["h2c", "ws", "expect"])
def test_an_upgrade_is_not_taken_wherever_the_bytes_are_split(
    exchange: Exchange, body: bytes, offers: dict[str, str], make: Callable[..., bytes]
) -> None:
    plain = exchange([make(body, x_request_id="a")])
    assert plain[0][0] == 200
    sent = make(body, x_request_id="a", **offers)
    expected = [(100, b"")] * ("expect" in offers) + plain
    assert exchange([sent[at : at + 1] for at in range(len(sent))]) == expected
    for at in range(len(sent)):
        assert exchange([sent[:at], sent[at:]]) == expected, at


@MAKERS
@pytest.mark.parametrize("size", [1, 7, 100, 1_000_000])
def test_upgrades_on_one_connection_are_answered_in_their_order(
    exchange: Exchange, rows: Any, make: Callable[..., bytes], size: int
) -> None:
    bodies = [json.dumps(row).encode() for row in rows[:6]]
    sent = b"".join(make(one, x_request_id=str(at), **(JDK if at % 3 else {})) for at, one in enumerate(bodies))
    answers = exchange([sent[at : at + size] for at in range(0, len(sent), size)])
    assert [status for status, _ in answers] == [200] * 6
    assert [json.loads(body)["request_id"] for _, body in answers] == list("012345")


FIELDS = [
    b"content-length: 5",
    b"content-length: 35",
    b"content-length: 5, 5",
    b"content-length: +5",
    b"transfer-encoding: chunked",
    b"transfer-encoding: gzip, chunked",
    b"transfer-encoding: chunked, identity",
    b"transfer-encoding: xchunked",
    b"transfer-encoding:\x0bchunked",
    b"transfer-encoding:\tchunked \t",
    b"Transfer-Encoding: CHUNKED",
    b"transfer-encoding:\r\n chunked",
    b"x: y\r\n upgrade: h2c",
    b"x: y\nupgrade: h2c",
    b"x: y\rupgrade: h2c",
    b"upgrade : h2c",
    b"upgrade\x00: h2c",
    b"upgrades: h2c",
    b"x-upgrade: h2c",
    b"http2-setting: h2c",
    b"connection: close",
    b"connection: keep-alive",
    b"connection: \xff, content-length",
    b"expect: 100-continue",
    b"host: two",
]
OFFERS = [b"upgrade: h2c", b"Upgrade: websocket", b"HTTP2-Settings: AAMAAABkAAQAAP__", b"upgrade:", b"upgrade: h2c, x"]
BEHIND = [b"0\r\n\r\n", b'5\r\n{"a":\r\n0\r\n\r\n', b"{}   ", b"", b"0\r\nupgrade: h2c\r\n\r\n"]
SMUGGLED = b"GET /health HTTP/1.1\r\nhost: x\r\nx-request-id: b\r\n\r\n"


@settings(max_examples=600 if FULL else 150)
@given(
    fields=st.lists(st.sampled_from(FIELDS), max_size=3),
    offers=st.lists(st.sampled_from(OFFERS), min_size=1, max_size=3),
    option=st.sampled_from([b"Upgrade", b"upgrade, HTTP2-Settings", b"http2-settings,upgrade ,"]),
    version=st.sampled_from([b"1.1", b"1.1", b"1.0", b"2.0"]),
    behind=st.sampled_from(BEHIND),
    shuffle=st.randoms(use_true_random=False),
    size=st.sampled_from([1, 3, 1000]),
)
def test_an_upgrade_changes_nothing_of_where_a_request_ends(
    exchange: Exchange,
    fields: list[bytes],
    offers: list[bytes],
    option: bytes,
    version: bytes,
    behind: bytes,
    shuffle: Any,
    size: int,
) -> None:
    fields = [b"host: x", b"content-type: application/json", b"x-request-id: a", *fields]
    all_fields = [*fields, *offers, b"connection: " + option]
    shuffle.shuffle(all_fields)

    def answers(lines: list[bytes]) -> list[tuple[int, bytes]]:
        sent = b"\r\n".join([b"POST /predict HTTP/" + version, *lines, b"", behind]) + SMUGGLED
        return exchange([sent[at : at + size] for at in range(0, len(sent), size)])

    assert answers(all_fields) == answers([one for one in all_fields if one in fields])


HOST = b"host: x\r\n"
GET = b"GET /health HTTP/1.1\r\n"


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (GET + b"\r\n", 400, "invalid-host"),
        (GET + HOST + HOST + b"\r\n", 400, "invalid-host"),
        (GET + b"host: a b\r\n\r\n", 400, "invalid-host"),
        (GET + b"host: a/b\r\n\r\n", 400, "invalid-host"),
        (GET + b"host: user@a\r\n\r\n", 400, "invalid-host"),
        (GET + b"host: [::1]:8000\r\n\r\n", 200, None),
        (GET + b"host:\r\n\r\n", 200, None),
        (GET + b"Host: a_b.example:80 \r\n\r\n", 200, None),
        (b"GET /health HTTP/1.0\r\n\r\n", 200, None),
        (b"GET /health HTTP/1.0\r\n" + HOST + HOST + b"\r\n", 400, "invalid-host"),
        (b"GET /health HTTP/2.0\r\n" + HOST + b"\r\n", 400, "invalid-http"),
        (b"GET /health\r\n\r\n", 400, "invalid-http"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "invalid-http"),
        (b"GET http://elsewhere:80/health HTTP/1.1\r\n" + HOST + b"\r\n", 200, None),
        (b"GET http://elsewhere HTTP/1.1\r\n" + HOST + b"\r\n", 404, "not-found"),
        (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", 404, "not-found"),
        (b"CONNECT x:80 HTTP/1.1\r\n" + HOST + b"\r\n" + GET, 400, "invalid-http"),
        (b"CONNECT /health HTTP/1.1\r\n" + HOST + b"upgrade: h2c\r\nconnection: upgrade\r\n\r\n" + GET, 405, None),
    ],
    ids=range(18),
)  # fmt: skip
def test_the_version_the_host_and_the_target_are_as_rfc_9112_asks(
    exchange: Exchange, sent: bytes, status: int, code: str | None
) -> None:
    for parts in ([sent], [sent[at : at + 1] for at in range(len(sent))]):
        [(found, body)] = exchange(parts)
        assert found == status
        assert code is None or json.loads(body)["code"] == code


def test_a_refusal_of_head_has_no_body(exchange: Exchange) -> None:
    written = exchange([b"HEAD /health HTTP/1.1\r\n\r\n"])
    assert written == [(400, b"")]
