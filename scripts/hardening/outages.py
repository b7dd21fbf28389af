"""What the service only watches or writes may be away: predictions are the same, and as quick."""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hardening._load import Seen, load
from hardening._service import GoldenRequest, Service, free_port, golden_requests, running
from promises import Promises

CLIENTS = 8
LIMIT = 1.5
METRICS = b"GET /metrics HTTP/1.1\r\nhost: lockgate\r\n\r\n"
LOG = ("--log-rows", "500", "--log-seconds", "0.2")


@dataclass
class Outage:
    """A service whose surroundings fail, and the rounds of load that it has had."""

    name: str
    service: Service
    after: Callable[[Service], tuple[bool, str]]
    rounds: list[Seen] = field(default_factory=list)


@contextmanager
def bad_server(answer: bytes | None) -> Iterator[str]:
    """The URL of a server that takes connections and says `answer`, or nothing for as long as anybody waits."""
    listener = socket.create_server(("127.0.0.1", 0))
    taken: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
                if answer is not None:
                    connection.sendall(answer)
                    connection.close()
            except OSError:
                return
            taken.append(connection)

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/drift.json"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for connection in taken:
            connection.close()


@contextmanager
def small_disk() -> Iterator[Path]:
    """A folder with room for 256 KB; of root only."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "lockgate", folder], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


@contextmanager
def lost_folder() -> Iterator[Path]:
    """A folder whose parent becomes a file once the service has started: nothing can be made there any more."""
    with tempfile.TemporaryDirectory() as parent:
        yield Path(parent, "disk", "decisions")


def lose(folder: Path) -> None:
    """Remove the folder, and what could be made in its place."""
    shutil.rmtree(folder.parent, ignore_errors=True)  # made with the first row, or before
    folder.parent.write_text("")


@contextmanager
def scrapers(service: Service) -> Iterator[None]:
    """One that asks for metrics without end, and ten that do not read what they asked for."""
    stop = threading.Event()
    deaf = [service.connect() for _ in range(10)]
    for one in deaf:
        one.sendall(METRICS * 3)

    def scrape() -> None:
        while not stop.wait(0.02):
            service.get("/metrics")

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        for one in deaf:
            one.close()


def outages(stack: ExitStack) -> list[Outage]:
    """All of them, with nothing amiss first."""

    def service(*options: str) -> Service:
        return stack.enter_context(running(*options))

    def source_is_down(one: Service) -> tuple[bool, str]:
        up = one.metric("lockgate_drift_source_up")
        return up == 0, f"lockgate_drift_source_up {up:g}"

    def rows_were_dropped(one: Service) -> tuple[bool, str]:
        dropped = one.metric("lockgate_decision_log_dropped_rows_total")
        return dropped > 0, f"{dropped:.0f} rows counted as dropped"

    def nothing_to_see(_: Service) -> tuple[bool, str]:
        return True, "-"

    found = [Outage("nothing", service(), nothing_to_see)]
    urls = {
        "nobody at the drift URL": f"http://127.0.0.1:{free_port()}/drift.json",
        "a drift URL that never answers": stack.enter_context(bad_server(None)),
        "a drift URL that answers nonsense": stack.enter_context(
            bad_server(b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 100_000)
        ),
    }
    for name, url in urls.items():
        found.append(Outage(name, service("--drift", url, "--drift-seconds", "0.2"), source_is_down))
    if os.geteuid() == 0:
        disk = stack.enter_context(small_disk())
        found.append(Outage("a full disk under the log", service("--decision-log", str(disk), *LOG), rows_were_dropped))
    folder = stack.enter_context(lost_folder())
    found.append(Outage("the log's folder gone", service("--decision-log", str(folder), *LOG), rows_were_dropped))
    lose(folder)
    scraped = service()
    stack.enter_context(scrapers(scraped))
    found.append(Outage("bad scrapers", scraped, nothing_to_see))
    return found


def measure(asked: list[GoldenRequest], given: argparse.Namespace, promises: Promises) -> None:
    """Rounds in turn, so that a busy moment of the machine meets all of them."""
    with ExitStack() as stack:
        found = outages(stack)
        for one in found:
            one.service.settled_megabytes()
        for _ in range(given.rounds):
            for one in found:
                one.rounds.append(load(one.service.port, asked, CLIENTS, given.seconds))
        usual = statistics.median(seen.percentile(0.5) for seen in found[0].rounds)
        for one in found[1:]:
            strange = sum(seen.strange + seen.refused for seen in one.rounds)
            answers = sum(len(seen.latencies) for seen in one.rounds)
            promises.check(
                strange == 0, f"{one.name}: every prediction is right", f"{answers} answers, {strange} others"
            )
            p50 = statistics.median(seen.percentile(0.5) for seen in one.rounds)
            promises.check(
                p50 < LIMIT * usual,
                f"{one.name}: as quick as ever",
                f"p50 {p50 * 1e3:.2f} ms, {usual * 1e3:.2f} ms without it",
            )
            seen, measured = one.after(one.service)
            if measured != "-":
                promises.check(seen, f"{one.name}: can be seen in the metrics", measured)


def main() -> int:
    """All outages."""
    parser = argparse.ArgumentParser(prog="scripts/harden outages", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each round")
    promises = Promises()
    measure(golden_requests(), parser.parse_args(), promises)
    return promises.finish()


if __name__ == "__main__":
    sys.exit(main())
