"""Clients beside proxies: what each client gets directly and through each proxy, and what restarts behind a proxy cost.

Prints two tables in Markdown, and below each what is wrong in its cells; exit code 1 where a cell fails.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from client_matrix import proxies
from client_matrix.changes import PROXY_IDLE, SERVICE_IDLE, idle_connections, restarts
from client_matrix.clients import ask, clients, compile_java, verdict
from client_matrix.load import Rows, Seen
from client_matrix.plan import PREFIX, batch, make_plan
from client_matrix.proxies import PROXIES, Proxy
from hardening._service import ROOT, Service, end, start, wait_until_ready

from lockgate.documents.golden_json import GoldenPredictions
from lockgate.model.bundle import GOLDEN, verify_bundle

DIRECT = "none"


def golden_rows() -> Rows:
    """The bundle's golden rows that a service may be asked, with their probability."""
    bundle = verify_bundle(ROOT / "models")
    golden = GoldenPredictions.read(bundle.contents[GOLDEN], bundle.path(GOLDEN))
    return list(golden.complete(bundle.schema))


@contextmanager
def two_services(*options: str) -> Iterator[list[Service]]:
    """Two ready services; those in the list at the end are killed."""
    services = [start(*options), start(*options)]
    try:
        for service in services:
            wait_until_ready(service)
        yield services
    finally:
        for service in services:
            end(service)


def cells(ports: Mapping[str, int], rows: Rows, only: str) -> list[str]:
    """Print the table of the clients, a row when it is done; what is wrong, each with its cells."""
    max_body = 2 * len(batch(rows)[0])
    flaws: defaultdict[str, list[tuple[str, str, str]]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="lockgate-") as classes:
        compile_java(Path(classes))
        for client in clients(Path(classes)):
            if only not in client.name:
                continue
            words = [f"{client.name} {client.version()}"]
            for name, port in ports.items():
                host = f"http://127.0.0.1:{port}"
                plan = make_plan(rows, max_body, host if name == DIRECT else host + PREFIX)
                word, found = verdict(client, plan, ask(client, plan, host))
                words.append(word)
                for request, flaw in found:
                    flaws[flaw].append((client.name, name, request))
            print(row(words), flush=True)
    return [f"{flaw}: {where(found, len(ports))}" for flaw, found in flaws.items()]


def where(cells: list[tuple[str, str, str]], columns: int) -> str:
    """The cells that have one flaw: each client, behind which proxies, and for which of its requests."""
    proxies_of: defaultdict[str, dict[str, None]] = defaultdict(dict)
    requests_of: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for client, proxy, request in cells:
        proxies_of[client][proxy] = None
        requests_of[client][request] = None
    return "; ".join(
        f"{client} ({'everywhere' if len(names) == columns else ', '.join(names)}: {', '.join(requests_of[client])})"
        for client, names in proxies_of.items()
    )


def row(words: list[str]) -> str:
    """A row of a table."""
    return f"| {' | '.join(words)} |"


def heading(words: list[str]) -> str:
    """The first two rows of a table."""
    return f"{row(words)}\n{row(['---'] * len(words))}"


def counted(seen: Seen) -> str:
    """The cell of a proxy under a change."""
    return f"{len(seen.failures)} of {seen.requests:,} failed"


def stop(number: int, _: FrameType | None) -> None:
    """End as on an interrupt, so that everything that was started is stopped."""
    raise SystemExit(128 + number)


def main() -> int:
    """Both tables."""
    parser = argparse.ArgumentParser(prog="scripts/clients", description=__doc__)
    parser.add_argument("--client", default="", help="only clients with this in their name")
    parser.add_argument("--proxy", default="", help="only the proxy of this name, or 'none'")
    parser.add_argument("--rounds", type=int, default=2, help="restarts of each of the two services (default: 2)")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, stop)
    began, rows = time.monotonic(), golden_rows()
    chosen = [proxy for proxy in PROXIES if given.proxy in ("", proxy.name)]
    flaws, changes = [], {}
    with ExitStack() as stack:
        services = stack.enter_context(two_services())
        ports = started(chosen, services, proxies.IDLE, stack)
        direct = {DIRECT: services[0].port} if given.proxy in ("", DIRECT) else {}
        versions = [f"{proxy.name} {proxies.version(proxy)}" for proxy in chosen]
        print(heading(["client", *direct, *versions]), flush=True)
        flaws += cells(direct | ports, rows, given.client)
        print(*(f"- {flaw}" for flaw in flaws), sep="\n")
        if chosen:
            changes["restarts"] = restarts(ports, services, rows, given.rounds)
    if chosen:
        with ExitStack() as stack:
            services = stack.enter_context(two_services("--keep-alive-seconds", str(SERVICE_IDLE)))
            changes["idle connections"] = idle_connections(started(chosen, services, PROXY_IDLE, stack), rows)
        print(heading(["proxy", *changes]))
        for proxy in chosen:
            print(row([proxy.name, *(counted(seen[proxy.name]) for seen in changes.values())]))
    failures = [
        f"{name} under {change}: {failure}"
        for change, seen in changes.items()
        for name, one in seen.items()
        for failure in sorted(set(one.failures))
    ]
    print(*(f"- {failure}" for failure in failures), sep="\n")
    print(f"{time.monotonic() - began:.0f} seconds", file=sys.stderr)
    return 1 if flaws or failures else 0


def started(chosen: list[Proxy], services: list[Service], idle: int, stack: ExitStack) -> dict[str, int]:
    """The ports of the proxies, which stop with the stack."""
    first, second = (service.port for service in services)
    return {proxy.name: stack.enter_context(proxies.running(proxy, (first, second), idle)) for proxy in chosen}


if __name__ == "__main__":
    sys.exit(main())
