"""The engine whose work is done by the workers of a Dask scheduler, one that runs or one that is started here.

Dask works on an item again where its worker is lost, and gives an item up that loses several workers. Without any worker it waits
for the next, however long: here that ends with one line, as a scheduler that is away does.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any, TypeVar
from uuid import uuid4

import dask
from dask.utils import funcname
from distributed import Client, Future, LocalCluster, Security, Worker, WorkerPlugin, get_worker, wait
from distributed.comm import connect
from distributed.scheduler import KilledWorker

from lockgate.config import params
from lockgate.config.credentials import without_credentials
from lockgate.config.errors import InputError

Item = TypeVar("Item")
Made = TypeVar("Made")

CONNECT_SECONDS = (
    10  # with the greeting, the wait for a worker and the imports less than the half minute that is promised
)
GREETING_SECONDS = 2
WORKER_SECONDS = 10
LOST_SECONDS = 30  # a worker that died is started again within seconds by whoever watches it
ANSWER_SECONDS = 60  # of a scheduler that is busy
POLL_SECONDS = 2
CLOSE_SECONDS = 5
START_SECONDS = 120  # of workers that are started here, on a machine that does other things too
AHEAD = 2  # items for each worker: one that it works on, and one that waits there for it
SAME_PACKAGES = ("lockgate", "pyarrow", "distributed")  # what reads, counts or sends otherwise in another version
NOISY_LOGGERS = ("asyncio", "bokeh", "distributed", "tornado")
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class DaskEngine:
    """The workers of a scheduler. An item whose worker is lost is worked on again: what is done to it may be done twice."""

    def __init__(self, client: Client, where: str) -> None:
        self.client = client
        self._where = where

    @property
    def workers(self) -> int:
        """As `Engine.workers`: the threads of all workers that are there now."""
        return max(1, self._threads())

    def map(self, function: Callable[[Item], Made], items: Iterable[Item]) -> Iterator[Made]:
        """As `Engine.map`. Raises InputError where all workers or the scheduler are lost, or an item loses several workers."""
        name, ahead = funcname(function), AHEAD * self.workers
        running: deque[Future] = deque()
        # Sent once for all items, as it may hold a model; made by a task, since Dask makes such a result again where it is lost.
        shared = self.client.submit(_itself, function, key=f"{name}-function-{uuid4()}")
        try:
            for item in items:
                running.append(self.client.submit(_work, shared, item, key=f"{name}-{uuid4()}"))
                if len(running) >= ahead:
                    yield self._result(running.popleft())
            while running:
                yield self._result(running.popleft())
        finally:
            with suppress(
                Exception
            ):  # a scheduler that is away has nothing to cancel, and what happened is known already
                self.client.cancel([*running, shared])

    def _result(self, future: Future) -> Any:
        """What the task of the future made, or raised."""
        try:
            return self._fetched(future)
        except KilledWorker as error:
            raise InputError(
                f"{self._where}: the work on one part of the data ended {error.allowed_failures + 1} workers, the last of them "
                f"{error.last_worker.address}; too little memory is the usual cause: give each worker more, or fewer threads, "
                "and see its log"
            ) from error
        except CancelledError as error:
            raise self._lost_scheduler() from error

    def _fetched(self, future: Future) -> Any:
        while True:
            self._wait(future)
            try:
                return future.result(timeout=LOST_SECONDS)
            except TimeoutError:
                if future.status == "error":
                    raise  # the function's own
                # It was made, and went with its worker before it was fetched: Dask makes it again, where there is a worker.
                if not self._threads():
                    raise self._lost_workers() from None

    def _wait(self, future: Future) -> None:
        """Until the future is done; raises InputError where nobody is left who could."""
        alone_since: float | None = None
        while True:
            with suppress(TimeoutError):
                wait([future], timeout=POLL_SECONDS)
                return
            if self._threads():
                alone_since = None
            elif alone_since is None:
                alone_since = monotonic()
            elif monotonic() - alone_since > LOST_SECONDS:
                raise self._lost_workers()

    def _threads(self) -> int:
        try:
            threads = self.client.sync(self.client.scheduler.ncores, workers=None, callback_timeout=ANSWER_SECONDS)
        except (OSError, TimeoutError) as error:
            raise self._lost_scheduler() from error
        return sum(threads.values())

    def _lost_workers(self) -> InputError:
        return InputError(f"{self._where} has lost all its workers; see their logs, start them, and run this again")

    def _lost_scheduler(self) -> InputError:
        return InputError(f"{self._where} went away during the work; see its log, start it, and run this again")


@contextmanager
def connected_engine(address: str, announce: Callable[[str], None]) -> Iterator[DaskEngine]:
    """The workers of the scheduler at `address`, until the block ends; `announce` is given its dashboard's address.

    Raises InputError where there is no scheduler, it has no worker, or a worker has other versions than are here.
    """
    where = f"engine.scheduler: {without_credentials(address)}"
    with _quiet(), _connected(address, where) as client:
        _require_workers(client, where)
        _require_versions(client, where)
        _announce_dashboard(client, announce)
        yield DaskEngine(client, where)


@contextmanager
def started_engine(settings: params.Engine, announce: Callable[[str], None]) -> Iterator[DaskEngine]:
    """A scheduler and workers of this machine, processes of one thread each, until the block ends.

    Raises InputError where they cannot be started.
    """
    with _quiet(), _started(settings) as cluster, Client(cluster) as client:
        client.register_plugin(_NotInterrupted())
        _announce_dashboard(client, announce)
        yield DaskEngine(client, "engine: the scheduler that was started here")


@contextmanager
def _connected(address: str, where: str) -> Iterator[Client]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of versions that differ we say ourselves what to do
            with ThreadPoolExecutor(1) as pool:  # a notebook has a loop of its own in this thread
                pool.submit(asyncio.run, _greet(address)).result()
            client = Client(address, timeout=CONNECT_SECONDS, name="lockgate")
    except (OSError, ValueError, TypeError, RuntimeError, ImportError) as error:
        raise InputError(
            f"{where} cannot be reached ({str(error) or 'it says nothing'}); start one there with `dask scheduler`, or name "
            "another in engine.scheduler or LOCKGATE_SCHEDULER"
        ) from error
    try:
        yield client
    finally:
        client.close(timeout=CLOSE_SECONDS)


async def _greet(address: str) -> None:
    """Nothing where a scheduler answers; Dask's own client waits for ever for one that listens and says nothing."""
    async with asyncio.timeout(CONNECT_SECONDS + GREETING_SECONDS):
        comm = await connect(address, timeout=CONNECT_SECONDS, **Security().get_connection_args("client"))
        await comm.close()


