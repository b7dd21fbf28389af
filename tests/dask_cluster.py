"""A Dask scheduler and its workers, processes of their own on this machine, and work to give them.

The workers import this module, so that functions of it travel to them by name, as those of the kit do.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from distributed import Client

from lockgate.config.errors import InputError

DASK = Path(sys.executable).parent / "dask"
START_SECONDS = 180.0  # of a machine that does other things too
FULL_DISK = Path("/dev/full")  # whatever is written there finds no space


@dataclass(frozen=True)
class DaskCluster:
    """A scheduler at `address` and its workers."""

    address: str
    scheduler: subprocess.Popen[bytes]
    workers: Sequence[subprocess.Popen[bytes]]


@contextmanager
def running_cluster(
    folder: Path,
    workers: int = 2,
    *,
    path: Sequence[Path] = (),
    variables: Mapping[str, str] | None = None,
    only: str | None = None,
) -> Iterator[DaskCluster]:
    """A scheduler and workers of one thread each, until the block ends.

    `path` goes before the modules that they have; `only` the scheduler, or only a worker, has that.
    """
    connection = folder / "scheduler.json"
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> subprocess.Popen[bytes]:
        first = path if only in (None, command[0]) else ()
        modules = os.pathsep.join(map(str, [*first, Path(__file__).parent]))
        environment = {**os.environ, "PYTHONPATH": modules, **(variables or {})}
        with (folder / f"{len(started)}.log").open("wb") as log:
            process = subprocess.Popen([DASK, *command], env=environment, stdout=log, stderr=log, cwd=folder)
        started.append(process)
        return process

    try:
        scheduler = start(
            *("scheduler", "--host=127.0.0.1", "--port=0", "--dashboard-address=127.0.0.1:0"),
            f"--scheduler-file={connection}",
        )
        end = time.monotonic() + START_SECONDS
        while not connection.exists() or not connection.read_text().endswith("}"):
            assert scheduler.poll() is None, (folder / "0.log").read_text()
            assert time.monotonic() < end, (folder / "0.log").read_text()
            time.sleep(0.05)
        address = json.loads(connection.read_text())["address"]
        own = ("--host=127.0.0.1", "--no-nanny", "--nthreads=1", "--no-dashboard", f"--local-directory={folder}")
        cluster = DaskCluster(address, scheduler, [start("worker", address, *own) for _ in range(workers)])
        if workers:
            with Client(address, timeout=START_SECONDS) as client:
                client.wait_for_workers(workers, timeout=START_SECONDS)
        yield cluster
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait(30)


def square(number: int) -> int:
    """A number that is easily checked."""
    return number * number


def process_of(_item: int) -> int:
    """Who did it, in a time in which the others could have done something too."""
    time.sleep(0.3)
    return os.getpid()


def refuse_three(number: int) -> int:
    """Input that is wrong in one part."""
    if number == 3:
        raise InputError("part-3.parquet has no column `age`; write it there too")
    return number


def fail_at_three(number: int) -> int:
    """A defect of the kit."""
    return number // (3 - number)


def time_out(_item: int) -> None:
    """A wait of the function's own that ends."""
    raise TimeoutError("the storage does not answer")


def fill_the_disk(_item: int) -> None:
    """Write where there is no space."""
    FULL_DISK.write_bytes(b"a row")


def miss_a_file(path: Path) -> bytes:
    """An error of the operating system that is none of space."""
    return path.read_bytes()


def die_once_at_seven(died: Path, number: int) -> int:
    """The first worker that gets the 7 is gone, as by a machine that went off."""
    if number == 7 and not died.exists():
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def die(_item: int) -> None:
    """Every worker that gets this is gone."""
    os.kill(os.getpid(), signal.SIGKILL)


def wait_for_ever(began: Path, _item: int) -> None:
    """Work that does not end, and shows that it began."""
    began.touch()
    time.sleep(3600)
