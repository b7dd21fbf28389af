"""The decision log: requests append to a bounded queue, and a thread writes it to Parquet files."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from uuid import uuid4

import arro3.io
from arro3.core import Array, DataType, Table

from lockgate.documents.schema_json import (
    LOG_DECISION,
    LOG_DIGEST,
    LOG_REQUEST_ID,
    LOG_ROW,
    LOG_SCORE,
    LOG_SHADOW_DECISION,
    LOG_SHADOW_DIGEST,
    LOG_SHADOW_SCORE,
    LOG_TIME,
    Decision,
    Schema,
)
from lockgate.service.api.request_validation import Identifiers, Row
from lockgate.service.log import log_event
from lockgate.service.metrics.counters import ServiceMetrics
from lockgate.service.scoring.shadow import ShadowedRequest
from lockgate.service.settings import MAX_BATCH_ROWS

POLL_SECONDS = 0.2
RETRY_SECONDS = 1.0
STILL_SECONDS = 2.0  # without a heartbeat, until what waits is written at once
SECONDS_BETWEEN_LINES = 60.0  # that say that rows are dropped
SHADOW_SECONDS = 1.0  # that a file waits for the scores of a challenger
SHADOW_POLL_SECONDS = 0.01
MAX_WAITING_FILES = 2  # as rows in memory, and a batch; beyond, rows are dropped and counted


class DecisionLog:
    """Takes rows without ever waiting; while the disk is too slow, full or absent, it drops and counts them.

    A file has at most `file_rows` rows, or one request's, and no row waits longer than `file_seconds` for its file.
    """

    def __init__(
        self, folder: Path, schema: Schema, digest: str, metrics: ServiceMetrics, file_rows: int, file_seconds: float
    ) -> None:
        self._folder, self._metrics = folder, metrics
        self._model = LoggedModel(schema, digest)  # of the rows in the writer's hands
        self._file_rows, self._file_seconds = file_rows, file_seconds
        self._max_rows = MAX_WAITING_FILES * file_rows + MAX_BATCH_ROWS
        self._queue: deque[Decided | LoggedModel] = deque()
        self._recorded = 0  # rows put into the queue, by the server's thread alone
        self._gone = 0  # rows written or dropped from it, by the writer's thread alone
        self._waiting: list[Decided] = []  # for the next file, in the writer's hands
        self._rows = 0
        self._files = 0
        self._name = uuid4().hex[:8]  # replicas of a container that share a folder have the same process id
        self._stop = Event()
        self._failing = False
        self._next_line = 0.0  # when it may be said again that the queue is full
        self._shadow_keeps_up = True
        self._thread = Thread(target=self._write_until_stopped, name="decision-log", daemon=True)

    def start(self) -> None:
        """Start to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is there, and end; what cannot be written then is dropped and counted."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10.0)

    def record(
        self,
        request_id: str,
        rows: Sequence[Row],
        scores: Sequence[float],
        decisions: Sequence[str],
        identifiers: Sequence[Identifiers],
        shadowed: ShadowedRequest | None = None,
    ) -> None:
        """Keep the rows of a request, or drop and count them where too many wait; `shadowed` is filled in meanwhile."""
        if self._recorded - self._gone + len(rows) > self._max_rows:
            self._metrics.dropped(len(rows))
            if time.monotonic() >= self._next_line:
                self._next_line = time.monotonic() + SECONDS_BETWEEN_LINES
                log_event("decision-log-full", level="error", waiting=self._recorded - self._gone)
            return
        self._recorded += len(rows)
        self._metrics.queued(len(rows))
        self._queue.append(Decided(request_id, time.time(), rows, scores, decisions, identifiers, shadowed))

    def switch(self, schema: Schema, digest: str) -> None:
        """What is recorded from now on is another model's, in files of its own; from the thread that records."""
        self._queue.append(LoggedModel(schema, digest))

    def _write_until_stopped(self) -> None:
        while not self._stop.wait(RETRY_SECONDS if self._failing else POLL_SECONDS):
            self._take()
            while self._is_due() and self._write():
                self._take()
        self._take()
        while self._waiting and self._write():
            self._take()
        lost = self._recorded - self._gone
        if lost:
            self._done_with(lost)
            self._metrics.dropped(lost, by_writer=True)
            log_event("decision-rows-dropped", level="error", rows=lost, why="they could not be written before the end")

    def _take(self) -> None:
        """Move requests of one model from the queue, as many as make a file."""
        while self._queue and self._rows < self._file_rows:
            first = self._queue[0]
            if isinstance(first, Decided):
                self._waiting.append(first)
                self._rows += len(first.rows)
            elif self._waiting:
                return
            else:
                self._model = first
            self._queue.popleft()

    def _is_due(self) -> bool:
        """Whether the file is full, of a model that is served no longer, or its first row has waited long enough.

        A worker whose event loop stands still is about to be killed, and what it has not written by then is lost.
        """
        if not self._waiting:
            return False
        if self._rows >= self._file_rows or (self._queue and isinstance(self._queue[0], LoggedModel)):
            return True
        waited = time.time() - self._waiting[0].time
        return waited >= self._file_seconds or self._metrics.stands_still(STILL_SECONDS)

    def _wait_for_shadow(self) -> None:
        """Give the challenger a moment for the last rows; where it was not enough, none until it has kept up again."""
        last = next((one.shadowed for one in reversed(self._waiting) if one.shadowed is not None), None)
        if last is None:
            return
        end = time.monotonic() + (SHADOW_SECONDS if self._shadow_keeps_up else 0.0)
        while not last.is_finished and time.monotonic() < end:
            time.sleep(SHADOW_POLL_SECONDS)
        self._shadow_keeps_up = last.is_finished

    def _write(self) -> bool:
        """Write what waits as a file; where that fails it goes on waiting."""
        self._wait_for_shadow()
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        path = self._folder / f"decisions-{stamp}-{os.getpid()}-{self._name}-{self._files}.parquet"
        try:
            write_decisions(self._waiting, self._model.schema, self._model.digest, path)
        except Exception as error:  # whatever a disk and the Parquet library come up with
            if not self._failing:
                log_event("decision-log-failing", level="error", folder=str(self._folder), why=str(error))
            self._failing = True
            self._metrics.failed_write()
            return False
        if self._failing:
            log_event("decision-log-recovered", folder=str(self._folder), rows=self._rows)
        self._failing = False
        self._files += 1
        self._metrics.logged(self._rows)
        self._done_with(self._rows)
        self._waiting, self._rows = [], 0
        return True

    def _done_with(self, rows: int) -> None:
        self._gone += rows
        self._metrics.queued(-rows, by_writer=True)


