"""Bytes that are no proper HTTP, and requests sent one behind the other: never a 5xx, never out of order."""

from __future__ import annotations

import argparse
import json
import random
import re
import sys

from hardening._service import GoldenRequest, Service, golden_requests, running
from promises import Promises

HOST = b"host: lockgate\r\n"
GET = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST /predict HTTP/1.1\r\n" + HOST + b"content-type: application/json\r\n"
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
PIPELINED = 50

MALFORMED = {
    "no HTTP": b"hello\r\n\r\n",
    "a TLS greeting": bytes.fromhex("16030100f4010000f00303") + bytes(240),
    "HTTP/2 at once": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /health\r\n\r\n",
    "HTTP/9.9": b"GET /health HTTP/9.9\r\n\r\n",
    "a method nobody knows": b"PREDICT /predict HTTP/1.1\r\n" + HOST + b"\r\n",
    "a small-letter method": b"get /health HTTP/1.1\r\n" + HOST + b"\r\n",
    "no path": b"GET  HTTP/1.1\r\n" + HOST + b"\r\n",
    "a path of bytes": b"GET /\xff\xfe\x00 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a path with bad escapes": b"GET /%zz%00%ff HTTP/1.1\r\n" + HOST + b"\r\n",
    "a path of 100,000 letters": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "an absolute address": b"GET http://elsewhere/health HTTP/1.1\r\n" + HOST + b"\r\n",
    "CONNECT": b"CONNECT elsewhere:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    "an upgrade": b"GET /health HTTP/1.1\r\n" + HOST + b"connection: upgrade\r\nupgrade: websocket\r\n\r\n",
    "1,000 headers": b"GET /health HTTP/1.1\r\n" + HOST + b"x: y\r\n" * 1000 + b"\r\n",
    "a header of 1 MB": b"GET /health HTTP/1.1\r\nx: " + b"y" * 1_000_000 + b"\r\n\r\n",
    "a header without a colon": b"GET /health HTTP/1.1\r\nnonsense\r\n\r\n",
    "a header with a NUL": b"GET /health HTTP/1.1\r\nx: a\x00b\r\n\r\n",
    "a folded header": b"GET /health HTTP/1.1\r\nx: a\r\n b\r\n" + HOST + b"\r\n",
    "a space before the colon": b"GET /health HTTP/1.1\r\nhost : lockgate\r\n\r\n",
    "two lengths": POST + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}}",
    "a length and chunks": POST + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "a negative length": POST + b"content-length: -1\r\n\r\n",
    "a length in words": POST + b"content-length: two\r\n\r\n{}",
    "a length of 10^30": POST + b"content-length: 1" + b"0" * 30 + b"\r\n\r\n",
    "a length of 10^15": POST + b"content-length: 1" + b"0" * 15 + b"\r\n\r\n",
    "chunks of nonsense": POST + b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a chunk that is longer than it says": POST + b"transfer-encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n",
    "a transfer coding nobody knows": POST + b"transfer-encoding: zip\r\n\r\n{}",
    "trailers": POST + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx: y\r\n\r\n",
    "a request id of bytes": b"GET /health HTTP/1.1\r\nx-request-id: \xff\xfe\x01\r\n" + HOST + b"\r\n",
}  # fmt: skip


def ask(service: Service, *parts: bytes) -> bytes:
    """Everything that the service says to `parts` before it closes, or is silent for a second."""
    received = b""
    with service.connect(1.0) as connection:
        try:
            for part in parts:
                connection.sendall(part)
            while True:
                answer = connection.recv(65536)
                if not answer:
                    break
                received += answer
        except OSError:
            pass
    return received


def check_malformed(service: Service, promises: Promises) -> None:
    """Each of them is answered with a 4xx, or a 2xx where HTTP allows it, or closed."""
    bad, seen = [], {}
    for name, content in MALFORMED.items():
        statuses = [int(status) for status in STATUS.findall(ask(service, content))]
        seen[statuses[0] if statuses else 0] = seen.get(statuses[0] if statuses else 0, 0) + 1
        if any(status >= 500 for status in statuses) or service.get("/health")[0] != 200:
            bad.append(f"{name}: {statuses}")
    kinds = ", ".join(f"{number} times {status or 'closed'}" for status, number in sorted(seen.items()))
    promises.check(
        not bad, f"{len(MALFORMED)} malformed requests: no 5xx, and the next client is served", "; ".join(bad) or kinds
    )


