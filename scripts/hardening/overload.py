"""Ten times the clients that saturate the service: those accepted are about as quick, the rest are told to come back."""

from __future__ import annotations

import argparse
import os
import statistics
import sys

from hardening._load import load
from hardening._service import golden_requests, running
from promises import Promises

SATURATING, TIMES = 16, 10  # few enough that a slow machine answers each before its wait counts as a standing queue
LIMIT = 2.0
OPENING = 1.0
SHARE = 0.6
SETTLED = 5.0
MEGABYTES = 15.0


def main() -> int:
    """Rounds of both kinds in turn; the promise is about the medians."""
    parser = argparse.ArgumentParser(prog="scripts/harden overload", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each round")
    given = parser.parse_args()
    promises = Promises()
    asked = golden_requests()
    cores = sorted(os.sched_getaffinity(0))
    with running() as service:
        if len(cores) > 1:  # the clients must not take the service's core
            for process in service.processes():
                os.sched_setaffinity(process, cores[:1])
            os.sched_setaffinity(0, cores[1:])
        load(service.port, asked, SATURATING * TIMES, given.seconds)
        memory = service.settled_megabytes()
        calm, loaded = [], []
        for _ in range(given.rounds):
            calm.append(load(service.port, asked, SATURATING, given.seconds, OPENING))
            loaded.append(load(service.port, asked, SATURATING * TIMES, given.seconds, OPENING))
        grown = service.megabytes() - memory
    usual = statistics.median(seen.percentile(0.99) for seen in calm) * 1e3
    accepted = statistics.median(seen.percentile(0.99) for seen in loaded) * 1e3
    rates = [statistics.median(len(seen.latencies) for seen in kind) / given.seconds for kind in (calm, loaded)]
    promises.check(
        accepted < LIMIT * usual,
        f"p99 of what is accepted of {SATURATING * TIMES} clients is under {LIMIT:g} times that of {SATURATING}",
        f"{accepted:.1f} ms, {usual:.1f} ms",
    )
    promises.check(
        rates[1] > SHARE * rates[0],
        f"the others cost under {1 - SHARE:.0%} of the answers",
        f"{rates[1]:.0f} and {rates[0]:.0f} answers/s",
    )
    settled = max(seen.settled for seen in loaded)
    promises.check(
        settled < SETTLED, f"who connects at once has an answer within {SETTLED:g} s", f"all after {settled:.2f} s"
    )
    unexpected = sum(seen.strange for seen in [*calm, *loaded])
    refused = sum(seen.refused for seen in loaded)
    promises.check(
        unexpected == 0 and refused > 0,
        "the rest get 503 with Retry-After",
        f"{refused} did, {unexpected} something else",
    )
    refused = statistics.median(seen.refused for seen in calm)
    promises.check(refused == 0, f"{SATURATING} clients are all accepted", f"{refused:g} refused in the median round")
    promises.check(
        grown < MEGABYTES, f"memory stays within {MEGABYTES:g} MB", f"{grown:+.1f} MB after {2 * given.rounds} rounds"
    )
    return promises.finish()


if __name__ == "__main__":
    sys.exit(main())
