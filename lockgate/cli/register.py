"""`lockgate register`: the bundle that passed its gate becomes a version in the registry."""

from __future__ import annotations

import click

from lockgate.cli.command import Command
from lockgate.cli.stage import stage_options
from lockgate.project import Project
from lockgate.registry.register import register as register_bundle


@click.command(cls=Command)
@click.option("--promote", is_flag=True, help="Make it the champion as well.")
@stage_options
def register(project: Project, promote: bool) -> None:
    """Register the bundle that passed its gate.

    It becomes one version in MLflow, however often this runs, with the alias `challenger`, and with --promote `champion`.
    Its gate.json is stored with it, and drift.json and the report where they are of this bundle.

    Scores the test rows again and decides again: gate.json is accepted only where both agree.
    """
    bundle = project.current_bundle
    registration = register_bundle(
        bundle,
        project.read_verdict(),
        project.stage_rows("test"),
        project.params,
        training_rows=project.stage_rows_if_there("train"),
        training=project.read_training_report(),
        files=project.files_about(bundle.digest),
        promote=promote,
        today=project.today,
    )
    project.write_registration(bundle, registration)
