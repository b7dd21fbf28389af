"""A thousand connections that ask nothing leave everybody else answered."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack

from hardening._load import load
from hardening._service import golden_requests, running
from promises import Promises

HEALTH = b"GET /health HTTP/1.1\r\nhost: lockgate\r\n\r\n"
LIMIT = 1.0
MEGABYTES = 50.0


def main() -> int:
    """Half of them never ask, half asked once and stay."""
    parser = argparse.ArgumentParser(prog="scripts/harden idle", description=__doc__)
    parser.add_argument("--sockets", type=int, default=1000)
    number = parser.parse_args().sockets
    promises = Promises()
    with running() as service, ExitStack() as stack:
        before = service.settled_megabytes()
        sockets = [stack.enter_context(service.connect()) for _ in range(number)]
        for one in sockets[::2]:
            one.sendall(HEALTH)
        answered = sum(one.recv(16) == b"HTTP/1.1 200 OK\r" for one in sockets[::2])
        promises.check(
            answered == len(sockets[::2]), "each connection that asks once is answered", f"{answered} of {number // 2}"
        )
        times = []
        for _ in range(20):
            start = time.monotonic()
            status, _ = service.get("/health")
            times.append(time.monotonic() - start if status == 200 else LIMIT)
        promises.check(
            max(times) < LIMIT,
            f"/health answers beside {number} idle sockets",
            f"20 times, slowest {max(times) * 1e3:.0f} ms",
        )
        seen = load(service.port, golden_requests(), 4, 2.0)
        promises.check(
            seen.strange == 0 and seen.refused == 0,
            "predictions beside them are all answered",
            f"{len(seen.latencies)} answers",
        )
        grown = service.megabytes() - before
        promises.check(grown < MEGABYTES, f"they cost under {MEGABYTES:g} MB", f"{grown:.1f} MB")
    return promises.finish()


if __name__ == "__main__":
    sys.exit(main())
