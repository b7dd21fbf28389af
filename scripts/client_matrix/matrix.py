"""Clients beside proxies: what each client gets directly and through each proxy, and whether a request fails
when services behind a proxy restart, change their model, or close idle connections.

Prints two tables in Markdown, and below each what is wrong in its cells; exit code 1 where a cell fails.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from client_matrix import proxies
from client_matrix.changes import idle_connections, reloads, restarts, two_services
from client_matrix.clients import ask, clients, compile_java, verdict
from client_matrix.load import Rows, Seen
from client_matrix.plan import PREFIX, batch, make_plan
from client_matrix.proxies import PROXIES, Proxy
from hardening._service import ROOT

from lockgate.documents.golden_json import GoldenPredictions
from lockgate.model.bundle import GOLDEN, verify_bundle

DIRECT = "none"
# Seconds that a proxy and a service keep an idle connection: in the right order, and in the wrong one.
IDLE, WRONG_IDLE = (1, 2), (30, 1)


def golden_rows() -> Rows:
    """The bundle's golden rows that a service may be asked, with their probability."""
    bundle = verify_bundle(ROOT / "models")
    golden = GoldenPredictions.read(bundle.contents[GOLDEN], bundle.path(GOLDEN))
    return list(golden.complete(bundle.schema))


def table_of_clients(ports: Mapping[str, int], rows: Rows, only: str) -> list[str]:
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


def where(cells: Sequence[tuple[str, str, str]], columns: int) -> str:
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


def table_of_changes(changes: Mapping[str, Mapping[str, Seen]]) -> None:
    """Print the table of the proxies: how many requests failed under each change."""
    print(heading(["proxy", *changes]))
    for proxy in next(iter(changes.values())):
        print(row([proxy, *(f"{len(seen[proxy].failures)} of {seen[proxy].requests:,}" for seen in changes.values())]))


def failures(changes: Mapping[str, Mapping[str, Seen]]) -> list[str]:
    """What failed behind which proxy under which change, each once."""
    return [
        f"{failure}: {proxy}, {change}"
        for change, seen in changes.items()
        for proxy, one in seen.items()
        for failure in sorted(set(one.failures))
    ]


def row(words: Sequence[str]) -> str:
    """A row of a table."""
    return f"| {' | '.join(words)} |"


def heading(words: Sequence[str]) -> str:
    """The first two rows of a table."""
    return f"\n{row(words)}\n{row(['---'] * len(words))}"


def listed(lines: Sequence[str]) -> None:
    """Print a list below a table."""
    if lines:
        print("", *(f"- {line}" for line in lines), sep="\n", flush=True)


def stop(number: int, _: FrameType | None) -> None:
    """End as on an interrupt, so that everything that was started is stopped."""
    raise SystemExit(128 + number)


def main() -> int:
    """Both tables."""
    parser = argparse.ArgumentParser(prog="scripts/clients", description=__doc__)
    parser.add_argument("--client", default="", help="only clients with this in their name")
    parser.add_argument(
        "--proxy", default="", choices=["", DIRECT, *(proxy.name for proxy in PROXIES)], help="only this"
    )
    parser.add_argument("--rounds", type=int, default=2, help="restarts of each of the two services (default: 2)")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, stop)
    began, rows = time.monotonic(), golden_rows()
    chosen: list[Proxy] = [proxy for proxy in PROXIES if given.proxy in ("", proxy.name)]
    changes: dict[str, dict[str, Seen]] = {}
    with two_services() as services, proxies.all_running(chosen, [one.port for one in services]) as ports:
        direct = {DIRECT: services[0].port} if given.proxy in ("", DIRECT) else {}
        print(heading(["client", *direct, *(f"{proxy.name} {proxies.version(proxy)}" for proxy in chosen)]), flush=True)
        wrong = table_of_clients(direct | ports, rows, given.client)
        listed(wrong)
        if chosen:
            changes["restarts"] = restarts(ports, services, rows, given.rounds)
    if chosen:
        changes["reloads"] = reloads(chosen, rows)
        changes["idle connections"] = idle_connections(chosen, rows, *IDLE)
        comparison = {"idle connections, in the wrong order": idle_connections(chosen, rows, *WRONG_IDLE)}
        table_of_changes(changes | comparison)
        wrong += failures(changes)
        listed(failures(changes))
    print(f"\n{time.monotonic() - began:.0f} seconds")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