@contextmanager
def _started(settings: params.Engine) -> Iterator[LocalCluster]:
    # Every user of the machine reaches a port of it, and whoever reaches a worker can have it run anything.
    security = Security.temporary()
    with dask.config.set({"logging.distributed": "critical"}):  # of the workers, which write to this terminal
        try:
            cluster = LocalCluster(
                n_workers=settings.workers,
                threads_per_worker=1,
                memory_limit=settings.memory,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                security=security,
                silence_logs=logging.CRITICAL,
                death_timeout=START_SECONDS,
            )
        except (OSError, RuntimeError) as error:
            raise InputError(
                f"engine: Dask cannot start {settings.workers} workers here ({error}); see to room in the folder for temporary "
                "files and in memory, or lower engine.workers"
            ) from error
        with cluster:
            yield cluster


def _require_workers(client: Client, where: str) -> None:
    try:
        client.wait_for_workers(1, timeout=WORKER_SECONDS)
    except (OSError, TimeoutError) as error:
        raise InputError(
            f"{where} has no worker; start some with `dask worker {without_credentials(client.scheduler.address)}` where the "
            "data can be read"
        ) from error


def _require_versions(client: Client, where: str) -> None:
    found = client.get_versions(packages=SAME_PACKAGES)
    here = _versions(found["client"])
    processes = {f"the worker {address}": answer for address, answer in found["workers"].items()}
    # It reads what is sent to the workers, too, and drops what it cannot read.
    processes["the scheduler"] = found["scheduler"]
    for process, answer in processes.items():
        there = _versions(answer)
        for name, version in here.items():
            if there[name] != version:
                raise InputError(
                    f"{where}: {process} has {name} {there[name] or '(none)'}, and here it is {version}; install the same versions "
                    f"of Python, {', '.join(SAME_PACKAGES)} for the scheduler and all workers"
                )


def _versions(answer: Mapping[str, Mapping[str, str | None]]) -> dict[str, str | None]:
    python = ".".join((answer["host"]["python"] or "").split(".")[:2])
    return {"Python": python} | {name: answer["packages"][name] for name in SAME_PACKAGES}


def _announce_dashboard(client: Client, announce: Callable[[str], None]) -> None:
    if client.dashboard_link:
        announce(f"Dask shows its work at {without_credentials(client.dashboard_link)}")


@contextmanager
def _quiet() -> Iterator[None]:
    """What Dask logs and warns of is not for whoever waits for a result: errors come as exceptions."""
    loggers = [
        logger
        for name, logger in logging.root.manager.loggerDict.items()
        if isinstance(logger, logging.Logger) and name.split(".")[0] in NOISY_LOGGERS
    ]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GiB"}):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


class _NotInterrupted(WorkerPlugin):  # type: ignore[misc]  # Dask has no types for mypy here
    """A terminal's Ctrl-C reaches all processes that it started: the first of them ends the workers, in order."""

    def setup(self, worker: Worker) -> None:
        """Dask calls it in each worker's main thread."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _itself(function: Callable[[Item], Made]) -> Callable[[Item], Made]:
    return function


def _work(function: Callable[[Item], Made], item: Item) -> Made:
    try:
        return function(item)
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        raise InputError(
            f"the worker {get_worker().address} on {socket.gethostname()} has no space left on its disk ({error}); make room "
            "there, or start it with TMPDIR and --local-directory on a larger one"
        ) from error
