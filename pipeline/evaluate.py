"""Stage `evaluate`: the bundle scores the test rows; predictions, metrics and plots go to reports/."""

import click

import lockgate


@click.command(cls=lockgate.Command)
@lockgate.stage_options
def evaluate(project: lockgate.Project) -> None:
    """Score the test rows; exit code 3 where a floor is missed, after everything is written."""
    with project.open_engine() as engine:
        rows = project.stage_rows("test")
        project.write_evaluation(lockgate.evaluate(project.current_bundle, rows, project.params, engine))


if __name__ == "__main__":
    evaluate()