def check_damaged(service: Service, asked: list[GoldenRequest], number: int, promises: Promises) -> None:
    """A good request with bytes changed, cut or repeated, from a fixed seed."""
    chance = random.Random(11)  # noqa: S311  # damage, not secrets
    bad = []
    for turn in range(number):
        content = bytearray(asked[turn % len(asked)].request)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(content))
            content[at : at + chance.choice((0, 1, 1, 8))] = chance.randbytes(chance.choice((0, 1, 1, 8)))
        with service.connect(2.0) as connection:
            connection.sendall(bytes(content) + b"\r\n\r\n")
            connection.shutdown(1)
            try:
                answer = connection.recv(65536)
            except OSError:
                answer = b""
        bad += [f"{bytes(content[:80])!r}" for status in STATUS.findall(answer) if int(status) >= 500]
    promises.check(not bad, f"{number} damaged requests: no 5xx", "; ".join(bad[:3]) or "none")


def check_cut(service: Service, asked: list[GoldenRequest], promises: Promises) -> None:
    """A client that goes away after any number of bytes."""
    request = asked[0].request
    for length in range(len(request)):
        with service.connect() as connection:
            connection.sendall(request[:length])
    promises.check(
        service.get("/health")[0] == 200, f"clients that go away after 0 to {len(request) - 1} bytes", "/health answers"
    )


def check_pipelined(service: Service, asked: list[GoldenRequest], promises: Promises) -> None:
    """Many requests at once are answered in their order; a bad one behind good ones takes none of their answers."""
    sent = [asked[number % len(asked)] for number in range(PIPELINED)]
    answers = ask(service, b"".join(one.request for one in sent))
    bodies = [json.loads(body) for body in re.findall(rb"\r\n\r\n(\{.*?\})(?=HTTP/1\.1|$)", answers, re.DOTALL)]
    right = sum(
        abs(body["probability"] - one.probabilities[body["model"]]) < 1e-6
        for body, one in zip(bodies, sent, strict=False)
    )
    promises.check(
        right == len(bodies) == PIPELINED, f"{PIPELINED} pipelined requests are answered in order", f"{right}"
    )
    statuses = STATUS.findall(ask(service, GET * 3 + b"nonsense\r\n\r\n" + GET))
    shown = ", ".join(status.decode() for status in statuses)
    promises.check(
        statuses == [b"200"] * 3, "three good requests before a malformed one are answered, none after", shown
    )
    asked_once = asked[0].request
    byte_by_byte = ask(service, *(asked_once[at : at + 1] for at in range(len(asked_once))))
    promises.check(STATUS.findall(byte_by_byte) == [b"200"], "a request in pieces of one byte is answered", "200")


def main() -> int:
    """All of them, to one service."""
    parser = argparse.ArgumentParser(prog="scripts/harden malformed", description=__doc__)
    parser.add_argument("--damaged", type=int, default=2000)
    given = parser.parse_args()
    promises = Promises()
    asked = golden_requests()
    with running() as service:
        before = service.settled_megabytes()
        check_malformed(service, promises)
        check_cut(service, asked, promises)
        check_damaged(service, asked, given.damaged, promises)
        check_pipelined(service, asked, promises)
        errors = sum(
            float(line.rsplit(" ", 1)[1])
            for line in service.get("/metrics")[1].decode().splitlines()
            if line.startswith("lockgate_requests_total{") and 'status="5' in line
        )
        promises.check(errors == 0, "the service counted no 5xx itself", f"{errors:.0f}")
        said = service.printed().partition(f":{service.port}")[2].strip()
        promises.check(not said, "it printed nothing beyond what it serves, and where", said or "nothing")
        grown = service.megabytes() - before
        promises.check(grown < 30, "memory stays within 30 MB", f"{grown:+.1f} MB")
    return promises.finish()


if __name__ == "__main__":
    sys.exit(main())
