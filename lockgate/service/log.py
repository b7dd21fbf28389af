"""The service's log: one event a line on stderr, as JSON for machines or as text for a terminal.

    log_event("worker-ended", level="warning", worker=1, signal="SIGKILL")

An event has a name in kebab-case and fields. Whatever a field holds is escaped, so that no text from outside can break or forge a
line, and credentials are hidden. Messages of other libraries (uvicorn, asyncio, Python's warnings) get the same form.
"""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isfinite
from queue import Empty, SimpleQueue
from select import select
from types import TracebackType
from typing import Literal

import msgspec

from lockgate.config.credentials import without_credentials
from lockgate.config.terminal import terminal_line

Field = str | int | float | bool | None
Level = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["auto", "json", "text"]
ErrorInfo = tuple[type[BaseException], BaseException, TracebackType | None]

STDERR = 2
MAX_LINE_BYTES = 4096  # a pipe takes as much in one piece, so lines of several processes never mix
MAX_WAITING_LINES = 10_000
BATCH_SECONDS = 0.02  # between the first waiting line and its writing
SECONDS_BETWEEN_LINES = 1.0  # about refusals for the same reason
SHORT_DIGEST = 12
_OBEYED = re.compile(rb"\x7f|##\[")  # by a terminal, and by a runner of GitHub wherever it stands in a line

_logger = logging.getLogger("lockgate")
_of_every_event: dict[str, Field] = {}
_stderr: _StderrHandler | None = None  # once logs are configured here, and not by another server


def log_event(event: str, *, level: Level = "info", error: BaseException | None = None, **fields: Field) -> None:
    """Log `event`; fields that are None are left out. The traceback of `error` becomes one field.

    A field `message` is a sentence for people. In a worker of `lockgate serve` this never waits for whoever reads stderr.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    if not _logger.isEnabledFor(number):
        return
    said = {name: _shown(value) for name, value in fields.items() if value is not None}
    info = (type(error), error, error.__traceback__) if error is not None else None
    _handle(number, Event(event, {**_of_every_event, **said}), info)


def log_request(fields: Mapping[str, Field]) -> None:
    """Log an answered request, for the access log: a fifth of the time of `log_event`, as nothing is looked for to be hidden."""
    if not _logger.isEnabledFor(logging.INFO):
        return
    event = Event("request", {**_of_every_event, **fields})
    if _stderr is not None:
        _stderr.emit(_RequestRecord(event))
    else:
        _handle(logging.INFO, event)


def _handle(level: int, event: Event, error: ErrorInfo | None = None) -> None:
    _logger.handle(_record(level, event, error))


def _record(level: int, event: Event, error: ErrorInfo | None = None) -> logging.LogRecord:
    """Without where it was logged, which would take longer to find than all the rest."""
    return _logger.makeRecord(_logger.name, level, "", 0, event, (), error)


def set_fields_of_every_event(**fields: Field) -> None:
    """Give all further events of this process these fields, such as its `worker` and the digest of its `model`."""
    _of_every_event.update(fields)


@dataclass(frozen=True)
class Event:
    """What is logged; as text, where another program's own logging shows it, its name and fields."""

    name: str
    fields: Mapping[str, Field]

    def __str__(self) -> str:
        message = [str(self.fields["message"])] if "message" in self.fields else []
        named = [f"{name}={_text_value(value)}" for name, value in self.fields.items() if name != "message"]
        return " ".join([self.name, *message, *named])


def configure_logs(log_format: LogFormat = "auto", level: Level = "info") -> None:
    """Log to stderr from now on, instead of as commands do; `auto` is text on a terminal, else JSON."""
    global _stderr
    as_text = log_format == "text" or (log_format == "auto" and os.isatty(STDERR))
    root = logging.getLogger()
    for handler in [one for one in root.handlers if type(one) in (logging.StreamHandler, _StderrHandler)]:
        root.removeHandler(handler)
    if sys.stderr is None:  # closed, as by `2>&-`: what has its number now is something else
        root.addHandler(logging.NullHandler())
    else:
        _stderr = _StderrHandler(TextFormatter() if as_text else JsonFormatter())
        root.addHandler(_stderr)
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    sys.excepthook = _log_crash
    threading.excepthook = lambda crash: _log_crash(crash.exc_type, crash.exc_value, crash.exc_traceback)


def write_logs_on_thread() -> None:
    """Write on a thread from now on, so that logging does not wait for whoever reads stderr; after the last fork."""
    if _stderr is not None:
        _stderr.start()


def flush_logs() -> None:
    """Write what waits, at the end of a process; at most for a second."""
    if _stderr is not None:
        _stderr.flush()


