"""From settings to a running service: a supervisor without HTTP and without threads, and the workers that it forks.

The supervisor owns the listeners, the shared memory and the signals. It replaces workers that end and those whose event loop
stands still, and it never waits for one: all that it does is one loop over signals, messages and the clock.

uvicorn's own supervisor asks a thread of each worker whether it lives, which one with a blocked event loop affirms, and starts
each from nothing, where these share what was read and their counters.

A reload has two phases, so that all workers serve the new bundle or none does. A process of its own reads and verifies the bundle
once; then every worker prepares it beside the one that it serves. When all are ready they switch, each between two requests.
Where one is not, they go on as before.
"""

from __future__ import annotations

import ctypes
import gc
import os
import selectors
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import IO, Literal, assert_never, cast

from lockgate.config.errors import InputError
from lockgate.config.exit_codes import EXIT_BAD_INPUT
from lockgate.config.version import __version__
from lockgate.service.api.admin import RELOAD_PATH, ReloadOutcome, ReloadResult
from lockgate.service.api.bearer_token import read_tokens
from lockgate.service.bundle import GatedBundle, VerifiedBundle, read_gated_bundle
from lockgate.service.http.control import (
    Abort,
    CannotServe,
    ControlThread,
    Ending,
    EndNow,
    FromSupervisor,
    FromWorker,
    NotPrepared,
    Prepare,
    Prepared,
    ReloadAsked,
    ReloadEnded,
    ServiceEnd,
    Started,
    Switch,
    Switched,
    UseTokens,
    read_pickled,
    send_prepare,
    write_pickled,
)
from lockgate.service.http.listener import open_listener
from lockgate.service.http.server import serve
from lockgate.service.log import (
    configure_logs,
    flush_logs,
    log_event,
    set_fields_of_every_event,
    signal_name,
    write_logs_on_thread,
)
from lockgate.service.metrics.counters import ModelLayout, ShadowLayout, SharedCounters
from lockgate.service.scoring.shadow import read_challenger
from lockgate.service.settings import Settings
from lockgate.service.worker import Worker

TICK_SECONDS = 0.25
START_SECONDS = 120.0  # until the first heartbeat: a large model on a throttled processor takes long
LAST_SECONDS = 15.0  # after drain and grace, for the decision log; then the supervisor kills
# A worker that ends is replaced at once, one that goes on ending more and more slowly.
FIRST_DELAY, LONGEST_DELAY = 1.0, 10.0
STABLE_SECONDS = 60.0  # a worker that lived this long is none that goes on ending
PR_SET_PDEATHSIG = 1
# Of the interpreter between a worker's threads: with its default of 5 ms, what runs beside the event loop (a bundle being prepared,
# the PSI of chance) makes requests wait so long that load is shed.
SWITCH_SECONDS = 0.0005
READER_NICENESS = 10  # the process that reads another bundle comes after those that answer

