"""The service's log: every event is one line that can be read, whatever its fields hold, and nobody waits for its reader."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lockgate.service import log
from lockgate.service.log import LogFormat, RefusalSampler, configure_logs, log_event, set_fields_of_every_event

Capture = pytest.CaptureFixture[str]
OBEYED = [
    "\n",
    "\r",
    "\x1b[2J",
    "\x9b2J",
    "\x85",
    "\u2028",
    "\u202e",
    "\x00",
    "\ud800",
    "\x7f",
    "##[add-mask]",
    "\n::stop-commands::",
]


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What `configure_logs` sets for a whole process is undone."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr(log, "_of_every_event", {})
    monkeypatch.setattr(log, "_stderr", None)
    # What other tests left in this process: Alembic and DVC switch off loggers that they do not know.
    for name in ("lockgate", "py.warnings", "uvicorn.error"):
        monkeypatch.setattr(logging.getLogger(name), "disabled", False)
    logging.captureWarnings(False)
    yield
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


def events(capfd: Capture) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capfd.readouterr().err.splitlines()]


def test_an_event_is_a_line_of_json(capfd: Capture) -> None:
    configure_logs("json")
    set_fields_of_every_event(worker=1, model="ab" * 32)
    before = time.time()
    log_event("worker-ended", level="warning", signal="SIGKILL", restarts=2, seconds=0.5, hung=True, code=None)
    (said,) = events(capfd)
    told = datetime.fromisoformat(said["time"])
    assert abs(told.timestamp() - before) < 5
    assert told.tzinfo == UTC
    assert (said["time"][-5], said["time"][-1]) == (".", "Z")
    del said["time"]
    assert said == {
        "level": "warning",
        "event": "worker-ended",
        "pid": os.getpid(),
        "worker": 1,
        "model": "ab" * 32,
        "signal": "SIGKILL",
        "restarts": 2,
        "seconds": 0.5,
        "hung": True,
    }


def test_an_event_is_a_line_of_text_on_a_terminal(capfd: Capture) -> None:
    configure_logs("text")
    log_event("ready", message="serving 1234 (pass) on http://127.0.0.1:8000", model="ab" * 32, what='a "b"', empty="")
    line = capfd.readouterr().err
    assert line[24:] == (
        " info    ready serving 1234 (pass) on http://127.0.0.1:8000"
        f' pid={os.getpid()} model=abababababab what="a \\"b\\"" empty=""\n'
    )


@pytest.mark.parametrize("odd", OBEYED)
@pytest.mark.parametrize("log_format", ["json", "text"])
def test_nothing_from_outside_breaks_or_forges_a_line(
    capfd: Capture, monkeypatch: pytest.MonkeyPatch, log_format: LogFormat, odd: str
) -> None:
    # Without pytest's own handlers: half a surrogate in what they keep ends a run on several processes.
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    configure_logs(log_format)
    text = f"a{odd}{datetime.now(UTC).isoformat()} error   forged"
    log_event("refused", message=text, path=text)
    logging.getLogger("uvicorn.error").warning("a server said %s", text)
    try:
        raise ValueError(text)
    except ValueError as error:
        log_event("failed", level="error", error=error)
    printed = capfd.readouterr().err
    assert "##[" not in printed
    lines = printed.split("\n")
    assert lines.pop() == ""
    if log_format == "json":
        assert [json.loads(line)["event"] for line in lines] == ["refused", "message", "failed"]
        assert json.loads(lines[0])["path"] == text
        assert printed.replace("\n", " ").isprintable()
        assert printed.isascii()
    else:
        assert [line[33:41].split()[0] for line in lines if line[0] != " "] == ["refused", "message", "failed"]
        assert "".join(lines).isprintable()


def test_a_traceback_is_one_field(capfd: Capture) -> None:
    configure_logs("json")
    try:
        raise KeyError("income")
    except KeyError as error:
        log_event("request-failed", level="error", error=error, request_id="r-1")
    (said,) = events(capfd)
    assert said["request_id"] == "r-1"
    assert said["traceback"].startswith("Traceback (most recent call last):\n")
    assert said["traceback"].endswith("KeyError: 'income'\n")


def test_messages_of_libraries_have_the_same_form(capfd: Capture) -> None:
    configure_logs("json")
    logging.getLogger("some.library").error("a task was destroyed")
    warnings.warn("that is old", stacklevel=1)
    first, second = events(capfd)
    assert (first["event"], first["logger"], first["message"]) == ("message", "some.library", "a task was destroyed")
    assert (second["logger"], second["level"]) == ("py.warnings", "warning")


def test_credentials_are_hidden(capfd: Capture) -> None:
    configure_logs("json")
    log_event("start", options="--drift=https://me:secret@host/drift.json?sig=secret")
    logging.getLogger("some.library").warning("cannot read %s", "https://me:secret@host/a")
    try:
        raise OSError("https://me:secret@host/b")
    except OSError as error:
        log_event("failed", level="error", error=error)
    printed = capfd.readouterr().err
    assert printed.count("https://host/") >= 3
    assert "secret" not in printed.replace('raise OSError(\\"https://me:secret@host/b\\")', "")


def test_a_level_hides_what_is_below_it(capfd: Capture) -> None:
    configure_logs("json", "warning")
    log_event("ready")
    log_event("worker-ended", level="warning")
    log_event("failed", level="error")
    assert [one["event"] for one in events(capfd)] == ["worker-ended", "failed"]


def test_a_long_line_is_shortened_to_what_a_pipe_takes_in_one_piece(capfd: Capture) -> None:
    configure_logs("json")
    log_event("failed", message="é" * 3_000, options="b" * 5_000, kept="short")
    line = capfd.readouterr().err
    said = json.loads(line)
    assert len(line) <= 4096
    assert said["kept"] == "short"
    assert " ... " in said["message"]
    assert said["options"].startswith("bbb")


def test_a_number_that_json_has_not_is_a_text(capfd: Capture) -> None:
    configure_logs("json")
    log_event("odd", value=float("nan"))
    assert events(capfd)[0]["value"] == "nan"


@pytest.mark.parametrize("log_format", ["auto", "json"])
def test_without_a_terminal_it_is_json(capfd: Capture, log_format: LogFormat) -> None:
    configure_logs(log_format)
    log_event("ready")
    assert events(capfd)[0]["event"] == "ready"


def test_on_a_terminal_it_is_text(monkeypatch: pytest.MonkeyPatch, capfd: Capture) -> None:
    monkeypatch.setattr("os.isatty", lambda descriptor: descriptor == 2)
    configure_logs("auto")
    log_event("ready")
    assert " info    ready " in capfd.readouterr().err


UNREAD = """
import select, sys, time
from lockgate.service.log import configure_logs, flush_logs, log_event, write_logs_on_thread

