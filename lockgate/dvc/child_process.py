"""Running DVC as a child: it ends with us, with everything that it started, and where it waits without end."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import msgspec

from lockgate.config.errors import InputError
from lockgate.documents.reproduction_json import StageRun

ANEW = "--anew"  # to stage_process.py: the stages named run, whatever lock and cache have of them
SECONDS_VARIABLE = "LOCKGATE_DVC_SECONDS"
DEFAULT_SECONDS = 600.0
GRACE_SECONDS = 5.0  # between SIGTERM and SIGKILL; a runner gives a cancelled step ten seconds


class ProcessResult(msgspec.Struct, frozen=True):
    """What `stage_process.py` says when it ends: what each stage did, and why none may go on, if that is so."""

    stages: tuple[StageRun, ...]
    problem: str | None


def seconds_limit() -> float:
    """How long one call of DVC to a remote or a source may take, from LOCKGATE_DVC_SECONDS."""
    text = os.environ.get(SECONDS_VARIABLE, "")
    if not text:
        return DEFAULT_SECONDS
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= threading.TIMEOUT_MAX:
        raise InputError(f"{SECONDS_VARIABLE} is {text!r}; set it to a number of seconds above 0, such as 600")
    return seconds


def run_child(
    command: Sequence[str],
    show: Callable[[str], None],
    *,
    folder: Path = Path(),
    environment: Mapping[str, str] | None = None,
    seconds: float | None = None,
) -> int:
    """Run `command` in a process group of its own, show each line that it writes, and return its exit code.

    A signal that ends this process ends the whole group before.
    Raises TimeoutError, after it ended the group, where the command takes longer than `seconds`.
    """
    is_late = threading.Event()
    with _signals_as_exits():
        process = subprocess.Popen(  # noqa: S603
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )

        def expire() -> None:
            is_late.set()
            _end_group(process)

        timer = threading.Timer(seconds or 0, expire)
        try:
            if seconds:
                timer.start()
            assert process.stdout is not None  # noqa: S101
            with process.stdout:
                for line in process.stdout:
                    show(line.rstrip("\n"))
            code = process.wait()
        except BaseException:
            _end_group(process)
            raise
        finally:
            timer.cancel()
    if is_late.is_set():
        raise TimeoutError
    return code


def _end_group(process: subprocess.Popen[str]) -> None:
    """End all that is left of a child's process group: SIGTERM, and SIGKILL for what is there five seconds later."""
    for number, seconds in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, 1.0)):
        end = time.monotonic() + seconds
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
            while time.monotonic() < end:
                process.poll()  # its leader is a member of the group until it is waited for
                os.killpg(process.pid, 0)
                time.sleep(0.05)


@contextmanager
def _signals_as_exits() -> Iterator[None]:
    """Inside, a signal to end is an exception, once, so that what was started can be ended in peace."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, _: FrameType | None) -> None:
        for one in before:
            signal.signal(one, signal.SIG_IGN)
        raise SystemExit(128 + number)

    before = {
        number: handler
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if (handler := signal.getsignal(number)) != signal.SIG_IGN
    }
    for number in before:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
