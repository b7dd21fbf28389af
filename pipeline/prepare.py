"""Stage `prepare`: the source becomes train, test and current rows with one schema, in data/."""

import click

import lockgate


@click.command(cls=lockgate.Command)
@lockgate.stage_options
def prepare(project: lockgate.Project) -> None:
    """Read the source, check it, split it, and write data/."""
    project.write_dataset(lockgate.prepare(project.read_source(), project.prepare_settings, project.read_current()))


if __name__ == "__main__":
    prepare()
