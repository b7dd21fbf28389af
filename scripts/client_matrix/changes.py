"""What happens to two services behind proxies while clients predict: restarts, other models, connections that were idle."""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from client_matrix.load import Rows, Seen, load
from client_matrix.proxies import Proxy, all_running
from client_matrix.slow_wire import slow_wires
from hardening._service import ROOT, Service, end, free_port, start, wait_until_ready
from promises import fail

CONNECTIONS = 4  # a proxy
PAUSE = 0.1  # seconds, at most, between two requests of a connection
SETTLE = 2.0  # seconds that a service is ready before the next one is stopped: Kubernetes' minReadySeconds
STOP_SECONDS = 40.0

RELOADS = 10  # of each of the two services
RELOAD_SECONDS = 30.0

# Two busy cores are not taken for a fault of what is looked at here: overload is for scripts/harden overload.
PATIENT = ("--target-wait", "5", "--max-wait", "5")

IDLE_CONNECTIONS = 24  # a proxy
IDLE_SECONDS = 12.0


@contextmanager
def two_services(*options: str, admin_ports: Sequence[int] = ()) -> Iterator[list[Service]]:
    """Two ready services; those in the list at the end are stopped."""
    services: list[Service] = []
    try:
        for number in range(2):
            admin = ("--admin-port", str(admin_ports[number])) if admin_ports else ()
            services.append(start(*PATIENT, *options, *admin))
        for service in services:
            wait_until_ready(service)
        yield services
    finally:
        for service in services:
            stop(service)


def stop(service: Service) -> None:
    """End a service and its workers now: a second SIGTERM ends the drain that the first one began."""
    for _ in range(2):
        service.terminate()
        time.sleep(0.1)
    try:
        service.process.wait(STOP_SECONDS)
    finally:
        end(service)


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
                services[number] = start(*PATIENT, port=service.port)
                wait_until_ready(services[number])
                time.sleep(SETTLE)
    return seen


def reloads(chosen: Sequence[Proxy], rows: Rows) -> dict[str, Seen]:
    """Let each service change between two bundles by POST /admin/reload; both have one model, so a row has one right answer."""
    with tempfile.TemporaryDirectory(prefix="lockgate-") as name:
        folders = two_bundles(Path(name))
        served = Path(name) / "served"
        admin_ports = [free_port(), free_port()]
        put(served, folders[0])
        with (
            two_services("--bundle", str(served), admin_ports=admin_ports) as services,
            all_running(chosen, [service.port for service in services]) as ports,
            load(ports, rows, CONNECTIONS, short_pause) as seen,
        ):
            time.sleep(SETTLE)
            for number in range(RELOADS):
                folder = folders[(number + 1) % 2]
                put(served, folder)
                for admin_port in admin_ports:
                    reload(admin_port, digest(folder))
                    time.sleep(PAUSE)
        return seen


def two_bundles(folder: Path) -> tuple[Path, Path]:
    """Copies of the bundle with its verdict; the second one's manifest names other training data, so its digest is another."""
    first, second = folder / "first", folder / "second"
    for copy in (first, second):
        shutil.copytree(ROOT / "models", copy)
        shutil.copy(ROOT / "reports" / "gate.json", copy)
    manifest = json.loads((second / "manifest.json").read_bytes())
    manifest["training_data"] = hashlib.sha256(b"other rows").hexdigest()
    (second / "manifest.json").write_text(json.dumps(manifest))
    gate = json.loads((second / "gate.json").read_bytes())
    gate["model"] = digest(second)
    (second / "gate.json").write_text(json.dumps(gate))
    return first, second


def digest(bundle: Path) -> str:
    """Of a bundle in a folder."""
    return hashlib.sha256((bundle / "manifest.json").read_bytes()).hexdigest()


def put(served: Path, folder: Path) -> None:
    """Let `served` be this folder, as one rename."""
    link = served.with_name("link")
    link.symlink_to(folder, target_is_directory=True)
    link.replace(served)


def reload(admin_port: int, model: str) -> None:
    """Let a service serve the bundle of this digest; ends the script where it does not."""
    connection = http.client.HTTPConnection("127.0.0.1", admin_port, timeout=RELOAD_SECONDS)
    try:
        connection.request("POST", "/admin/reload")
        answer = connection.getresponse().read()
    finally:
        connection.close()
    if json.loads(answer).get("model") != model:
        fail(f"a service did not change its model: {answer.decode()}")


def short_pause(chance: random.Random) -> float:
    """Between two requests of a busy connection."""
    return chance.uniform(0.0, PAUSE)


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