def signal_name(number: int) -> str:
    """`SIGKILL` for 9."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


class JsonFormatter(logging.Formatter):
    """A line of JSON in ASCII: every other character is escaped, and whatever else a terminal or a runner obeys."""

    def format(self, record: logging.LogRecord) -> str:
        """The event as JSON, of at most `MAX_LINE_BYTES`: the middle of the longest texts is left out."""
        said = _fields(record)
        try:
            encoded = msgspec.json.encode(said)  # takes a tenth of the time, and escapes less
        except UnicodeEncodeError:  # a lone surrogate
            encoded = b""
        if encoded and len(encoded) < MAX_LINE_BYTES and encoded.isascii() and not _OBEYED.search(encoded):
            return encoded.decode()
        while len(line := json.dumps(said)) >= MAX_LINE_BYTES:
            longest = max(said, key=lambda name: len(str(said[name])))
            text = str(said[longest])
            part = len(text) // 3
            said[longest] = f"{text[:part]} ... {text[-part:]}"
        return line.replace("##[", "\\u0023#[")


class TextFormatter(logging.Formatter):
    """A line for people; further lines, of a traceback, are indented, so none can pass for an event."""

    def format(self, record: logging.LogRecord) -> str:
        """The event as text."""
        said = _fields(record)
        trace = str(said.pop("traceback", ""))
        time, level, event = (str(said.pop(name)) for name in ("time", "level", "event"))
        if "model" in said:
            said["model"] = str(said["model"])[:SHORT_DIGEST]
        first = f"{time} {level:<7} {Event(event, said)}"
        return "\n".join([terminal_line(first), *(f"    {terminal_line(line)}" for line in trace.splitlines())])


def _fields(record: logging.LogRecord) -> dict[str, Field]:
    time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
    said: dict[str, Field] = {"time": time, "level": record.levelname.lower()}
    if isinstance(record.msg, Event):
        said |= {"event": record.msg.name, "pid": record.process, **record.msg.fields}
    else:
        said |= {"event": "message", "pid": record.process, **_of_every_event, "logger": record.name}
        said["message"] = without_credentials(record.getMessage())
    if record.exc_info and record.exc_info[1] is not None:
        said["traceback"] = without_credentials("".join(traceback.format_exception(record.exc_info[1])))
    return said


def _shown(value: Field) -> Field:
    """A value without credentials, and as JSON has it: no infinity, no NaN."""
    if isinstance(value, str):
        return without_credentials(value)
    return str(value) if isinstance(value, float) and not isfinite(value) else value


def _text_value(value: Field) -> str:
    """A value as it is where it is one word, else in quotes."""
    text = str(value)
    return text if text and not set(text) & set(' "=\\') and text.isprintable() else json.dumps(text)


def _log_crash(kind: type[BaseException], error: BaseException | None, _: TracebackType | None) -> None:
    log_event("crashed", level="error", error=error, message=f"{kind.__name__} that nothing caught")


class _RequestRecord(logging.LogRecord):
    """Only what the formatters here read: a record of Python's own looks up its thread, its process's name and its source."""

    def __init__(self, event: Event) -> None:
        self.created = time.time()
        self.process = os.getpid()
        self.levelname = "INFO"
        self.exc_info = None
        self.msg = event


class _StderrHandler(logging.Handler):
    """Writes to stderr: at once where it can, or from `start` on by a thread, which writes the lines of a moment together.

    Nobody who logs waits for whoever reads stderr: what cannot be written is left out, and how much that was is logged.
    """

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._waiting: SimpleQueue[logging.LogRecord | threading.Event] = SimpleQueue()
        self._has_thread = False
        self._left_out = 0

    def start(self) -> None:
        self._has_thread = True
        threading.Thread(target=self._write_waiting, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        if self._has_thread and self._waiting.qsize() < MAX_WAITING_LINES:
            self._waiting.put(record)
        elif not self._has_thread and select([], [STDERR], [], 0.0)[1]:
            self._write([record])
        else:
            self._left_out += 1

    def flush(self) -> None:
        if self._has_thread:
            written = threading.Event()
            self._waiting.put(written)
            written.wait(1.0)

    def _write_waiting(self) -> None:
        while True:
            taken = [self._waiting.get()]
            if isinstance(taken[0], logging.LogRecord):
                time.sleep(BATCH_SECONDS)
            try:
                while True:
                    taken.append(self._waiting.get_nowait())
            except Empty:
                pass
            self._write([one for one in taken if isinstance(one, logging.LogRecord)])
            for one in taken:
                if isinstance(one, threading.Event):
                    one.set()

    def _write(self, records: list[logging.LogRecord]) -> None:
        """Write whole lines, as many at a time as a pipe takes in one piece; nobody is told where stderr is closed."""
        left_out, self._left_out = self._left_out, 0
        if left_out:
            event = Event("log-lines-left-out", {**_of_every_event, "lines": left_out})
            records = [*records, _record(logging.WARNING, event)]
        pieces = [b""]
        for line in map(self.format, records):
            encoded = line.encode(errors="backslashreplace") + b"\n"
            if len(pieces[-1]) + len(encoded) > MAX_LINE_BYTES:
                pieces.append(b"")
            pieces[-1] += encoded
        try:
            for piece in pieces:
                while piece:
                    piece = piece[os.write(STDERR, piece) :]
        except OSError:
            return


@dataclass
class _Refusals:
    level: Level
    last_line: float
    left_out: int = 0


@dataclass
class RefusalSampler:
    """Logs refusals: of each reason and route the first at once, then at most one a second, with how many were left out."""

    clock: Callable[[], float] = time.monotonic
    _seen: dict[tuple[str, str], _Refusals] = field(default_factory=dict)

    def refused(self, reason: str, route: str, *, level: Level = "info", **fields: Field) -> None:
        """Log a refusal, or leave it out; `reason` and `route` are each one of few."""
        now = self.clock()
        seen = self._seen.get((reason, route))
        if seen is not None and now - seen.last_line < SECONDS_BETWEEN_LINES:
            seen.left_out += 1
            return
        left_out = seen.left_out if seen is not None else 0
        self._seen[reason, route] = _Refusals(level, now)
        log_event("refused", level=level, error=None, reason=reason, route=route, **fields, left_out=left_out or None)

    def flush(self, *, last: bool = False) -> None:
        """Log how many were left out where no further one has come for a second, or at the `last`."""
        now = self.clock()
        for (reason, route), seen in self._seen.items():
            if seen.left_out and (last or now - seen.last_line >= SECONDS_BETWEEN_LINES):
                log_event("refused", level=seen.level, reason=reason, route=route, left_out=seen.left_out)
                seen.left_out, seen.last_line = 0, now