def wait_until_written():
    for _ in range(30):
        flush_logs()  # waits a second each time, at most

configure_logs("json")
if sys.argv[1] == "thread":
    write_logs_on_thread()
started = time.monotonic()
for number in range(20_000):
    log_event("refused", number=number)
print(time.monotonic() - started, flush=True)
sys.stdin.readline()
wait_until_written()
select.select([], [2], [], 30)
log_event("last")
wait_until_written()
"""


@pytest.mark.parametrize("how", ["thread", "at once"])
def test_nobody_waits_for_a_reader_that_does_not_read(how: str) -> None:
    """What the pipe and the queue do not hold is left out, counted, and the log goes on once somebody reads."""
    process = subprocess.Popen(
        [sys.executable, "-c", UNREAD, how],
        stdin=-1,
        stdout=-1,
        stderr=-1,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    assert process.stdout is not None
    assert float(process.stdout.readline()) < 30
    _, printed = process.communicate(b"\n", timeout=30)
    said = [json.loads(line) for line in printed.splitlines()]
    shown = [one for one in said if one["event"] == "refused"]
    left_out = [one["lines"] for one in said if one["event"] == "log-lines-left-out"]
    assert [one["number"] for one in shown] == list(range(len(shown)))
    assert len(shown) + sum(left_out) == 20_000
    assert len(left_out) == 1
    assert sum(one["event"] == "last" for one in said) == 1


TWO_PROCESSES = """
import os, sys
from lockgate.service.log import configure_logs, flush_logs, log_event, set_fields_of_every_event, write_logs_on_thread
configure_logs("json")
child = os.fork()
set_fields_of_every_event(worker=int(child == 0))
write_logs_on_thread()
for number in range(2_000):
    log_event("refused", number=number, text="x" * (number % 3_000))
flush_logs()
if not child:
    os._exit(0)
os.waitpid(child, 0)
"""


def test_lines_of_several_processes_never_mix() -> None:
    done = subprocess.run([sys.executable, "-c", TWO_PROCESSES], capture_output=True, check=True)
    said = [json.loads(line) for line in done.stderr.splitlines()]
    for worker in (0, 1):
        assert [one["number"] for one in said if one["worker"] == worker] == list(range(2_000))


CLOSED = """
import sys
from lockgate.service.log import configure_logs, log_event
with open(sys.argv[1], "wb") as other:
    assert other.fileno() == 2
    configure_logs("json")
    log_event("ready")
"""


def test_what_has_the_number_of_a_closed_stderr_gets_no_line(tmp_path: Path) -> None:
    command = ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-c", CLOSED, str(tmp_path / "other")]
    assert subprocess.run(command, check=False).returncode == 0
    assert (tmp_path / "other").read_bytes() == b""


def test_what_nothing_caught_is_an_event() -> None:
    code = "from lockgate.service.log import *; configure_logs('json'); 1 / 0"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    (said,) = map(json.loads, done.stderr.splitlines())
    assert (said["event"], said["level"]) == ("crashed", "error")
    assert "ZeroDivisionError" in said["traceback"]


def test_refusals_are_sampled_by_reason(capfd: Capture) -> None:
    configure_logs("json")
    now = [0.0]
    sampler = RefusalSampler(clock=lambda: now[0])

    def said() -> list[tuple[str, int | None]]:
        return [(one["reason"], one.get("left_out")) for one in events(capfd)]

    sampler.refused("overload", "/metrics")
    assert said() == [("overload", None)]
    for _ in range(500):
        sampler.refused("overload", "/predict", level="warning", request_id="r")
    sampler.refused("slow-request", "other")
    assert said() == [("overload", None), ("slow-request", None)]
    now[0] = 0.9
    sampler.refused("overload", "/predict")
    sampler.flush()
    assert said() == []
    now[0] = 1.0
    sampler.refused("overload", "/predict")
    assert said() == [("overload", 500)]
    now[0] = 1.5
    sampler.refused("overload", "/predict")
    now[0] = 2.0
    sampler.flush()
    assert said() == [("overload", 1)]  # no further one had to come to show it
    now[0] = 2.5
    sampler.flush()
    sampler.refused("overload", "/predict")
    sampler.refused("slow-request", "other")
    assert said() == [("slow-request", None)]


def test_importing_it_loads_little() -> None:
    """The start of the service counts, and the health check of a container imports the package too."""
    code = "import sys; import lockgate.service.log; print([m for m in ('numpy', 'fastapi', 'pandas') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout == "[]\n"
