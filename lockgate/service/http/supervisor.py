"""From settings to a running service: one process, or several that share a socket and their counters."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import socket
import sys
import time
from types import FrameType

from lockgate.config.errors import InputError
from lockgate.config.exit_codes import EXIT_BAD_INPUT
from lockgate.config.version import __version__
from lockgate.service.bundle import GateVerdict, VerifiedBundle, read_bundle, require_verdict
from lockgate.service.http.listener import open_listener
from lockgate.service.log import configure_logs, flush_logs, log_event, set_fields_of_every_event, write_logs_on_thread
from lockgate.service.metrics.counters import ModelLayout, SharedCounters
from lockgate.service.settings import Settings

SECONDS_BETWEEN_STARTS = 1.0  # of the same worker, however fast it dies
PR_SET_PDEATHSIG = 1


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; InputError for what the operator can fix."""
    configure_logs(settings.log_format, settings.log_level)
    bundle = read_bundle(settings.bundle)
    verdict = require_verdict(
        bundle.digest, settings.bundle, settings.verdict, settings.allow_ungated, settings.verify_key
    )
    listener = open_listener(settings.host, settings.port)
    log_event(
        "start", version=__version__, model=bundle.digest, verdict=verdict, options=" ".join(settings.changed()) or None
    )
    if settings.workers == 1:
        _run_worker(bundle, verdict, settings, listener)
        return
    code = Supervisor(bundle, verdict, settings, listener).run()
    if code:
        raise SystemExit(code)


class Supervisor:
    """Forks the workers before any thread is started, restarts those that die, and ends with the last."""

    def __init__(
        self, bundle: VerifiedBundle, verdict: GateVerdict, settings: Settings, listener: socket.socket
    ) -> None:
        self._bundle, self._verdict, self._settings, self._listener = bundle, verdict, settings, listener
        self._counters = SharedCounters(ModelLayout(bundle.profile, bundle.digest), settings.workers)
        self._children: dict[int, int] = {}  # process: number of the worker
        self._started: dict[int, float] = {}  # number of the worker: when
        self._ending = False
        self._code = 0

    def run(self) -> int:
        """Until SIGTERM or SIGINT has reached every worker and they have ended; 2 where the bundle cannot be served."""
        for caught in (signal.SIGTERM, signal.SIGINT):
            signal.signal(caught, self._end)
        for number in range(self._settings.workers):
            self._start(number)
        while self._children:
            process, status = os.wait()
            number = self._children.pop(process)
            self._counters.clear(number)
            if os.waitstatus_to_exitcode(status) == EXIT_BAD_INPUT:
                self._code = EXIT_BAD_INPUT
                self._end()
            elif not self._ending:
                time.sleep(max(0.0, self._started[number] + SECONDS_BETWEEN_STARTS - time.monotonic()))
                self._start(number)
        return self._code

    def _start(self, number: int) -> None:
        if self._ending:
            return
        self._started[number] = time.monotonic()
        process = os.fork()
        if process:
            self._children[process] = number
            self._send_sigterm([process])  # a signal between the fork and here has missed it
            return
        code = 1
        try:
            for caught in (signal.SIGTERM, signal.SIGINT):
                signal.signal(caught, signal.SIG_DFL)
            _end_with_parent()
            _run_worker(self._bundle, self._verdict, self._settings, self._listener, self._counters, number)
            code = 0
        except InputError as error:
            code = EXIT_BAD_INPUT
            log_event("worker-cannot-serve", level="error", message=str(error))
        except Exception as error:
            log_event("worker-crashed", level="error", error=error)
        finally:
            flush_logs()
            os._exit(code)  # without the parent's own clean-up

    def _end(self, *_: int | FrameType | None) -> None:
        """Stop the workers, and leave the listener to them: a connection to this process would never be answered."""
        self._ending = True
        self._listener.close()
        self._send_sigterm(list(self._children))

    def _send_sigterm(self, processes: list[int]) -> None:
        for process in processes if self._ending else []:
            os.kill(process, signal.SIGTERM)


def _run_worker(
    bundle: VerifiedBundle,
    verdict: GateVerdict,
    settings: Settings,
    listener: socket.socket,
    counters: SharedCounters | None = None,
    number: int = 0,
) -> None:
    from lockgate.service.http.server import serve  # ONNX Runtime starts threads, which a fork would lose
    from lockgate.service.worker import Worker

    write_logs_on_thread()
    set_fields_of_every_event(worker=number, model=bundle.digest)
    worker = Worker(bundle, verdict, settings, counters, number)
    if number == 0:
        host, port = listener.getsockname()[:2]
        where = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        log_event("ready", message=f"serving {bundle.digest[:12]} ({verdict}) on {where}", url=where, verdict=verdict)
    gc.freeze()
    gc.enable()
    try:
        serve(worker, listener)
    finally:
        flush_logs()


def _end_with_parent() -> None:
    """Get SIGTERM when the supervisor is killed; only Linux can do this."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
