"""`lockgate profile`: rows that many machines count apart, in the bins of one model's profile, as one profile."""

from __future__ import annotations

from pathlib import Path

import click

from lockgate.cli.command import Command, Group, params_option, say, warn
from lockgate.config.files import write_file
from lockgate.config.layout import MODELS
from lockgate.data.partitions import open_partitions
from lockgate.documents.profile_json import Profile
from lockgate.drift.profile_sum import left_out, merge_profiles
from lockgate.model.bundle import verify_bundle
from lockgate.model.profile_count import count_profile
from lockgate.project import Project

output_option = click.option(
    "--output", type=click.Path(path_type=Path), required=True, help="Where the profile goes, such as june.json."
)


@click.group(cls=Group)
def profile() -> None:
    """Count tables in the bins of a model's profile, and add profiles up."""


@profile.command(cls=Command)
@params_option
@click.argument("file")
@click.option(
    "--like",
    "folder",
    type=click.Path(path_type=Path),
    default=MODELS,
    show_default=True,
    metavar="DIR",
    help="The bundle in whose bins the rows are counted, and whose model scores them.",
)
@output_option
def count(params_path: Path, file: str, folder: Path, output: Path) -> None:
    """Count the rows of the table FILE in the bins of a bundle's profile, and write them as a profile of their own.

    FILE is a path, a folder, a pattern of names or a URL, of any size: it is read by the bundle's schema, part by part, where
    `engine` says. The bundle scores the rows, and its calibration, performance and rule stand in the new profile too. Rows
    with a category that has no bin end the command with exit code 2.

    \b
    Examples:
        lockgate profile count applications/part-1/ --output part-1.json
        lockgate profile count june.parquet --like models/ --output june.json
    """
    project = Project(settings=params_path)
    bundle = verify_bundle(folder)
    with (
        project.open_engine() as engine,
        open_partitions(file, "FILE", project.params_or_defaults.prepare.read) as table,
    ):
        counted = count_profile(engine, table, bundle)
    write_file(output, counted.to_bytes())
    say(f"counted {counted.n:,} rows in the bins of model {bundle.digest[:12]}: {output}")


@profile.command(cls=Command)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@output_option
def merge(files: tuple[Path, ...], output: Path) -> None:
    """Add the profiles FILE... up to one of all their rows; their order makes no difference.

    They count in the same bins: of one bundle, and of `lockgate profile count` like it. Profiles that were trained apart
    have bins of their own, and end the command with exit code 2. The calibration and the performance of the scores cannot be
    added: they stay where all profiles have the same, and are left out where they differ.

    \b
    Examples:
        lockgate profile merge part-1.json part-2.json --output all.json
    """
    how_to_fix = "name files that `lockgate profile count` wrote, or the profile.json of a bundle"
    profiles = [Profile.read_file(path, how_to_fix) for path in files]
    merged = merge_profiles(*profiles, names=list(map(str, files)))
    if missing := left_out(merged, profiles):
        warn(f"{output} has no {', no '.join(missing)}: the profiles differ in that, and it cannot be added")
    write_file(output, merged.to_bytes())
    say(f"merged {len(profiles)} profiles of {merged.n:,} rows: {output}")
