"""The console script `lockgate`: a group whose commands are imported when they are used."""

from __future__ import annotations

import click

from lockgate.cli.command import Group, load_command, say
from lockgate.config.suggest import nearest
from lockgate.config.version import __version__

# Every command with the line that `lockgate --help` shows of it, so that listing them imports none. The command and its
# module in this folder have the same name, but for dashes; tests/contract/test_start_up.py holds the lines to the commands' own.
COMMANDS = {
    "init": "Look at a table, propose what its columns are for, and write params.yaml.",
    "prepare": "Read the source, check it, split it, and write data/.",
    "train": "Train, write the bundle models/, and log the run to MLflow.",
    "import-model": "Make the bundle models/ of the ONNX model FILE, and log the run to MLflow.",
    "evaluate": "Score the test rows; write predictions, metrics and plots.",
    "gate": "Decide pass, block or inconclusive, and write reports/gate.json.",
    "compare": "Show the metrics of two models side by side, and the difference B - A with its paired interval.",
    "sign": "Score and decide once more, and sign the verdict: write reports/gate.json.dsse.",
    "plan": "Compute how many test rows a margin and two error rates need, or the error rates of a number of rows.",
    "drift": "Measure how far a batch is from the training rows, and how good the model still is.",
    "profile": "Count tables in the bins of a model's profile, and add profiles up.",
    "reproduce": "Run `dvc repro`, of all stages or of some and what they need, and write reports/reproduction.json.",
    "doctor": "Look at packages, git, settings, stages, data, bundle, MLflow, DVC's remote, GitHub and workflows; change nothing.",
    "check": "Check that params.yaml, dvc.yaml and dvc.lock are in order.",
    "policy": "Write reports/policy.yaml for `lockgate gate --policy`, and the difference as reports/policy.json.",
    "champion": "Score an earlier model on the test rows here; write reports/champion.parquet.",
    "report": "Write reports/report.md and reports/report.html.",
    "comment": "Post the report of a finished run on its pull request, as exactly one comment.",
    "register": "Register the bundle that passed its gate.",
    "promote": "Make VERSION the champion; of one that was champion before, this is a rollback.",
    "pull": "Bring the champion's bundle into models/, verified, and the gate.json that it was registered with.",
    "release": "Steps of a release, as the workflows run them.",
    "score": "Score the table FILE with a bundle that passed its gate, and write identifiers, probability, decision and model.",
    "outcomes": "Join outcomes that come later to the decision log, and remove what must not be kept.",
    "serve": "Serve a bundle on HTTP: /predict, /predict/batch, /explain, /drift, /metrics, /health, /ready, /docs.",
    "smoke": "Check the service at URL on the bundle's golden rows, one by one and as batches.",
    "ci": "Steps of the actions, as the workflows run them.",
    "nightly": "Decide on an alarm, keep the issue about it, publish drift.json, start a retrain.",
    "retrain": "Prepare a retrain, and propose its result.",
}


class LazyGroup(Group):
    """Imports a command's module when the command is run or asked for its own help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which data flows through them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, or None where there is none of this name; one that lacks an extra is an error in one line."""
        if cmd_name not in COMMANDS:
            return None
        return load_command(cmd_name.replace("-", "_"), cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that `args` begin with; an unknown one is an error that names the nearest."""
        if args[0] not in COMMANDS:
            ctx.fail(f"there is no command `{args[0]}`; {nearest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, from `COMMANDS`."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        say(f"lockgate {__version__}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show it.")
def main() -> None:
    """Carry a binary classifier from data to a gated, registered and watched model.

    Exit codes: 0 done, 2 bad input or configuration, 3 the gate blocked the model, 4 drift at or above --fail-on,
    1 anything unexpected.
    """
