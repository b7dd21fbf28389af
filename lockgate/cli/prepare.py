"""`lockgate prepare`: the source becomes train, test and current data with one schema."""

from __future__ import annotations

import click

from lockgate.cli.command import Command
from lockgate.cli.stage import stage_options
from lockgate.data.dataset import prepare as prepare_data
from lockgate.project import Project


@click.command(cls=Command)
@stage_options
def prepare(project: Project) -> None:
    """Read the source, check it, split it, and write data/.

    \b
    Example:
        lockgate prepare
        lockgate prepare --params mine.yaml
    """
    project.write_dataset(prepare_data(project.read_source(), project.prepare_settings, project.read_current()))
