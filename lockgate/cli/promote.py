"""`lockgate promote`: a registered version becomes the champion; of one that was champion before, this is the rollback."""

from __future__ import annotations

from pathlib import Path

import click

from lockgate.cli.command import Command, params_option, say
from lockgate.project import Project
from lockgate.registry.promote import promote as promote_registered


@click.command(cls=Command)
@params_option
@click.argument("version", type=click.IntRange(min=1))
def promote(params_path: Path, version: int) -> None:
    """Make VERSION the champion; of one that was champion before, this is a rollback.

    Its bundle and its verdict are fetched and verified before the alias moves. A rollback needs nothing else. Any other
    version is compared with the champion of this moment: both score data/test.parquet, gate.champion.margins decide, and
    exit code 3 says that the champion stays. It also says so of a version that passed under an exception to the policy
    which has ended since.
    """
    project = Project(settings=params_path)
    for event in promote_registered(project.params, version, project.read_test_rows, today=project.today):
        say(event)


if __name__ == "__main__":
    promote()
