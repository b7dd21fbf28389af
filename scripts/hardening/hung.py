"""A worker that is killed, stopped or stuck in a loop is replaced, counted and logged, and the others go on meanwhile."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from hardening._load import Seen, load
from hardening._service import Service, golden_requests, running
from promises import Promises

HANG = 2.0
WORKERS = 2
ROUND = 1.0  # seconds of load after a replacement
RESTARTS = "lockgate_worker_restarts_total"


@dataclass(frozen=True)
class Failure:
    """What happens to a worker, and within how many seconds another one has its place."""

    name: str
    hurt: Callable[[int], None]
    limit: float


def kill(worker: int) -> None:
    """As the kernel does it where memory runs out."""
    os.kill(worker, signal.SIGKILL)


def stop(worker: int) -> None:
    """As a debugger does it, a disk that hangs, or a processor that is taken away."""
    os.kill(worker, signal.SIGSTOP)


FAILURES = (Failure("a worker that is killed", kill, 3.0), Failure("a worker that stands still", stop, HANG + 3.0))


def replaced(service: Service, worker: int, limit: float) -> float:
    """Seconds until all workers are there again without that one and answer; more than `limit` where they never do."""
    began = time.monotonic()
    while time.monotonic() - began < limit + 10.0:
        _, *workers = service.processes()
        if worker not in workers and len(workers) == WORKERS and service.metric("lockgate_workers_ready") == WORKERS:
            break
        time.sleep(0.02)
    return time.monotonic() - began


def main() -> int:
    """Each failure, and the load after it."""
    promises = Promises()
    asked = golden_requests()
    for failure in FAILURES:
        with running("--workers", str(WORKERS), "--hang-seconds", str(HANG)) as service:
            load(service.port, asked, 8, ROUND)
            worker = service.processes()[-1]
            failure.hurt(worker)
            seconds = replaced(service, worker, failure.limit)
            seen: Seen = load(service.port, asked, 8, ROUND)
            restarts = service.metric(RESTARTS)
            service.errors.seek(0)
            said = service.errors.read()
        promises.check(
            seconds < failure.limit, f"{failure.name} is replaced within {failure.limit:g} s", f"{seconds:.1f} s"
        )
        promises.check(
            seen.strange == 0 and len(seen.latencies) > 0 and restarts == 1 and b"SIGKILL" in said,
            "then every request is answered, and it is counted and logged",
            f"{seen.strange} of {len(seen.latencies)} wrong or lost, {restarts:g} counted",
        )
    return promises.finish()


if __name__ == "__main__":
    sys.exit(main())
