"""What happens to two services behind proxies while clients predict: restarts, and connections that were idle."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from client_matrix.load import Rows, Seen, load
from client_matrix.proxies import Proxy, all_running
from client_matrix.slow_wire import slow_wires
from hardening._service import Service, end, start, wait_until_ready
from promises import fail

CONNECTIONS = 4  # a proxy
PAUSE = 0.04  # seconds, at most, between two requests of a connection
SETTLE = 2.0  # seconds that a service is ready before the next one is stopped: Kubernetes' minReadySeconds
STOP_SECONDS = 40.0

IDLE_CONNECTIONS = 24  # a proxy
IDLE_SECONDS = 12.0


@contextmanager
def two_services(*options: str) -> Iterator[list[Service]]:
    """Two ready services; those in the list at the end are killed."""
    services: list[Service] = []
    try:
        services += [start(*options), start(*options)]
        for service in services:
            wait_until_ready(service)
        yield services
    finally:
        for service in services:
            end(service)


def restarts(ports: Mapping[str, int], services: list[Service], rows: Rows, rounds: int) -> dict[str, Seen]:
    """Restart the services in turn, `rounds` times, each with its default drain; `services` has the new ones then."""
    with load(ports, rows, CONNECTIONS, lambda chance: chance.uniform(0.0, PAUSE)) as seen:
        time.sleep(SETTLE)
        for _ in range(rounds):
            for number, service in enumerate(services):
                service.terminate()
                if service.process.wait(STOP_SECONDS) != 0:
                    fail(f"a service ended with {service.process.returncode} on SIGTERM: {service.printed()}")
                service.errors.close()
                services[number] = start(port=service.port)
                wait_until_ready(services[number])
                time.sleep(SETTLE)
    return seen


def idle_connections(chosen: Sequence[Proxy], rows: Rows, proxy_seconds: int, service_seconds: int) -> dict[str, Seen]:
    """Leave connections idle for about as long as the proxies, and the services, keep them, again and again."""
    limits = [seconds for seconds in (proxy_seconds, service_seconds) if seconds < IDLE_SECONDS]
    with (
        two_services("--keep-alive-seconds", str(service_seconds)) as services,
        slow_wires(*(service.port for service in services)) as wires,
        all_running(chosen, wires, proxy_seconds) as ports,
        load(ports, rows, IDLE_CONNECTIONS, partial(pause_near, limits)) as seen,
    ):
        time.sleep(IDLE_SECONDS)
    return seen


def pause_near(limits: Sequence[int], chance: random.Random) -> float:
    """A little less than one of the limits, or a little more: services look for idle connections four times a second."""
    return chance.choice(limits) + chance.uniform(-0.15, 0.3)
