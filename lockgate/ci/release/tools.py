"""Programs that a release runs: docker, skopeo, gh. Found, awaited for a bounded time, their errors in one line."""

from __future__ import annotations

import random
import re
import subprocess
import time
from collections.abc import Sequence

from lockgate.config.errors import InputError

SECONDS = 600
ASKING_SECONDS = 60  # for a question to a server, all attempts together
RETRIES = 3
PAUSE = (
    1.0  # seconds before the second attempt, twice as long before each further one, and up to as much again by chance
)
# What a program says of a server, or of the way to it, that may be well again in a moment.
_PASSING = re.compile(
    r"too ?many ?requests|internal server error|bad gateway|service unavailable|gateway time-?out|"
    r"\b(?:HTTP|status(?: ?code)?:?) (?:429|50[0234])\b|"
    r"connection (?:refused|reset)|i/o timeout|handshake timeout|unexpected EOF|temporary failure in name resolution",
    re.IGNORECASE,
)


class ToolError(InputError):
    """A program that ended with an error. `said` is what it printed about it."""

    def __init__(self, message: str, said: str) -> None:
        super().__init__(message)
        self.said = said


def run_tool(
    *command: str, what: str, environment: dict[str, str] | None = None, text: str = "", seconds: float = SECONDS
) -> bytes:
    """What `command` prints on stdout; `text` is given to it on stdin.

    Raises InputError where it is not installed or takes over `seconds`, and ToolError saying that it could not do
    `what`, with its last line, where it fails.
    """
    try:
        ran = subprocess.run(  # noqa: S603
            command, input=text.encode(), capture_output=True, timeout=seconds, env=environment, check=False
        )
    except FileNotFoundError:
        raise InputError(f"{command[0]} is not installed, so we cannot {what}; install it") from None
    except subprocess.TimeoutExpired:
        raise InputError(f"{command[0]} did not {what} in {seconds:.0f} s; run it again") from None
    if ran.returncode != 0:
        said = ran.stderr.decode(errors="replace").strip()
        raise ToolError(f"cannot {what}: {command[0]} says {last_line(said)}", said)
    return ran.stdout


def ask_server(*command: str, what: str, text: str = "", seconds: float = ASKING_SECONDS) -> bytes:
    """The same of a command that asks a server and changes nothing when it is run again: what may pass is tried again.

    `seconds` are for all attempts together.
    """
    end = time.monotonic() + seconds
    for attempt in range(RETRIES + 1):
        try:
            return run_tool(*command, what=what, text=text, seconds=max(end - time.monotonic(), 1.0))
        except ToolError as error:
            pause = PAUSE * 2**attempt * random.uniform(1, 2)  # noqa: S311
            if attempt == RETRIES or not _PASSING.search(error.said) or time.monotonic() + pause >= end:
                raise
            time.sleep(pause)
    raise AssertionError("unreachable")


def last_line(said: str, limit: int = 300) -> str:
    """The last line of an error, which names the cause, or `nothing`."""
    lines: Sequence[str] = [line for line in said.splitlines() if line.strip()]
    return lines[-1].strip()[-limit:] if lines else "nothing"
