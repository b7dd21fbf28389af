"""Clients that send a request a byte at a time, or not at all, are closed within 10 s, and nobody waits for them."""

from __future__ import annotations

import argparse
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from hardening._load import load
from hardening._service import Service, golden_requests, running
from promises import Promises

LIMIT = 10.0
GIVE_UP = 20.0
PAUSE = 0.4
HEAD = b"POST /predict HTTP/1.1\r\nhost: lockgate\r\ncontent-type: application/json\r\n"
# What is sent at once, and what then comes byte by byte.
CLIENTS = {
    "one that sends nothing": (b"", b""),
    "a slow request line": (b"P", b"OST /predict HTTP/1.1\r\n" * 10),
    "slow headers": (HEAD, b"x-padding: aaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 10),
    "a slow body": (HEAD + b"content-length: 500\r\n\r\n{", b" " * 400),
    "a body that stops": (HEAD + b"content-length: 500\r\n\r\n{", b""),
    "slow chunks": (HEAD + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 100),
    "a slow second request": (b"GET /health HTTP/1.1\r\nhost: lockgate\r\n\r\nPOST /pre", b"dict HTTP/1.1\r\n" * 10),
}


def seconds_until_closed(service: Service, at_once: bytes, then: bytes) -> tuple[float, str]:
    """Seconds until the service closed the connection, and the last status line that it sent."""
    answers = b""
    with service.connect() as connection:
        start = time.monotonic()
        connection.sendall(at_once)
        connection.settimeout(PAUSE)
        rest = iter(then)
        while time.monotonic() - start < GIVE_UP:
            try:
                answer = connection.recv(65536)
                if not answer:
                    break
                answers += answer
            except TimeoutError:
                pass
            except OSError:
                break
            byte = next(rest, None)
            try:
                if byte is not None:
                    connection.send(bytes([byte]), socket.MSG_NOSIGNAL)
            except OSError:
                break
        seconds = time.monotonic() - start
    statuses = [line for line in answers.decode().splitlines() if line.startswith("HTTP/1.1 ")]
    return seconds, statuses[-1].removeprefix("HTTP/1.1 ") if statuses else "no answer"


def main() -> int:
    """All of them at once, many times over, with ordinary clients beside them."""
    parser = argparse.ArgumentParser(prog="scripts/harden slow", description=__doc__)
    parser.add_argument("--copies", type=int, default=8, help="of each slow client")
    copies = parser.parse_args().copies
    promises = Promises()
    with running() as service, ThreadPoolExecutor(len(CLIENTS) * copies) as pool:
        waiting = {
            name: [pool.submit(seconds_until_closed, service, *parts) for _ in range(copies)]
            for name, parts in CLIENTS.items()
        }
        seen = load(service.port, golden_requests(), 4, 4.0)
        promises.check(
            seen.strange == 0 and seen.refused == 0,
            "clients beside the slow ones are all answered",
            f"{len(seen.latencies)} answers, {seen.strange + seen.refused} others, p99 {seen.percentile(0.99) * 1e3:.1f} ms",
        )
        for name, futures in waiting.items():
            results = [future.result() for future in futures]
            longest = max(seconds for seconds, _ in results)
            promises.check(
                longest <= LIMIT, f"{name} is closed within {LIMIT:g} s", f"{longest:.1f} s, {results[0][1]}"
            )
        promises.check(service.get("/health")[0] == 200, "/health answers afterwards", "200")
    return promises.finish()


if __name__ == "__main__":
    sys.exit(main())
