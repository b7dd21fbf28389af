"""A client that is stuck does not hold the end of the service beyond its grace."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable

from hardening._service import Service, golden_requests, post, running
from promises import Promises

DRAIN, GRACE = 0.5, 2.0
REQUEST = 60.0  # so that only the grace can end a stuck request in time
LIMIT = DRAIN + GRACE + 5.0  # for a busy machine
OPTIONS = ("--drain-seconds", str(DRAIN), "--grace-seconds", str(GRACE), "--request-seconds", str(REQUEST))


def upload(service: Service) -> list[socket.socket]:
    """Clients that announced a body and sent half of it."""
    request = golden_requests()[0].request
    clients = [service.connect() for _ in range(10)]
    for client in clients:
        client.sendall(request[: len(request) - 20])
    return clients


def headers(service: Service) -> list[socket.socket]:
    """Clients that are in the middle of a header."""
    clients = [service.connect() for _ in range(10)]
    for client in clients:
        client.sendall(b"POST /predict HTTP/1.1\r\nhost: lo")
    return clients


def idle(service: Service) -> list[socket.socket]:
    """Clients that were answered, and keep their connection."""
    clients = [service.connect() for _ in range(10)]
    for client in clients:
        client.sendall(b"GET /health HTTP/1.1\r\nhost: lockgate\r\n\r\n")
        client.recv(65536)
    return clients


def readers(service: Service) -> list[socket.socket]:
    """Clients that ask for a lot and read nothing of it."""
    row = json.loads(golden_requests()[0].request.partition(b"\r\n\r\n")[2])
    batch = post("/predict/batch", json.dumps({"rows": [row] * 1000}).encode())
    clients = []
    for _ in range(4):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", service.port))
        client.settimeout(2.0)
        try:
            for _ in range(20):
                client.sendall(batch)
        except TimeoutError:
            pass
        clients.append(client)
    return clients


KINDS: dict[str, Callable[[Service], list[socket.socket]]] = {
    "no client": lambda _: [],
    "idle connections": idle,
    "stuck headers": headers,
    "stuck uploads": upload,
    "clients that do not read": readers,
}


def main() -> int:
    """Each kind of stuck client, and a service of its own."""
    promises = Promises()
    for name, make in KINDS.items():
        with running(*OPTIONS) as service:
            clients = make(service)
            told = time.monotonic()
            service.terminate()
            try:
                code = service.process.wait(LIMIT + 20.0)
            except subprocess.TimeoutExpired:
                code = -1
            seconds = time.monotonic() - told
            for client in clients:
                client.close()
        promises.check(
            code == 0 and seconds < LIMIT,
            f"{name}: ended within {LIMIT:g} s of SIGTERM with 0 ({DRAIN:g} s drain, {GRACE:g} s grace)",
            f"{code}, {seconds:.1f} s",
        )
    return promises.finish()


if __name__ == "__main__":
    sys.exit(main())
