"""`lockgate evaluate`: score the test rows, write metrics and plots, and stop at a floor."""

from __future__ import annotations

import click

from lockgate.cli.command import Command
from lockgate.cli.stage import stage_options
from lockgate.gate.evaluation import evaluate as evaluate_bundle
from lockgate.project import Project


@click.command(cls=Command)
@stage_options
def evaluate(project: Project) -> None:
    """Score the test rows; write predictions, metrics and plots.

    The scores are those of the form that is served. Where the library that trained the model is installed, its own
    must be the same to 1e-6.

    Ends with exit code 3 where a metric misses its floor or ceiling, after everything is written, so that
    `lockgate gate` and `lockgate report` work all the same.
    """
    with project.open_engine() as engine:
        rows = project.stage_rows("test")
        project.write_evaluation(evaluate_bundle(project.current_bundle, rows, project.params, engine))
