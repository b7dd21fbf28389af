"""`lockgate outcomes`: labels that come months after the decision, and decisions that must not be kept."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from lockgate.cli.command import Command, Group, params_option, utc_time
from lockgate.config.errors import InputError
from lockgate.project import Project

log_option = click.option(
    "--log",
    default="decisions/",
    show_default=True,
    metavar="DIR|URL",
    help="The decision log; `outcomes/` is beside it.",
)


@click.group(cls=Group)
def outcomes() -> None:
    """Join outcomes that come later to the decision log, and remove what must not be kept."""


@outcomes.command(cls=Command)
@params_option
@click.argument("file")
@log_option
@click.option(
    "--digest",
    help="The model whose decisions these are, or the beginning of its digest; by default the bundle in models/.",
)
@click.option(
    "--allow-unknown", is_flag=True, help="Leave out, and count, what is about no decision of this model in the log."
)
def add(params_path: Path, file: str, log: str, digest: str | None, allow_unknown: bool) -> None:
    """Add the outcomes in the table FILE to those beside the decision log.

    A row is about the decision with its `request_id` (and `row`, in a batch counted from 0; and the log's `lockgate_time`, where
    a client sent one id twice), or with the identifiers of the schema.
    The outcome stands in the target column, in the classes of the training data, empty where it is not known yet;
    `outcome_date` may say since when. Whatever does not fit ends with exit code 2, and nothing is written. The same file
    twice changes nothing.

    \b
    Examples:
        lockgate outcomes add june.csv
        lockgate outcomes add june.csv --log s3://bank-logs/decisions --allow-unknown
    """
    Project(settings=params_path).add_outcomes(file, log, digest, allow_unknown=allow_unknown)


@outcomes.command(cls=Command)
@params_option
@click.argument("file", required=False)
@log_option
@click.option("--expired", is_flag=True, help="Remove what is older than `decision_log.keep_days` of params.yaml.")
@click.option("--only-outcomes", is_flag=True, help="Take back outcomes, and leave the decisions.")
@click.option(
    "--time", "when", default="now", show_default=True, help="With --expired: the time it is (ISO 8601, or `now`)."
)
def forget(params_path: Path, file: str | None, log: str, expired: bool, only_outcomes: bool, when: str) -> None:
    """Remove the decisions that the table FILE names from the log, and their outcomes: by request id, or by identifiers.

    Each file is written anew, one after the other; one that fails can be run again.

    \b
    Examples:
        lockgate outcomes forget customers-who-left.csv
        lockgate outcomes forget wrong-labels.csv --only-outcomes
        lockgate outcomes forget --expired
    """
    if (file is None) != expired or (expired and only_outcomes):
        raise InputError("give either FILE, with --only-outcomes or without, or --expired")
    project = Project(settings=params_path)
    if file is None:
        project.forget_expired(log, datetime.fromisoformat(utc_time(when, "--time")))
    else:
        project.forget_decisions(file, log, only_outcomes=only_outcomes)
