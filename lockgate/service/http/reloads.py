"""What is served, and how another bundle takes its place.

A reload has two phases, so that all workers serve the new bundle or none does. A process of its own reads and verifies the bundle
once; then every worker prepares it beside the one that it serves. When all are ready they switch, each between two requests.
Where one is not, they go on as before.
"""

from __future__ import annotations

import gc
import os
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import IO, Literal, cast

from lockgate.config.errors import InputError
from lockgate.service.api.admin import RELOAD_PATH, ReloadOutcome, ReloadResult
from lockgate.service.api.bearer_token import read_tokens
from lockgate.service.bundle import GatedBundle, read_gated_bundle
from lockgate.service.http.control import (
    Abort,
    NotPrepared,
    Prepare,
    Prepared,
    ReloadEnded,
    Switch,
    Switched,
    UseTokens,
    read_pickled,
    send_prepare,
    write_pickled,
)
from lockgate.service.http.worker_process import WorkerProcess
from lockgate.service.log import log_event, signal_name
from lockgate.service.metrics.counters import ServiceMetrics, SharedCounters
from lockgate.service.metrics.layouts import ModelLayout
from lockgate.service.settings import Settings

READER_NICENESS = 10  # the process that reads another bundle comes after those that answer


@dataclass(frozen=True)
class Asker:
    """The process of a worker that asked for a reload, and the number by which it waits for the outcome."""

    worker: WorkerProcess
    pid: int | None
    number: int


@dataclass
class Reload:
    """A reload on its way."""

    number: int
    asker: Asker | None  # None: SIGHUP
    previous: str  # the digest that was served when it began
    began: float
    deadline: float
    file: IO[bytes]  # with the pickled bundle
    reader: int | None  # the process that writes it; None once it has ended
    phase: Literal["read", "prepare", "switch"] = "read"
    found: GatedBundle | None = None
    slot: int = 0
    waits_for: set[int] = field(default_factory=set)  # the numbers of workers