@dataclass(frozen=True)
class LoggedModel:
    """Whose decisions are logged: the model that the following rows in the queue are of."""

    schema: Schema
    digest: str


@dataclass(frozen=True)
class Decided:
    """The rows of one request, as they were given, with their scores and decisions; `time` in seconds since 1970.

    `identifiers` are those of each row, in the order of the schema's, None where one was not given. `shadowed` is what a challenger
    says of the rows.
    """

    request_id: str
    time: float
    rows: Sequence[Row]
    scores: Sequence[float]
    decisions: Sequence[str]
    identifiers: Sequence[Identifiers]
    shadowed: ShadowedRequest | None = None


def write_decisions(decided: Sequence[Decided], schema: Schema, digest: str, path: Path) -> None:
    """Write the rows to `path`, by way of a file beside it whose name begins with a dot, so that no half file is read."""
    beside = path.with_name(f".{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as stream:
            arro3.io.write_parquet(_table(decided, schema, digest), stream, compression="zstd(1)")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _table(decided: Sequence[Decided], schema: Schema, digest: str) -> Table:
    text, number = DataType.utf8(), DataType.float64()
    time = DataType.timestamp("us", tz="UTC")
    rows = [row for one in decided for row in one.rows]
    table: dict[str, Array] = {
        LOG_REQUEST_ID: Array([one.request_id for one in decided for _ in one.rows], text),
        LOG_TIME: Array([int(one.time * 1e6) for one in decided for _ in one.rows], DataType.int64()).cast(time),
        LOG_DIGEST: Array([digest] * len(rows), text),
        LOG_ROW: Array([place for one in decided for place in range(len(one.rows))], DataType.int64()),
        LOG_SCORE: Array([score for one in decided for score in one.scores], number),
        LOG_DECISION: Array([decision for one in decided for decision in one.decisions], text),
    }
    if any(one.shadowed is not None for one in decided):
        names, kinds = (LOG_SHADOW_DIGEST, LOG_SHADOW_SCORE, LOG_SHADOW_DECISION), (text, number, text)
        cells = zip(*(each for one in decided for each in _shadow_cells(one)), strict=True)
        table |= {name: Array(list(column), kind) for name, column, kind in zip(names, cells, kinds, strict=True)}
    known = [identifiers for one in decided for identifiers in one.identifiers]
    for place, name in enumerate(schema.request_identifiers):
        table[name] = Array([None if row[place] is None else str(row[place]) for row in known], text)
    for feature, values in zip(schema.features, zip(*rows, strict=True), strict=True):
        table[feature.name] = Array(list(values), number if feature.kind == "numeric" else text)
    return Table.from_arrays(list(table.values()), names=list(table))


def _shadow_cells(decided: Decided) -> Iterator[tuple[str | None, float | None, Decision | None]]:
    """The challenger's digest, score and decision of each row, all None where it has not scored it."""
    shadowed = decided.shadowed
    if shadowed is None or not shadowed.is_finished or not shadowed.scores:
        return iter([(None, None, None)] * len(decided.rows))
    digests = (None if score is None else shadowed.digest for score in shadowed.scores)
    return zip(digests, shadowed.scores, shadowed.decisions, strict=True)
