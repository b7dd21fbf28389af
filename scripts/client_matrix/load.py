"""Clients that keep their connections, predict all the time, and hold every answer to what it has to be."""

from __future__ import annotations

import http.client
import json
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isclose

from client_matrix.plan import TOLERANCE

SECONDS = 10.0
JSON_TYPE = {"content-type": "application/json"}
Rows = Sequence[tuple[Mapping[str, object], float]]


@dataclass
class Seen:
    """What the clients of one proxy saw: how many requests they made, and what failed."""

    requests: int = 0
    failures: list[str] = field(default_factory=list)


class Client(threading.Thread):
    """One connection to a proxy, one request at a time, with a pause between two."""

    def __init__(self, port: int, rows: Rows, pause: Callable[[random.Random], float], seen: Seen, seed: int) -> None:
        super().__init__(daemon=True)
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        self._rows, self._pause, self._seen = rows, pause, seen
        self._chance = random.Random(seed)  # noqa: S311  # moments, not secrets
        self.ended = threading.Event()

    def run(self) -> None:
        """Predict until told to end."""
        while not self.ended.wait(self._pause(self._chance)):
            row, probability = self._chance.choice(self._rows)
            self._seen.requests += 1
            try:
                self._connection.request("POST", "/predict", json.dumps(row).encode(), JSON_TYPE)
                response = self._connection.getresponse()
                body = response.read()
                if response.status != http.client.OK:
                    self._seen.failures.append(
                        f"{response.status} {' '.join(body[:200].decode(errors='replace').split())}"
                    )
                    continue
                answer = json.loads(body)
                if not isclose(answer["probability"], probability, rel_tol=0.0, abs_tol=TOLERANCE):
                    self._seen.failures.append("a probability is wrong")
                if answer["model"] != response.headers["x-model-digest"]:
                    self._seen.failures.append("the body and the header name two models")
            except (OSError, http.client.HTTPException) as problem:
                self._seen.failures.append(f"{type(problem).__name__}: {problem}")
                self._connection.close()
        self._connection.close()


@contextmanager
def load(
    ports: Mapping[str, int], rows: Rows, connections: int, pause: Callable[[random.Random], float]
) -> Iterator[dict[str, Seen]]:
    """`connections` clients for each port, while the block runs; what those of each name saw."""
    seen = {name: Seen() for name in ports}
    clients = [
        Client(port, rows, pause, seen[name], seed=number)
        for name, port in ports.items()
        for number in range(connections)
    ]
    for client in clients:
        client.start()
    try:
        yield seen
    finally:
        for client in clients:
            client.ended.set()
        for client in clients:
            client.join(2 * SECONDS)
