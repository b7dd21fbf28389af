"""The console script `lockgate`: a group whose commands are imported when they are used."""

from __future__ import annotations

import importlib
from importlib.metadata import version

import click

# Name of the command, and the module in lockgate/cli/ that has it under the same name.
COMMANDS = {
    "prepare": "prepare",
    "train": "train",
    "evaluate": "evaluate",
    "gate": "gate",
    "plan": "plan",
    "drift": "drift",
    "reproduce": "reproduce",
    "policy": "policy",
    "champion": "champion",
    "report": "report",
    "comment": "comment",
    "register": "register",
    "promote": "promote",
    "pull": "pull",
    "release": "release",
    "serve": "serve",
    "smoke": "smoke",
    "nightly": "nightly",
    "retrain": "retrain",
}


class LazyGroup(click.Group):
    """Imports a command's module when the command is named, or its help is listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which data flows through them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, or None where there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"lockgate.cli.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name)
        return command


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        click.echo(f"lockgate {version('lockgate')}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show it.")
def main() -> None:
    """Carry a binary classifier from data to a gated, registered and watched model.

    Exit codes: 0 done, 2 bad input or configuration, 3 the gate blocked the model, 4 drift at or above --fail-on,
    1 anything unexpected.
    """