DRAINING_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
WATCHED_SIGNALS = (*DRAINING_SIGNALS, signal.SIGHUP, signal.SIGCHLD)
# Sent to the whole group of a terminal, which the supervisor answers for its workers.
GROUP_SIGNALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
# What other servers take for opening logs again, for their own upgrade and for the number of workers.
IGNORED_SIGNALS = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU)


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; InputError for what the operator can fix."""
    served = read_gated_bundle(settings)
    challenger = read_challenger(settings.shadow, served.bundle)
    listener = open_listener(settings.host, settings.port)
    admin_listener = None
    if settings.admin_port is not None:
        admin_listener = open_listener(settings.admin_host, settings.admin_port, "--admin-port")
    configure_logs(settings.log_format, settings.log_level)  # not before: a refusal is one line, as every command's
    log_event(
        "start",
        version=__version__,
        model=served.bundle.digest,
        verdict=served.verdict,
        shadow=None if challenger is None else challenger.digest,
        options=" ".join(settings.changed()) or None,
    )
    gc.freeze()  # what is there now is shared with the workers, as long as no collector touches it
    code = Supervisor(served, settings, listener, admin_listener, challenger).run()
    log_event("end", code=code)
    if code:
        raise SystemExit(code)


@dataclass
class WorkerProcess:
    """A worker as its supervisor sees it: the process of now, and how its predecessors ended."""

    number: int
    pid: int | None = None  # None: it is to be started when it is `due`
    pipe: Connection | None = None
    began: float = 0.0
    has_started: bool = False
    ending_since: float | None = None  # its event loop has ended
    is_hung: bool = False  # killed for that
    due: float = 0.0
    ends: int = 0  # one soon after another


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


class Supervisor:
    """Starts the workers, replaces those that end or hang, passes signals on, and ends with the last."""

    def __init__(
        self,
        served: GatedBundle,
        settings: Settings,
        listener: socket.socket,
        admin_listener: socket.socket | None,
        challenger: VerifiedBundle | None,
    ) -> None:
        self._served, self._settings = served, settings
        self._listener, self._admin_listener = listener, admin_listener
        self._challenger = challenger
        self._slot = 0  # of the counters, for the bundle that is served
        shadow = None if challenger is None else ShadowLayout(challenger.digest)
        self._counters = SharedCounters(_layout(served), settings.workers, shadow)
        self._metrics = self._counters.supervisor()
        self._service_end = ServiceEnd()
        self._workers = [WorkerProcess(number) for number in range(settings.workers)]
        self._selector = selectors.DefaultSelector()
        self._pid = os.getpid()
        self._woken = time.monotonic()  # the supervisor itself, after a pause of the whole container
        self._was_ready = False
        self._reload: Reload | None = None
        self._reloads = 0
        self._hangup_waits = False  # SIGHUP came during a reload, which may have read what was there before
        self._last_moment: float | None = None  # when the workers that are left are killed; None while it serves
        self._code = 0
        self._refusal = ""  # why a worker cannot serve

    def run(self) -> int:
        """Until SIGTERM or SIGINT has reached every worker and they have ended; InputError where the bundle cannot be served."""
        with self._signals_as_messages():
            last = time.monotonic()
            while not self._is_ending or any(worker.pid for worker in self._workers):
                now = time.monotonic()
                if now - last > 4 * TICK_SECONDS:
                    self._woken = now
                last = now
                self._look_after_workers(now)
                for key, _ in self._selector.select(TICK_SECONDS):
                    cast(Callable[[], None], key.data)()
        if self._refusal:
            raise InputError(self._refusal)
        return self._code

    @property
    def _is_preparing(self) -> bool:
        """Whether a worker that began now would miss that all of them switch."""
        return self._reload is not None and self._reload.phase == "prepare"

    @property
    def _is_ending(self) -> bool:
        return self._last_moment is not None

    @contextmanager
    def _signals_as_messages(self) -> Iterator[None]:
        """The loop reads the numbers of signals from a socket, so none interrupts anything."""
        self._signals, self._wakeup = socket.socketpair()
        for one in (self._signals, self._wakeup):
            one.setblocking(False)
        signal.set_wakeup_fd(self._wakeup.fileno(), warn_on_full_buffer=False)
        for number in WATCHED_SIGNALS:
            signal.signal(number, lambda *_: None)
        for number in IGNORED_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        self._selector.register(self._signals, selectors.EVENT_READ, self._read_signals)
        yield
        signal.set_wakeup_fd(-1)

    def _read_signals(self) -> None:
        for number in self._signals.recv(4096):
            if number == signal.SIGCHLD:
                self._reap()
            elif number == signal.SIGHUP:
                self._hangup_waits = True
            elif number in DRAINING_SIGNALS:
                self._end(signal_name(number))

    def _look_after_workers(self, now: float) -> None:
        """Start those that are due, kill those that hang, give up a reload that takes too long, and begin the one that waits."""
        if self._reload is not None and now > self._reload.deadline:
            self._give_up_reload(f"it took longer than {self._settings.reload_seconds:g} s")
        if self._hangup_waits and self._reload is None and not self._is_ending:
            self._hangup_waits = False
            self._begin_reload(None)
        for worker in self._workers:
            if worker.pid is None:
                if not self._is_ending and worker.due <= now and not self._is_preparing:
                    self._start(worker)
            elif self._last_moment is not None and now > self._last_moment:
                self._code = self._code or 1
                self._kill(worker, "worker-did-not-end")
            elif self._is_hung(worker, now):
                self._kill(worker, "worker-hung")

    def _is_hung(self, worker: WorkerProcess, now: float) -> bool:
        if worker.ending_since is not None:
            last, patience = worker.ending_since, LAST_SECONDS
        elif worker.has_started:
            last, patience = self._counters.heartbeat(worker.number) or now, self._settings.hang_seconds
        else:
            last, patience = worker.began, max(START_SECONDS, self._settings.hang_seconds)
        return now - max(last, self._woken) > patience

    def _kill(self, worker: WorkerProcess, event: str) -> None:
        if worker.is_hung or worker.pid is None:
            return
        worker.is_hung = True
        last = self._counters.heartbeat(worker.number) or worker.began
        seconds = round(time.monotonic() - last, 1)
        log_event(event, level="error", worker=worker.number, ended=worker.pid, seconds=seconds)
        os.kill(worker.pid, signal.SIGKILL)

    def _start(self, worker: WorkerProcess) -> None:
        ours, theirs = Pipe()
        worker.began, worker.has_started, worker.ending_since, worker.is_hung = time.monotonic(), False, None, False
        worker.pid = self._fork(partial(self._run_worker, worker.number, theirs))
        theirs.close()
        worker.pipe = ours
        self._selector.register(ours, selectors.EVENT_READ, partial(self._read_message, worker))

    def _fork(self, work: Callable[[], None]) -> int:
        """Start a process for `work`; its exit code is 2 for what the operator can fix."""
        # A signal to the child must not be taken for one to this process, whose handlers and socket it has at first.
        signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED_SIGNALS)
        pid = os.fork()
        if pid:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED_SIGNALS)
            return pid
        code = 1
        try:
            self._leave_supervisor()
            work()
            code = 0
        except InputError as error:
            code = EXIT_BAD_INPUT
            log_event("worker-cannot-serve", level="error", message=str(error))
        except BaseException as error:
            log_event("worker-crashed", level="error", error=error)
        finally:
            flush_logs()
            os._exit(code)  # without the parent's own clean-up

    def _run_worker(self, number: int, pipe: Connection) -> None:
        write_logs_on_thread()
        sys.setswitchinterval(SWITCH_SECONDS)
        bundle, verdict = self._served.bundle, self._served.verdict
        set_fields_of_every_event(worker=number, model=bundle.digest)
        try:
            worker = Worker(bundle, verdict, self._settings, self._counters, number, self._slot, self._challenger)
        except InputError as error:
            pipe.send(CannotServe(str(error)))
            raise
        gc.freeze()
        gc.enable()
        serve(worker, self._listener, self._admin_listener, ControlThread(pipe, worker, self._service_end))

    def _leave_supervisor(self) -> None:
        """Let go of what is the parent's alone: its signals, and its ends of other workers' pipes."""
        signal.set_wakeup_fd(-1)
        for number in WATCHED_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        for number in GROUP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED_SIGNALS)
        self._selector.close()
        for end in (self._signals, self._wakeup, *(one.pipe for one in self._workers)):
            if end is not None:
                end.close()
        _end_with_parent(self._pid)

    def _read_message(self, worker: WorkerProcess) -> None:
        if worker.pipe is None:
            return  # it was reaped in this turn of the loop
        try:
            message = cast(FromWorker, worker.pipe.recv())
        except (EOFError, OSError):
            self._selector.unregister(worker.pipe)
            return
        if isinstance(message, Started):
            worker.has_started = True
            if self._was_ready:
                log_event("worker-restarted", worker=worker.number, started=worker.pid)
            self._say_ready()
        elif isinstance(message, CannotServe):
            self._refusal = message.reason
        elif isinstance(message, Ending):
            worker.ending_since = time.monotonic()
        elif isinstance(message, ReloadAsked):
            self._begin_reload(Asker(worker, worker.pid, message.number))
        elif self._reload is None or self._reload.number != message.reload:
            return  # it was given up meanwhile
        elif isinstance(message, NotPrepared):
            self._give_up_reload(message.reason, "refused" if message.refused else "failed")
        elif isinstance(message, Prepared | Switched):
            self._reload.waits_for.discard(worker.number)
            self._advance_reload()
        else:
            assert_never(message)

    def _say_ready(self) -> None:
        """Once, when every worker answers."""
        if self._was_ready or not all(worker.has_started for worker in self._workers):
            return
        self._was_ready = True
        url = _url(self._listener)
        digest, verdict = self._served.bundle.digest, self._served.verdict
        log_event(
            "ready",
            message=f"serving {digest[:12]} ({verdict}) on {url}",
            url=url,
            admin=_url(self._admin_listener),
            model=digest,
            verdict=verdict,
        )

    def _send(self, worker: WorkerProcess, message: FromSupervisor) -> None:
        if worker.pipe is None or worker.pid is None:
            return
        try:
            worker.pipe.send(message)
        except OSError:
            return  # it has ended, and is reaped next

    def _reap(self) -> None:
        """Take note of every child that has ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if self._reload is not None and pid == self._reload.reader:
                self._take_bundle(self._reload, os.waitstatus_to_exitcode(status))
            for worker in self._workers:
                if worker.pid == pid:
                    self._ended(worker, os.waitstatus_to_exitcode(status))

    def _ended(self, worker: WorkerProcess, code: int) -> None:
        assert worker.pipe is not None  # noqa: S101  # it has run
        while worker.pipe.fileno() in self._selector.get_map() and worker.pipe.poll():
            self._read_message(worker)  # what it said last
        if worker.pipe.fileno() in self._selector.get_map():
            self._selector.unregister(worker.pipe)
        worker.pipe.close()
        log_event(
            "worker-ended",
            level="info" if self._is_ending and code in (0, -signal.SIGTERM) else "warning",
            worker=worker.number,
            ended=worker.pid,
            signal=signal_name(-code) if code < 0 else None,
            code=code if code >= 0 else None,
            hung=worker.is_hung or None,
        )
        worker.pid = worker.pipe = None
        lost = self._counters.clear(worker.number)
        if lost:
            self._metrics.lost(lost)
            log_event("decision-rows-lost", level="error", worker=worker.number, rows=lost)
        if self._reload is not None and worker.number in self._reload.waits_for:
            self._worker_left_reload(worker)
        if code == EXIT_BAD_INPUT:
            self._code = EXIT_BAD_INPUT
        if self._is_ending:
            return
        if code == EXIT_BAD_INPUT:
            self._end("a worker that cannot serve the bundle")
        else:
            self._metrics.restarted("hung" if worker.is_hung else "killed" if code < 0 else "ended")
            self._replace(worker)

    def _replace(self, worker: WorkerProcess) -> None:
        """At once, or later where it has ended again and again."""
        now = time.monotonic()
        if now - worker.began > STABLE_SECONDS:
            worker.ends = 0
        delay = 0.0 if not worker.ends else min(FIRST_DELAY * 2 ** (worker.ends - 1), LONGEST_DELAY)
        worker.ends += 1
        worker.due = now + delay
        if delay:
            log_event(
                "worker-ends-again", level="error", worker=worker.number, times=worker.ends, restart_seconds=delay
            )

    def _begin_reload(self, asker: Asker | None) -> None:
        """Let a process of its own read the bundle: what is slow, endless or fatal there is neither here."""
        if self._reload is not None or self._is_ending:
            reason = "the service ends" if self._is_ending else "another reload has not ended"
            log_event("reload-busy", level="warning", message=reason)
            self._answer(asker, "busy", self._served.bundle.digest, reason)
            return
        file = _anonymous_file()
        self._reloads += 1
        began = time.monotonic()
        self._reload = Reload(
            number=self._reloads,
            asker=asker,
            previous=self._served.bundle.digest,
            began=began,
            deadline=began + self._settings.reload_seconds,
            file=file,
            reader=self._fork(partial(_read_into, file, self._settings)),
        )
        log_event("reload-begins", asked_by="SIGHUP" if asker is None else RELOAD_PATH)

    def _take_bundle(self, reload: Reload, code: int) -> None:
        """The bundle was read, or it cannot be served."""
        reload.reader = None
        if code != 0:
            how = signal_name(-code) if code < 0 else f"exit code {code}"
            self._give_up_reload(f"the process that read the bundle ended with {how}")
            return
        found = cast(GatedBundle | str, read_pickled(reload.file.fileno()))
        if isinstance(found, str):
            self._give_up_reload(found, "refused")
            return
        try:
            self._take_tokens()
        except InputError as error:
            self._give_up_reload(str(error), "refused")
            return
        if found.bundle.digest == self._served.bundle.digest:
            self._end_reload("unchanged")
        else:
            self._prepare(reload, found)

    def _take_tokens(self) -> None:
        """The file of tokens as it is now, for the workers of now and those that start later; InputError where it has none."""
        tokens = read_tokens(self._settings.token_file)
        if tokens == self._settings.tokens:
            return
        self._settings = replace(self._settings, tokens=tokens)
        for worker in self._workers:
            self._send(worker, UseTokens(tokens))
        log_event("tokens-changed")

    def _prepare(self, reload: Reload, found: GatedBundle) -> None:
        """The first phase: every worker prepares the bundle beside the one that it serves."""
        workers = [worker for worker in self._workers if worker.pid is not None and worker.pipe is not None]
        if not workers:
            self._give_up_reload("no worker runs")
            return
        try:
            reload.slot = self._counters.claim(_layout(found), self._slot)
        except InputError as error:
            self._give_up_reload(str(error), "refused")
            return
        reload.phase, reload.found = "prepare", found
        reload.waits_for = {worker.number for worker in workers}
        for worker in workers:
            assert worker.pipe is not None  # noqa: S101  # it runs
            try:
                send_prepare(worker.pipe, Prepare(reload.number, reload.slot), reload.file.fileno())
            except OSError:
                continue  # it has ended, and is reaped next

    def _advance_reload(self) -> None:
        """A worker is ready, or has switched: when all of them are, go on."""
        reload = self._reload
        if reload is None or reload.waits_for:
            return
        if reload.phase == "switch":
            self._end_reload("switched")
            return
        assert reload.found is not None  # noqa: S101  # the phase before took it
        self._served, self._slot = reload.found, reload.slot
        reload.phase = "switch"
        reload.waits_for = {worker.number for worker in self._workers if worker.pid is not None}
        for worker in self._workers:
            self._send(worker, Switch(reload.number))

    def _worker_left_reload(self, worker: WorkerProcess) -> None:
        """Before all were ready nothing is switched; after that its place is taken by one that serves the new bundle."""
        assert self._reload is not None  # noqa: S101  # it waited for this worker
        self._reload.waits_for.discard(worker.number)
        if self._reload.phase == "switch":
            self._advance_reload()
        else:
            self._give_up_reload("a worker ended meanwhile")

    def _give_up_reload(self, reason: str, result: ReloadResult = "failed") -> None:
        """Go on with the bundle that was served, unless the workers were told to switch: then only the waiting ends."""
        reload = self._reload
        assert reload is not None  # noqa: S101  # there is one to give up
        if reload.phase == "switch":
            self._end_reload("switched")
            return
        if reload.reader is not None:
            os.kill(reload.reader, signal.SIGKILL)
        if reload.phase == "prepare":
            for worker in self._workers:
                self._send(worker, Abort(reload.number))
            self._counters.forget(reload.slot)
        self._end_reload(result, reason)

    def _end_reload(self, result: ReloadResult, reason: str = "") -> None:
        reload = self._reload
        assert reload is not None  # noqa: S101  # there is one to end
        self._reload = None
        reload.file.close()
        self._metrics.reloaded(result)
        log_event(
            f"reload-{result}",
            level="error" if reason else "info",
            message=reason or None,
            model=self._served.bundle.digest,
            previous=reload.previous,
            seconds=round(time.monotonic() - reload.began, 3),
        )
        self._answer(reload.asker, result, reload.previous, reason)
        gc.collect()  # nothing else does in this process: what the workers share is not to be touched

    def _answer(self, asker: Asker | None, result: ReloadResult, previous: str, reason: str) -> None:
        """Tell who asked, if the same process is still there."""
        if asker is not None and asker.worker.pid == asker.pid:
            outcome = ReloadOutcome(result, self._served.bundle.digest, previous, reason)
            self._send(asker.worker, ReloadEnded(asker.number, outcome))

    def _end(self, why: str) -> None:
        """Let the workers drain and end; the second time, end without waiting for requests.

        The listener is left to them: a connection to this process would never be answered.
        """
        if self._is_ending:
            log_event("end-now", level="warning", why=why)
            for worker in self._workers:
                self._send(worker, EndNow())
            return
        settings = self._settings
        self._last_moment = time.monotonic() + settings.drain_seconds + settings.grace_seconds + LAST_SECONDS
        log_event("drain", why=why)
        if self._reload is not None:
            self._give_up_reload("the service ends")
        self._service_end.begin()
        self._listener.close()
        if self._admin_listener is not None:
            self._admin_listener.close()
        for worker in self._workers:
            if worker.pid is not None:
                os.kill(worker.pid, signal.SIGTERM)


def _url(listener: socket.socket | None) -> str | None:
    if listener is None:
        return None
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _layout(served: GatedBundle) -> ModelLayout:
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


def _end_with_parent(parent: int) -> None:
    """Get SIGTERM when the supervisor is killed; only Linux can do this."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it was killed before that
            os._exit(1)
