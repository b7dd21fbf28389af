"""Programs that a release runs: docker, skopeo, gh. Found, awaited for a bounded time, their errors in one line."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from lockgate.config.errors import InputError

SECONDS = 600


class ToolError(InputError):
    """A program that ended with an error. `said` is what it printed about it."""

    def __init__(self, message: str, said: str) -> None:
        super().__init__(message)
        self.said = said


def run_tool(*command: str, what: str, environment: dict[str, str] | None = None, text: str = "") -> bytes:
    """What `command` prints on stdout; `text` is given to it on stdin.

    Raises InputError where it is not installed or takes over `SECONDS`, and ToolError saying that it could not do
    `what`, with its last line, where it fails.
    """
    try:
        ran = subprocess.run(  # noqa: S603
            command, input=text.encode(), capture_output=True, timeout=SECONDS, env=environment, check=False
        )
    except FileNotFoundError:
        raise InputError(f"{command[0]} is not installed, so we cannot {what}; install it") from None
    except subprocess.TimeoutExpired:
        raise InputError(f"{command[0]} did not {what} in {SECONDS} s; run it again") from None
    if ran.returncode != 0:
        said = ran.stderr.decode(errors="replace").strip()
        raise ToolError(f"cannot {what}: {command[0]} says {last_line(said)}", said)
    return ran.stdout


def last_line(said: str, limit: int = 300) -> str:
    """The last line of an error, which names the cause, or `nothing`."""
    lines: Sequence[str] = [line for line in said.splitlines() if line.strip()]
    return lines[-1].strip()[-limit:] if lines else "nothing"
