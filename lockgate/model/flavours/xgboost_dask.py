"""XGBoost on the workers of a Dask scheduler: each has a range of the rows, and they train one model together.

It is what `xgboost.dask` is made of, XGBoost's own tracker and collective, without what that adds: it keeps the raw rows in the
workers' memory, and lets Dask choose which worker has which rows, which shapes the model. Here a rank is the number of a range, so
that the model depends on how many workers there are, and not on which; and a worker that is lost ends the training at once.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Thread
from time import sleep
from typing import TypeVar
from uuid import uuid4

from distributed import Client, Future, fire_and_forget, get_worker, wait
from distributed.comm import get_address_host
from xgboost.collective import CommunicatorContext
from xgboost.tracker import RabitTracker

from lockgate.config.credentials import without_credentials
from lockgate.config.errors import InputError
from lockgate.config.params import XGBoostTrain
from lockgate.data.stage_rows import FramePartition, StageRows
from lockgate.documents.schema_json import Schema
from lockgate.model.flavours.xgboost_blocks import fit_blocks, write_blocks
from lockgate.model.protocol import Fitted, Progress

ROWS_OF_A_WORKER = 1_000  # at least: fewer are not worth another machine, and could be none of a split
POLL_SECONDS = 1
MEETING_SECONDS = 300  # in which all workers have to find each other, and after which one that lost the others gives up

Item = TypeVar("Item")
Made = TypeVar("Made")


def fit_on_workers(
    client: Client, rows: StageRows, train: XGBoostTrain, schema: Schema, progress: Progress
) -> tuple[Fitted, int]:
    """The model of the rows, and how many workers trained it: all that there are, where the rows suffice.

    Raises InputError where a worker is lost or cannot have its rows: nothing of a training that broke off is of any use.
    """
    workers = _workers(client)[: max(1, rows.rows // ROWS_OF_A_WORKER)]
    name = f"lockgate-training-{uuid4()}"
    ranks, size = range(len(workers)), len(workers)
    client.subscribe_topic(name, lambda event: progress(*event[1]))
    try:
        shares = list(zip(ranks, rows.ranges(size), strict=True))
        _on_each(client, workers, partial(_write_share, train=train, schema=schema, name=name), shares)
        (meeting,) = _on_each(client, workers[:1], partial(_start_tracker, name=name), [size])
        fit = partial(_fit_share, meeting=meeting, train=train, schema=schema, name=name)
        return _on_each(client, workers, fit, ranks)[0], size
    finally:
        client.unsubscribe_topic(name)
        with suppress(InputError):  # where the scheduler is gone, its workers go too, and remove what is theirs
            for worker in set(workers).intersection(_workers(client)):
                fire_and_forget(_submit(client, worker, _remove, name))


def _workers(client: Client) -> list[str]:
    """The addresses of the workers that are there now."""
    try:
        return sorted(client.nthreads())
    except (OSError, TimeoutError) as error:
        raise _lost_scheduler() from error


def _on_each(
    client: Client, workers: Sequence[str], function: Callable[[Item], Made], items: Sequence[Item]
) -> list[Made]:
    """`function` of each item, on the worker at its place, which is the only one that may do it."""
    futures = [_submit(client, worker, function, item) for worker, item in zip(workers, items, strict=True)]
    waiting = set(futures)
    try:
        while waiting:
            with suppress(TimeoutError):
                wait(waiting, timeout=POLL_SECONDS, return_when="FIRST_COMPLETED")
            done = {one for one in waiting if one.done()}
            if any(one.status == "error" for one in done):
                sleep(POLL_SECONDS)  # they fail together where one is lost, which the scheduler may not know yet
            _require_workers(client, workers)
            for one in done:
                one.result()
            waiting -= done
        return [one.result() for one in futures]
    except CancelledError as error:
        raise _lost_scheduler() from error
    except ModuleNotFoundError as error:
        raise InputError(
            f"a Dask worker lacks the package {error.name}; install on the workers what is installed here"
        ) from error
    finally:
        with suppress(Exception):  # a scheduler that is away has nothing to cancel
            client.cancel(futures)


def _submit(client: Client, worker: str, function: Callable[[Item], Made], item: Item) -> Future:
    return client.submit(function, item, workers=[worker], allow_other_workers=False, pure=False)


def _require_workers(client: Client, workers: Sequence[str]) -> None:
    for lost in sorted({*workers}.difference(_workers(client))):
        raise InputError(
            f"the Dask worker {without_credentials(lost)} was lost during the training, and with it its share of the rows; too "
            "little memory is the usual cause: see its log, and run this again"
        )


def _lost_scheduler() -> InputError:
    return InputError("the Dask scheduler went away during the training; see its log, start it, and run this again")


def _folder(name: str) -> Path:
    """Where a worker keeps its share: Dask removes it where the worker ends."""
    return Path(get_worker().local_directory) / name


def _write_share(share: tuple[int, FramePartition], train: XGBoostTrain, schema: Schema, name: str) -> None:
    rank, rows = share
    write_blocks(rows, train, schema, _folder(name) / str(rank))


def _start_tracker(size: int, name: str) -> dict[str, str | int]:
    """What the workers need to find each other, on this one: they reach each other, and perhaps not the scheduler's host."""
    host = get_address_host(get_worker().address)
    tracker = RabitTracker(n_workers=size, host_ip=host, sortby="task", timeout=MEETING_SECONDS)
    tracker.start()
    Thread(target=tracker.wait_for, name=name, daemon=True).start()
    return dict(tracker.worker_args())


def _fit_share(rank: int, meeting: dict[str, str | int], train: XGBoostTrain, schema: Schema, name: str) -> Fitted:
    worker = get_worker()

    def progress(done: int, loss: float) -> None:
        if rank == 0:
            worker.log_event(name, (done, loss))

    # Ranks go by the text of the task.
    with CommunicatorContext(**meeting, dmlc_task_id=f"{rank:06}", dmlc_timeout=MEETING_SECONDS):
        return fit_blocks(_folder(name) / str(rank), train, schema, progress, worker.state.nthreads)


def _remove(name: str) -> None:
    shutil.rmtree(_folder(name), ignore_errors=True)
