"""A worker as its supervisor sees it: the process of now, how its predecessors ended, and when it hangs; and how one is forked."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection

from lockgate.config.errors import InputError
from lockgate.config.exit_codes import EXIT_BAD_INPUT
from lockgate.service.http.control import FromSupervisor
from lockgate.service.log import flush_logs, log_event

START_SECONDS = 120.0  # until the first heartbeat: a large model on a throttled processor takes long
LAST_SECONDS = 15.0  # after drain and grace, for the decision log; then the supervisor kills
# A worker that ends is replaced at once, one that goes on ending more and more slowly.
FIRST_DELAY, LONGEST_DELAY = 1.0, 10.0
STABLE_SECONDS = 60.0  # a worker that lived this long is none that goes on ending
PR_SET_PDEATHSIG = 1


@dataclass
class WorkerProcess:
    """A worker's place, which one process after another takes."""

    number: int
    pid: int | None = None  # None: it is to be started when it is `due`
    pipe: Connection | None = None
    began: float = 0.0
    has_started: bool = False
    ending_since: float | None = None  # its event loop has ended
    is_hung: bool = False  # killed for that
    due: float = 0.0
    ends: int = 0  # one soon after another

    def begin(self, fork: Callable[[Callable[[], None]], int], work: Callable[[], None], pipe: Connection) -> None:
        """Let a new process do `work`, which is heard and told through `pipe`."""
        self.began, self.has_started, self.ending_since, self.is_hung = time.monotonic(), False, None, False
        self.pid = fork(work)
        self.pipe = pipe

    def send(self, message: FromSupervisor) -> None:
        """Tell it, if it runs."""
        if self.pipe is None or self.pid is None:
            return
        try:
            self.pipe.send(message)
        except OSError:
            return  # it has ended, and is reaped next

    def stands_still(self, now: float, heartbeat: float | None, woken: float, hang_seconds: float) -> bool:
        """Whether nothing was heard of it for too long; `woken` is when the supervisor itself went on after a pause."""
        if self.ending_since is not None:
            last, patience = self.ending_since, LAST_SECONDS
        elif self.has_started:
            last, patience = heartbeat or now, hang_seconds
        else:
            last, patience = self.began, max(START_SECONDS, hang_seconds)
        return now - max(last, woken) > patience

    def kill(self, event: str, heartbeat: float | None) -> None:
        """End it, and log that as `event`; once."""
        if self.is_hung or self.pid is None:
            return
        self.is_hung = True
        seconds = round(time.monotonic() - (heartbeat or self.began), 1)
        log_event(event, level="error", worker=self.number, ended=self.pid, seconds=seconds)
        os.kill(self.pid, signal.SIGKILL)

    def replace(self) -> None:
        """Another process is due: at once, or later where it has ended again and again."""
        now = time.monotonic()
        if now - self.began > STABLE_SECONDS:
            self.ends = 0
        delay = 0.0 if not self.ends else min(FIRST_DELAY * 2 ** (self.ends - 1), LONGEST_DELAY)
        self.ends += 1
        self.due = now + delay
        if delay:
            log_event("worker-ends-again", level="error", worker=self.number, times=self.ends, restart_seconds=delay)


def fork_process(work: Callable[[], None], blocked: tuple[signal.Signals, ...]) -> int:
    """Start a process for `work`, which has the signals `blocked` to unblock; its exit code is 2 for what the operator can fix."""
    # A signal to the child must not be taken for one to this process, whose handlers and socket it has at first.
    signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, blocked)
        return pid
    code = 1
    try:
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


def end_with_parent(parent: int) -> None:
    """Get SIGTERM when the supervisor is killed; only Linux can do this."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it was killed before that
            os._exit(1)
