"""`lockgate check`: whether params.yaml, dvc.yaml and dvc.lock are in order."""

from __future__ import annotations

from pathlib import Path

import click

from lockgate.cli.command import Command, say
from lockgate.config.exit_codes import EXIT_BAD_INPUT
from lockgate.config.terminal import say_error
from lockgate.dvc.check import project_problems


@click.command(cls=Command)
@click.pass_context
def check(ctx: click.Context) -> None:
    """Check that params.yaml, dvc.yaml and dvc.lock are in order.

    The parameters have to be valid, the stages have to watch the data and parameters that they use and to be written for
    this version's results, and dvc.lock has to belong to the files as they are. Nothing is run, and no data need be there.
    Ends with exit code 2 and a line for each fault.

    \b
    Example:
        lockgate check
    """
    problems = project_problems(Path())
    for problem in problems:
        say_error(problem)
    if problems:
        ctx.exit(EXIT_BAD_INPUT)
    say("params.yaml, dvc.yaml and dvc.lock are in order")


if __name__ == "__main__":
    check()
