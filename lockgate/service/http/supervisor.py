"""From settings to a running service: a supervisor without HTTP and without threads, and the workers that it forks.

The supervisor owns the listeners, the shared memory and the signals. It replaces workers that end and those whose event loop
stands still, and it never waits for one: all that it does is one loop over signals, messages and the clock.
"""

from __future__ import annotations

import ctypes
import gc
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import NoReturn, cast

from lockgate.config.errors import InputError
from lockgate.config.exit_codes import EXIT_BAD_INPUT
from lockgate.config.version import __version__
from lockgate.service.bundle import GateVerdict, VerifiedBundle, read_bundle, require_verdict
from lockgate.service.http.control import ControlThread, EndNow, FromWorker, ServiceEnd, Started
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

DRAINING_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
WATCHED_SIGNALS = (*DRAINING_SIGNALS, signal.SIGCHLD)
# Sent to the whole group of a terminal, which the supervisor answers for its workers.
GROUP_SIGNALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
# What other servers take for opening logs again, for their own upgrade and for the number of workers.
IGNORED_SIGNALS = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU)


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; InputError for what the operator can fix."""
    configure_logs(settings.log_format, settings.log_level)
    bundle = read_bundle(settings.bundle)
    verdict = require_verdict(
        bundle.digest, settings.bundle, settings.verdict, settings.allow_ungated, settings.verify_key
    )
    challenger = read_challenger(settings.shadow, bundle)
    listener = open_listener(settings.host, settings.port)
    log_event(
        "start", version=__version__, model=bundle.digest, verdict=verdict, options=" ".join(settings.changed()) or None
    )
    gc.freeze()  # what is there now is shared with the workers, as long as no collector touches it
    code = Supervisor(bundle, verdict, settings, listener, challenger).run()
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
    is_hung: bool = False  # killed for that
    due: float = 0.0
    ends: int = 0  # one soon after another


class Supervisor:
    """Starts the workers, replaces those that end or hang, passes signals on, and ends with the last."""

    def __init__(
        self,
        bundle: VerifiedBundle,
        verdict: GateVerdict,
        settings: Settings,
        listener: socket.socket,
        challenger: VerifiedBundle | None,
    ) -> None:
        self._bundle, self._verdict, self._settings, self._listener = bundle, verdict, settings, listener
        self._challenger = challenger
        shadow = None if challenger is None else ShadowLayout(challenger.digest)
        self._counters = SharedCounters(ModelLayout(bundle.profile, bundle.digest), settings.workers, shadow)
        self._metrics = self._counters.supervisor()
        self._service_end = ServiceEnd()
        self._workers = [WorkerProcess(number) for number in range(settings.workers)]
        self._selector = selectors.DefaultSelector()
        self._pid = os.getpid()
        self._woken = time.monotonic()  # the supervisor itself, after a pause of the whole container
        self._was_ready = False
        self._last_moment: float | None = None  # when the workers that are left are killed; None while it serves
        self._code = 0

    def run(self) -> int:
        """Until SIGTERM or SIGINT has reached every worker and they have ended; 2 where the bundle cannot be served."""
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
        return self._code

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
            elif number in DRAINING_SIGNALS:
                self._end(signal_name(number))

    def _look_after_workers(self, now: float) -> None:
        """Start those that are due, and kill those that hang."""
        for worker in self._workers:
            if worker.pid is None:
                if not self._is_ending and worker.due <= now:
                    self._start(worker)
            elif self._last_moment is not None and now > self._last_moment:
                self._code = self._code or 1
                self._kill(worker, "worker-did-not-end")
            elif self._is_hung(worker, now):
                self._kill(worker, "worker-hung")

    def _is_hung(self, worker: WorkerProcess, now: float) -> bool:
        if worker.has_started:
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
        worker.began, worker.has_started, worker.is_hung = time.monotonic(), False, False
        # A signal to the child must not be taken for one to this process, whose handlers and socket it has at first.
        signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED_SIGNALS)
        pid = os.fork()
        if not pid:
            self._become_worker(worker.number, theirs)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED_SIGNALS)
        theirs.close()
        worker.pid, worker.pipe = pid, ours
        self._selector.register(ours, selectors.EVENT_READ, partial(self._read_message, worker))

    def _become_worker(self, number: int, pipe: Connection) -> NoReturn:
        """The child after the fork, until its end."""
        code = 1
        try:
            self._leave_supervisor()
            self._run_worker(number, pipe)
            code = 0
        except InputError as error:
            code = EXIT_BAD_INPUT
            log_event("worker-cannot-serve", level="error", message=str(error))
        except Exception as error:
            log_event("worker-crashed", level="error", error=error)
        finally:
            flush_logs()
            os._exit(code)  # without the parent's own clean-up

    def _run_worker(self, number: int, pipe: Connection) -> None:
        write_logs_on_thread()
        set_fields_of_every_event(worker=number, model=self._bundle.digest)
        worker = Worker(self._bundle, self._verdict, self._settings, self._counters, number, self._challenger)
        gc.freeze()
        gc.enable()
        serve(worker, self._listener, ControlThread(pipe, worker.metrics, self._service_end))

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

    def _say_ready(self) -> None:
        """Once, when every worker answers."""
        if self._was_ready or not all(worker.has_started for worker in self._workers):
            return
        self._was_ready = True
        host, port = self._listener.getsockname()[:2]
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        message = f"serving {self._bundle.digest[:12]} ({self._verdict}) on {url}"
        log_event("ready", message=message, url=url, model=self._bundle.digest, verdict=self._verdict)

    def _send(self, worker: WorkerProcess, message: EndNow) -> None:
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
            for worker in self._workers:
                if worker.pid == pid:
                    self._ended(worker, os.waitstatus_to_exitcode(status))

    def _ended(self, worker: WorkerProcess, code: int) -> None:
        assert worker.pipe is not None  # noqa: S101  # it has run
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
        self._service_end.begin()
        self._listener.close()
        for worker in self._workers:
            if worker.pid is not None:
                os.kill(worker.pid, signal.SIGTERM)


def _end_with_parent(parent: int) -> None:
    """Get SIGTERM when the supervisor is killed; only Linux can do this."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it was killed before that
            os._exit(1)
