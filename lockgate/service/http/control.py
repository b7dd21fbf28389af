"""What passes between the supervisor and a worker: messages over a pipe, and the heartbeat of the worker's event loop."""

from __future__ import annotations

import asyncio
import mmap
import os
import pickle
import threading
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from typing import assert_never, cast

from lockgate.config.errors import InputError
from lockgate.service.api.admin import ReloadOutcome
from lockgate.service.api.bearer_token import BearerTokens
from lockgate.service.bundle import GatedBundle
from lockgate.service.log import log_event, set_fields_of_every_event
from lockgate.service.scoring.predictor import Predictor
from lockgate.service.worker import Worker

HEARTBEAT_SECONDS = 0.25


class ServiceEnd:
    """Whether the service ends, and not one of its workers alone: in memory that the supervisor shares with them."""

    def __init__(self) -> None:
        self._supervisor = os.getpid()
        self._has_begun = mmap.mmap(-1, 1)

    def begin(self) -> None:
        """The supervisor is going to send SIGTERM to the workers."""
        self._has_begun[0] = 1

    def __bool__(self) -> bool:
        return self._has_begun[0] == 1 or self._supervisor not in (os.getpid(), os.getppid())


@dataclass(frozen=True)
class Started:
    """A worker: requests are answered from now on."""


@dataclass(frozen=True)
class CannotServe:
    """A worker: it ends, for a reason that the operator can repair."""

    reason: str


@dataclass(frozen=True)
class Ending:
    """A worker: its event loop has ended, and it writes what it still has to."""


@dataclass(frozen=True)
class Prepared:
    """A worker: the bundle of this reload can be served."""

    reload: int


@dataclass(frozen=True)
class NotPrepared:
    """A worker: it cannot; `refused` where the bundle is at fault."""

    reload: int
    reason: str
    refused: bool


@dataclass(frozen=True)
class Switched:
    """A worker: the bundle of this reload is served."""

    reload: int


@dataclass(frozen=True)
class ReloadAsked:
    """A worker: a client asks for a reload, and is told its outcome under this number."""

    number: int


FromWorker = Started | CannotServe | Ending | Prepared | NotPrepared | Switched | ReloadAsked


@dataclass(frozen=True)
class Prepare:
    """The supervisor: make ready to serve a bundle, counted in `slot`; the file with the pickled bundle follows."""

    reload: int
    slot: int


@dataclass(frozen=True)
class Switch:
    """The supervisor: every worker is ready, so serve it."""

    reload: int


@dataclass(frozen=True)
class Abort:
    """The supervisor: do not serve it."""

    reload: int


@dataclass(frozen=True)
class ReloadEnded:
    """The supervisor: the outcome of the reload that was asked for under this number."""

    number: int
    outcome: ReloadOutcome


@dataclass(frozen=True)
class EndNow:
    """The supervisor: end without waiting for requests in progress."""


@dataclass(frozen=True)
class UseTokens:
    """The supervisor: requests have to bring one of these from now on."""

    tokens: BearerTokens | None


FromSupervisor = Prepare | Switch | Abort | ReloadEnded | UseTokens | EndNow


def send_prepare(pipe: Connection, message: Prepare, file: int) -> None:
    """Send the message and, after it, the file with the bundle: however large that is, nobody waits for the other end."""
    pipe.send(message)
    send_handle(pipe, file, None)


def _receive_bundle(pipe: Connection) -> GatedBundle:
    file = recv_handle(pipe)
    try:
        return cast(GatedBundle, read_pickled(file))
    finally:
        os.close(file)


def write_pickled(file: int, value: object) -> None:
    """Write `value` to a file that this process's own parent or child reads."""
    rest = memoryview(pickle.dumps(value))
    while rest:
        rest = rest[os.write(file, rest) :]


def read_pickled(file: int) -> object:
    """What was written there; several processes can read it at once."""
    with mmap.mmap(file, 0, access=mmap.ACCESS_READ) as content:
        return pickle.loads(content)  # noqa: S301  # a process of this service wrote it


class ControlThread:
    """The worker's end of the pipe: a thread that waits for messages and prepares bundles, so that the event loop never does."""

    def __init__(self, pipe: Connection, worker: Worker, service_end: ServiceEnd) -> None:
        self._pipe, self._worker = pipe, worker
        self.service_end = service_end
        self._sending = threading.Lock()
        self._prepared: tuple[int, Predictor] | None = None  # of the reload with this number
        self._numbers = count()
        self._asked: dict[int, asyncio.Future[ReloadOutcome]] = {}

    def start(self, end_now: Callable[[], None]) -> None:
        """Beat, say that the worker has started, and listen; `end_now` is called on the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._end_now = end_now
        self._beat()
        threading.Thread(target=self._listen, name="control", daemon=True).start()
        self._send(Started())

    def end(self) -> None:
        """Say that the event loop has ended, so that nobody takes its silence for a worker that hangs."""
        self._send(Ending())

    async def reload(self) -> ReloadOutcome:
        """Ask the supervisor for a reload, and wait for its outcome."""
        number = next(self._numbers)
        outcome: asyncio.Future[ReloadOutcome] = self._loop.create_future()
        self._asked[number] = outcome
        self._send(ReloadAsked(number))
        return await outcome

    def _beat(self) -> None:
        self._worker.metrics.beat()
        self._loop.call_later(HEARTBEAT_SECONDS, self._beat)

    def _send(self, message: FromWorker) -> None:
        with self._sending:
            try:
                self._pipe.send(message)
            except OSError:
                return  # the supervisor has gone, and the kernel ends this worker

    def _listen(self) -> None:
        while True:
            try:
                message = cast(FromSupervisor, self._pipe.recv())
                if isinstance(message, Prepare):
                    self._prepare(message, _receive_bundle(self._pipe))
                else:
                    self._take(message)
            except (EOFError, OSError):
                return

    def _prepare(self, message: Prepare, gated: GatedBundle) -> None:
        """Everything that takes time, beside the model that is served."""
        try:
            predictor = self._worker.prepare(gated.bundle, gated.verdict, message.slot)
        except InputError as error:
            self._send(NotPrepared(message.reload, str(error), refused=True))
        except Exception as error:
            log_event("reload-crashed", level="error", error=error)
            self._send(
                NotPrepared(message.reload, f"a worker could not take it ({type(error).__name__})", refused=False)
            )
        else:
            self._prepared = message.reload, predictor
            self._send(Prepared(message.reload))

    def _take(self, message: Switch | Abort | ReloadEnded | UseTokens | EndNow) -> None:
        if isinstance(message, EndNow):
            self._on_loop(self._end_now)
        elif isinstance(message, UseTokens):
            self._worker.state.tokens = message.tokens
        elif isinstance(message, ReloadEnded):
            self._on_loop(lambda: self._asked.pop(message.number).set_result(message.outcome))
        elif self._prepared is None or self._prepared[0] != message.reload:
            return  # this worker was not ready when the reload was given up
        elif isinstance(message, Switch):
            predictor = self._prepared[1]
            self._on_loop(lambda: self._switch(message.reload, predictor))
            self._prepared = None
        elif isinstance(message, Abort):
            self._worker.forget(self._prepared[1])
            self._prepared = None
        else:
            assert_never(message)

    def _switch(self, reload: int, predictor: Predictor) -> None:
        """On the event loop, between two requests."""
        self._worker.switch(predictor)
        set_fields_of_every_event(model=predictor.bundle.digest)
        self._send(Switched(reload))

    def _on_loop(self, function: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:
            return  # the loop has ended, and the worker with it
