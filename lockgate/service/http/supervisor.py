"""From settings to a running service: a supervisor without HTTP and without threads, and the workers that it forks.

The supervisor owns the listeners, the shared memory and the signals. It replaces workers that end and those whose event loop
stands still, and it never waits for one: all that it does is one loop over signals, messages and the clock.

uvicorn's own supervisor asks a thread of each worker whether it lives, which one with a blocked event loop affirms, and starts
each from nothing, where these share what was read and their counters.
"""

from __future__ import annotations

import gc
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import assert_never, cast

from lockgate.config.errors import InputError
from lockgate.config.exit_codes import EXIT_BAD_INPUT
from lockgate.config.version import __version__
from lockgate.service.bundle import GatedBundle, VerifiedBundle, read_gated_bundle
from lockgate.service.http.control import (
    CannotServe,
    ControlThread,
    Ending,
    EndNow,
    FromWorker,
    NotPrepared,
    Prepared,
    ReloadAsked,
    ServiceEnd,
    Started,
    Switched,
)
from lockgate.service.http.listener import open_listener
from lockgate.service.http.reloads import Asker, Reloads, layout_of
from lockgate.service.http.server import serve
from lockgate.service.http.team_app import load_team_app
from lockgate.service.http.worker_process import LAST_SECONDS, WorkerProcess, end_with_parent, fork_process
from lockgate.service.log import (
    configure_logs,
    log_event,
    set_fields_of_every_event,
    signal_name,
    write_logs_on_thread,
)
from lockgate.service.metrics.counters import SharedCounters
from lockgate.service.metrics.layouts import ShadowLayout
from lockgate.service.scoring.shadow import read_challenger
from lockgate.service.settings import Settings
from lockgate.service.worker import Worker

TICK_SECONDS = 0.25
# Of the interpreter between a worker's threads: with its default of 5 ms, what runs beside the event loop (a bundle being prepared,
# the PSI of chance) makes requests wait so long that load is shed.
SWITCH_SECONDS = 0.0005

DRAINING_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
WATCHED_SIGNALS = (*DRAINING_SIGNALS, signal.SIGHUP, signal.SIGCHLD)
# Sent to the whole group of a terminal, which the supervisor answers for its workers.
GROUP_SIGNALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
# What other servers take for opening logs again, for their own upgrade and for the number of workers.
IGNORED_SIGNALS = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU)


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; InputError for what the operator can fix."""
    if settings.app is not None:
        settings = replace(settings, fast_path=False)  # which would go past what a team has added
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
        self._settings = settings
        self._listener, self._admin_listener = listener, admin_listener
        self._challenger = challenger
        shadow = None if challenger is None else ShadowLayout(challenger.digest)
        self._counters = SharedCounters(layout_of(served), settings.workers, shadow)
        self._metrics = self._counters.supervisor()
        self._service_end = ServiceEnd()
        self._workers = [WorkerProcess(number) for number in range(settings.workers)]
        self._selector = selectors.DefaultSelector()
        self._pid = os.getpid()
        self._woken = time.monotonic()  # the supervisor itself, after a pause of the whole container
        self._was_ready = False
        self._reloads = Reloads(served, settings, self._counters, self._metrics, self._workers, self._fork)
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
                self._reloads.hang_up()
            elif number in DRAINING_SIGNALS:
                self._end(signal_name(number))

    def _look_after_workers(self, now: float) -> None:
        """Start those that are due, kill those that hang, and go on with reloads."""
        self._reloads.look_after(now)
        for worker in self._workers:
            heartbeat = self._counters.heartbeat(worker.number)
            if worker.pid is None:
                if not self._is_ending and worker.due <= now and not self._reloads.is_preparing:
                    self._start(worker)
            elif self._last_moment is not None and now > self._last_moment:
                self._code = self._code or 1
                worker.kill("worker-did-not-end", heartbeat)
            elif worker.stands_still(now, heartbeat, self._woken, self._settings.hang_seconds):
                worker.kill("worker-hung", heartbeat)

    def _start(self, worker: WorkerProcess) -> None:
        ours, theirs = Pipe()
        worker.begin(self._fork, partial(self._run_worker, worker.number, theirs), ours)
        theirs.close()
        self._selector.register(ours, selectors.EVENT_READ, partial(self._read_message, worker))

    def _fork(self, work: Callable[[], None]) -> int:
        """Start a process for `work`, which lets go of what is the supervisor's."""

        def leave_and_work() -> None:
            self._leave_supervisor()
            work()

        return fork_process(leave_and_work, WATCHED_SIGNALS)

    def _run_worker(self, number: int, pipe: Connection) -> None:
        write_logs_on_thread()
        sys.setswitchinterval(SWITCH_SECONDS)
        served, slot = self._reloads.served, self._reloads.slot
        bundle, verdict, settings = served.bundle, served.verdict, self._reloads.settings
        set_fields_of_every_event(worker=number, model=bundle.digest)
        try:
            worker = Worker(bundle, verdict, settings, self._counters, number, slot, self._challenger)
            app = worker.app if settings.app is None else load_team_app(settings.app, worker.app)
        except InputError as error:
            pipe.send(CannotServe(str(error)))
            raise
        gc.freeze()
        gc.enable()
        serve(worker, app, self._listener, self._admin_listener, ControlThread(pipe, worker, self._service_end))

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
        end_with_parent(self._pid)

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
            self._reloads.begin(Asker(worker, worker.pid, message.number))
        elif isinstance(message, Prepared | NotPrepared | Switched):
            self._reloads.take(worker, message)
        else:
            assert_never(message)

    def _say_ready(self) -> None:
        """Once, when every worker answers."""
        if self._was_ready or not all(worker.has_started for worker in self._workers):
            return
        self._was_ready = True
        url = _url(self._listener)
        served = self._reloads.served
        digest, verdict = served.bundle.digest, served.verdict
        log_event(
            "ready",
            message=f"serving {digest[:12]} ({verdict}) on {url}",
            url=url,
            admin=_url(self._admin_listener),
            model=digest,
            verdict=verdict,
        )

    def _reap(self) -> None:
        """Take note of every child that has ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            code = os.waitstatus_to_exitcode(status)
            self._reloads.process_ended(pid, code)
            for worker in self._workers:
                if worker.pid == pid:
                    self._ended(worker, code)

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
        self._reloads.worker_ended(worker)
        if code == EXIT_BAD_INPUT:
            self._code = EXIT_BAD_INPUT
        if self._is_ending:
            return
        if code == EXIT_BAD_INPUT:
            self._end("a worker that cannot serve the bundle")
        else:
            self._metrics.restarted("hung" if worker.is_hung else "killed" if code < 0 else "ended")
            worker.replace()

    def _end(self, why: str) -> None:
        """Let the workers drain and end; the second time, end without waiting for requests.

        The listener is left to them: a connection to this process would never be answered.
        """
        if self._is_ending:
            log_event("end-now", level="warning", why=why)
            for worker in self._workers:
                worker.send(EndNow())
            return
        settings = self._settings
        self._last_moment = time.monotonic() + settings.drain_seconds + settings.grace_seconds + LAST_SECONDS
        log_event("drain", why=why)
        self._reloads.end()
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