class Reloads:
    """One reload after another. `served`, its `slot` of the counters and `settings` are those of now, for a worker that starts."""

    def __init__(
        self,
        served: GatedBundle,
        settings: Settings,
        counters: SharedCounters,
        metrics: ServiceMetrics,
        workers: Sequence[WorkerProcess],
        fork: Callable[[Callable[[], None]], int],
    ) -> None:
        """`fork` starts a process for a function."""
        self.served, self.settings = served, settings
        self.slot = 0
        self._counters, self._metrics, self._workers, self._fork = counters, metrics, workers, fork
        self._reload: Reload | None = None
        self._number = 0
        self._hangup_waits = False  # SIGHUP came during a reload, which may have read what was there before
        self._service_ends = False

    @property
    def is_preparing(self) -> bool:
        """Whether a worker that began now would miss that all of them switch."""
        return self._reload is not None and self._reload.phase == "prepare"

    def hang_up(self) -> None:
        """SIGHUP has come: begin a reload, or another one when this one has ended."""
        self._hangup_waits = True

    def look_after(self, now: float) -> None:
        """Give up a reload that takes too long, and begin the one that waits."""
        if self._reload is not None and now > self._reload.deadline:
            self._give_up(f"it took longer than {self.settings.reload_seconds:g} s")
        if self._hangup_waits and self._reload is None and not self._service_ends:
            self._hangup_waits = False
            self.begin(None)

    def begin(self, asker: Asker | None) -> None:
        """Let a process of its own read the bundle: what is slow, endless or fatal there is neither here."""
        if self._reload is not None or self._service_ends:
            reason = "the service ends" if self._service_ends else "another reload has not ended"
            log_event("reload-busy", level="warning", message=reason)
            self._answer(asker, "busy", self.served.bundle.digest, reason)
            return
        file = _anonymous_file()
        self._number += 1
        began = time.monotonic()
        self._reload = Reload(
            number=self._number,
            asker=asker,
            previous=self.served.bundle.digest,
            began=began,
            deadline=began + self.settings.reload_seconds,
            file=file,
            reader=self._fork(partial(_read_into, file, self.settings)),
        )
        log_event("reload-begins", asked_by="SIGHUP" if asker is None else RELOAD_PATH)

    def process_ended(self, pid: int, code: int) -> None:
        """If it is the one that read the bundle: that is there, or it cannot be served."""
        reload = self._reload
        if reload is None or pid != reload.reader:
            return
        reload.reader = None
        if code != 0:
            how = signal_name(-code) if code < 0 else f"exit code {code}"
            self._give_up(f"the process that read the bundle ended with {how}")
            return
        found = cast(GatedBundle | str, read_pickled(reload.file.fileno()))
        if isinstance(found, str):
            self._give_up(found, "refused")
            return
        try:
            self._take_tokens()
        except InputError as error:
            self._give_up(str(error), "refused")
            return
        if found.bundle.digest == self.served.bundle.digest:
            self._end("unchanged")
        else:
            self._prepare(reload, found)

    def take(self, worker: WorkerProcess, message: Prepared | NotPrepared | Switched) -> None:
        """What a worker says of the reload."""
        if self._reload is None or self._reload.number != message.reload:
            return  # it was given up meanwhile
        if isinstance(message, NotPrepared):
            self._give_up(message.reason, "refused" if message.refused else "failed")
        else:
            self._reload.waits_for.discard(worker.number)
            self._advance()

    def worker_ended(self, worker: WorkerProcess) -> None:
        """Before all were ready nothing is switched; after that its place is taken by one that serves the new bundle."""
        if self._reload is None or worker.number not in self._reload.waits_for:
            return
        self._reload.waits_for.discard(worker.number)
        if self._reload.phase == "switch":
            self._advance()
        else:
            self._give_up("a worker ended meanwhile")

    def end(self) -> None:
        """The service ends: there is no reload any more."""
        self._service_ends = True
        if self._reload is not None:
            self._give_up("the service ends")

    def _take_tokens(self) -> None:
        """The file of tokens as it is now, for the workers of now and those that start later; InputError where it has none."""
        tokens = read_tokens(self.settings.token_file)
        if tokens == self.settings.tokens:
            return
        self.settings = replace(self.settings, tokens=tokens)
        for worker in self._workers:
            worker.send(UseTokens(tokens))
        log_event("tokens-changed")

    def _prepare(self, reload: Reload, found: GatedBundle) -> None:
        """The first phase: every worker prepares the bundle beside the one that it serves."""
        workers = [worker for worker in self._workers if worker.pid is not None and worker.pipe is not None]
        if not workers:
            self._give_up("no worker runs")
            return
        try:
            reload.slot = self._counters.claim(layout_of(found), self.slot)
        except InputError as error:
            self._give_up(str(error), "refused")
            return
        reload.phase, reload.found = "prepare", found
        reload.waits_for = {worker.number for worker in workers}
        for worker in workers:
            assert worker.pipe is not None  # noqa: S101  # it runs
            try:
                send_prepare(worker.pipe, Prepare(reload.number, reload.slot), reload.file.fileno())
            except OSError:
                continue  # it has ended, and is reaped next

    def _advance(self) -> None:
        """A worker is ready, or has switched: when all of them are, go on."""
        reload = self._reload
        if reload is None or reload.waits_for:
            return
        if reload.phase == "switch":
            self._end("switched")
            return
        assert reload.found is not None  # noqa: S101  # the phase before took it
        self.served, self.slot = reload.found, reload.slot
        reload.phase = "switch"
        reload.waits_for = {worker.number for worker in self._workers if worker.pid is not None}
        for worker in self._workers:
            worker.send(Switch(reload.number))

    def _give_up(self, reason: str, result: ReloadResult = "failed") -> None:
        """Go on with the bundle that was served, unless the workers were told to switch: then only the waiting ends."""
        reload = self._reload
        assert reload is not None  # noqa: S101  # there is one to give up
        if reload.phase == "switch":
            self._end("switched")
            return
        if reload.reader is not None:
            os.kill(reload.reader, signal.SIGKILL)
        if reload.phase == "prepare":
            for worker in self._workers:
                worker.send(Abort(reload.number))
            self._counters.forget(reload.slot)
        self._end(result, reason)

    def _end(self, result: ReloadResult, reason: str = "") -> None:
        reload = self._reload
        assert reload is not None  # noqa: S101  # there is one to end
        self._reload = None
        reload.file.close()
        self._metrics.reloaded(result)
        log_event(
            f"reload-{result}",
            level="error" if reason else "info",
            message=reason or None,
            model=self.served.bundle.digest,
            previous=reload.previous,
            seconds=round(time.monotonic() - reload.began, 3),
        )
        self._answer(reload.asker, result, reload.previous, reason)
        gc.collect()  # nothing else does in this process: what the workers share is not to be touched

    def _answer(self, asker: Asker | None, result: ReloadResult, previous: str, reason: str) -> None:
        """Tell who asked, if the same process is still there."""
        if asker is not None and asker.worker.pid == asker.pid:
            outcome = ReloadOutcome(result, self.served.bundle.digest, previous, reason)
            asker.worker.send(ReloadEnded(asker.number, outcome))


def layout_of(served: GatedBundle) -> ModelLayout:
    """What is counted of the bundle."""
    return ModelLayout(served.bundle.profile, served.bundle.digest)


def _read_into(file: IO[bytes], settings: Settings) -> None:
    """Write into `file` the bundle of `settings` and its verdict, or why it is not to be served."""
    os.nice(READER_NICENESS)
    try:
        found: GatedBundle | str = read_gated_bundle(settings)
    except InputError as error:
        found = str(error)
    write_pickled(file.fileno(), found)


def _anonymous_file() -> IO[bytes]:
    """In memory where the system has that: a container's file system is often read-only."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("bundle"), "r+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)
