"""What people see while a command runs."""

from __future__ import annotations

import click


def say(message: str) -> None:
    """Results, on stdout."""
    click.echo(message)


def progress(message: str) -> None:
    """What a person waits for, on stderr."""
    click.echo(message, err=True)


def warn(message: str) -> None:
    """One line on stderr; the command goes on."""
    click.secho(f"warning: {' '.join(message.split())}", fg="yellow", err=True)
