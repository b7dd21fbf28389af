"""What people see while a command runs, on a terminal and in the log of a workflow: all of it goes through here.

A name, a value, a server's message or an exception's text may hold what a terminal or a runner obeys; here it is shown.
"""

from __future__ import annotations

import logging
import re
import traceback
from types import TracebackType

import click

from lockgate.config.credentials import without_credentials
from lockgate.config.visible_text import visible_text

# A runner takes `::` for a command after any space at a line's start, and `##[` anywhere in a line.
_COMMAND = re.compile(r"^\s*(?=::)|#(?=#\[)")


def terminal_line(text: str) -> str:
    """One line that neither a terminal nor a runner obeys, without credentials. Twice escaped is as once."""
    return _COMMAND.sub(r"\g<0>\\", visible_text(without_credentials(text)))


def one_line(message: str) -> str:
    """The lines of a message as one; spaces inside a line stay, for they may be a value's own."""
    return " ".join(part for line in message.splitlines() if (part := line.strip()))


def say(*lines: str) -> None:
    """Results, on stdout."""
    for line in lines:
        click.echo(terminal_line(line))


def progress(*lines: str) -> None:
    """What a person waits for, on stderr."""
    for line in lines:
        click.echo(terminal_line(line), err=True)


def warn(message: str) -> None:
    """One line on stderr; the command goes on."""
    click.secho(terminal_line(f"warning: {one_line(message)}"), fg="yellow", err=True)


def say_error(message: str) -> None:
    """What ended a command, or is wrong with its input: one line on stderr."""
    click.echo(terminal_line(f"Error: {one_line(message)}"), err=True)


def annotate(message: str) -> None:
    """A warning that a runner shows beside the change; no text can end it and begin another command."""
    shown = visible_text(without_credentials(one_line(message)))
    click.echo(f"::warning::{shown.replace('%', '%25')}")


def say_traceback(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    """For `sys.excepthook`: the traceback of a defect, with what the exception says escaped like everything else."""
    progress(*"".join(traceback.format_exception(kind, error, where)).rstrip("\n").split("\n"))


def log_to_stderr() -> None:
    """Show what is logged or warned of, as a program without any logging of its own does, but escaped."""
    handler = logging.StreamHandler()
    handler.setFormatter(_LogFormatter())
    logging.getLogger().addHandler(handler)
    logging.captureWarnings(True)  # Python's own, which repeat what a library was given


class _LogFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(terminal_line, super().format(record).split("\n")))
