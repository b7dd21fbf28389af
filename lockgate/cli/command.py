"""What all commands share: exit codes, one-line errors, warnings, and the options `--params` and `--name`."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from lockgate.config.errors import GateBlockedError, InputError
from lockgate.config.exit_codes import EXIT_BAD_INPUT, EXIT_BLOCKED
from lockgate.config.extras import extras_named
from lockgate.config.layout import PARAMS
from lockgate.config.model_name import require_name
from lockgate.config.request_budget import clients_may_hang, end_commands_by
from lockgate.config.results_number import require_results
from lockgate.config.terminal import log_to_stderr, one_line, say_error, say_traceback, terminal_line
from lockgate.config.terminal import say as say
from lockgate.config.terminal import warn as warn


class OneLineError(click.ClickException):
    """An error as one line on stderr, with the exit code it stands for."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(terminal_line(one_line(message)))
        self.exit_code = exit_code  # type: ignore[misc]  # Click declares it for the class, and reads it off the instance


class Program(click.Command):
    """Whatever is started from a shell: what it says of its arguments is escaped, so is a defect's traceback, and a log."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run as a program."""
        sys.excepthook = say_traceback
        log_to_stderr()
        end_commands_by(_end_at_once)
        try:
            return super().__call__(*args, **kwargs)
        except SystemExit as end:
            # A refusal leaves Arrow's threads where they read on; one that asks for Python while it ends aborts the process.
            if end.code == EXIT_BAD_INPUT or clients_may_hang():
                os._exit(end.code if isinstance(end.code, int) else int(end.code is not None))
            raise

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Read the options."""
        with _escaped_errors():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _escaped_errors():
            return super().invoke(ctx)


@contextmanager
def _escaped_errors() -> Iterator[None]:
    try:
        yield
    except click.ClickException as error:
        error.message = terminal_line(error.message)  # type: ignore[misc]  # final to Click, and read when it is shown
        raise


def _end_at_once(message: str) -> NoReturn:
    say_error(message)
    os._exit(EXIT_BAD_INPUT)


class Command(Program):
    """A command whose InputError ends it with code 2 and whose GateBlockedError ends it with code 3.

    Whatever else it raises is a defect of ours and keeps its traceback.
    """

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Read the options."""
        with _one_line_errors():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _one_line_errors(), extras_named():
            return super().invoke(ctx)


class Group(Program, click.Group):
    """Commands under one name."""


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise OneLineError(str(error), EXIT_BAD_INPUT) from error
    except GateBlockedError as error:
        raise OneLineError(str(error), EXIT_BLOCKED) from error


def run_command(ctx: click.Context, name: str, *steps: str, **options: str | Path | bool | None) -> None:
    """Run another command with the options that are set; it raises a ClickException where it does not end well."""
    program = ctx.find_root().command
    command = program.get_command(ctx, name) if isinstance(program, click.Group) else None
    assert command is not None  # noqa: S101
    arguments = [*steps]
    for option, value in options.items():
        flag = f"--{option.replace('_', '-')}"
        if value is True:
            arguments.append(flag)
        elif value:
            arguments.append(f"{flag}={value}")
    with command.make_context(name, arguments, parent=ctx) as own:
        command.invoke(own)


params_option = click.option(
    "--params",
    "params_path",
    type=click.Path(path_type=Path),
    default=PARAMS,
    show_default=True,
    help="The parameters to use.",
)


def _check_results(ctx: click.Context, _: click.Parameter, stated: int | None) -> None:
    require_results(stated)


results_option = click.option(
    "--results",
    type=int,
    expose_value=False,
    callback=_check_results,
    help="The results that dvc.yaml was written for; another number than this kit's ends with exit code 2.",
)


def check_name(_ctx: click.Context, _option: click.Parameter, name: str) -> str:
    """The name of a model as an option takes it; raises InputError where it is none."""
    return require_name(name, "--name")


name_option = click.option(
    "--name", default="", callback=check_name, help="The model's name where the repository has several."
)


Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def existing_file(help_text: str, *names: str) -> Callable[[Decorated], Decorated]:
    """An option that takes a file which must exist; an absent one is a usage error, exit code 2."""
    return click.option(*names, type=click.Path(exists=True, dir_okay=False, path_type=Path), help=help_text)


def utc_time(text: str, option: str) -> str:
    """`text` in UTC: `now`, or an ISO 8601 time with its zone; InputError naming `option` where it is neither."""
    try:
        time = datetime.now(UTC) if text == "now" else datetime.fromisoformat(text)
        if time.tzinfo is None:
            raise ValueError(text)
        return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError):
        raise InputError(
            f"{option} is {text[:40]!r}; give `now`, or a time with its zone such as 2026-11-25T03:00:00Z"
        ) from None


def load_command(module: str, name: str) -> click.Command:
    """The command `name`, from the module of this folder that has it; one that lacks an extra is an error in one line."""
    try:
        with extras_named():
            found = importlib.import_module(f"lockgate.cli.{module}")
    except InputError as error:
        raise OneLineError(f"{name}: {error}", EXIT_BAD_INPUT) from error
    command: click.Command = getattr(found, name.replace("-", "_"))
    return command
