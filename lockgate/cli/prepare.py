"""`lockgate prepare`: the source becomes train, test and current data with one schema."""

from __future__ import annotations

import click

from lockgate.cli.command import Command, say
from lockgate.cli.stage import stage_options
from lockgate.data.dataset import prepare as prepare_data
from lockgate.data.explanation import explain_column
from lockgate.project import Project


@click.command(cls=Command)
@stage_options
@click.option("--explain", metavar="COLUMN", help="Show cells of this column, and what is made of them; write nothing.")
def prepare(project: Project, explain: str | None) -> None:
    """Read the source, check it, split it, and write data/.

    Prints a line for each column: what it was read as and why, how many cells are missing, and what was changed.

    \b
    Example:
        lockgate prepare
        lockgate prepare --params mine.yaml
        lockgate prepare --explain income
    """
    if explain is not None:
        say(*explain_column(project.read_source_table(), project.prepare_settings, explain))
        return
    project.write_dataset(prepare_data(project.read_source(), project.prepare_settings, project.read_current()))
