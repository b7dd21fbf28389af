"""What happens to services behind proxies while clients predict: restarts and connections that were idle."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping

from client_matrix.load import Rows, Seen, load
from hardening._service import Service, start, wait_until_ready
from promises import fail

CONNECTIONS = 4  # a proxy
PAUSE = 0.04  # seconds, at most, between two requests of a connection
SETTLE = 2.0  # a service is ready for so long before the next one is stopped: Kubernetes' minReadySeconds
STOP_SECONDS = 40.0

# Seconds that a connection may be idle: of a proxy to a service, and of a service.
PROXY_IDLE, SERVICE_IDLE = 1, 2
IDLE_CONNECTIONS = 24
IDLE_SECONDS = 12.0


def short_pause(chance: random.Random) -> float:
    """Between two requests of a busy connection."""
    return chance.uniform(0.0, PAUSE)


def pause_near_a_limit(chance: random.Random) -> float:
    """About as long as the proxy, or the service, keeps a connection that is idle."""
    return chance.choice((PROXY_IDLE, SERVICE_IDLE)) + chance.uniform(-0.15, 0.25)


def restarts(ports: Mapping[str, int], services: list[Service], rows: Rows, rounds: int) -> dict[str, Seen]:
    """Restart the services in turn, `rounds` times, each with its default drain; `services` has the new ones then."""
    with load(ports, rows, CONNECTIONS, short_pause) as seen:
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


def idle_connections(ports: Mapping[str, int], rows: Rows) -> dict[str, Seen]:
    """Leave connections idle for about as long as they are kept, again and again."""
    with load(ports, rows, IDLE_CONNECTIONS, pause_near_a_limit) as seen:
        time.sleep(IDLE_SECONDS)
    return seen
