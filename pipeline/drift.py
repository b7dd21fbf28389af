"""Stage `drift`: the current batch against the bundle's frozen profile; the result goes to reports/drift.json."""

import click

import lockgate


@click.command(cls=lockgate.Command)
@lockgate.stage_options
def drift(project: lockgate.Project) -> None:
    """Measure how far the current batch is from the training rows."""
    current, settings, thresholds = project.read_rows("current"), project.params.drift, project.params.evaluate
    result = lockgate.measure_drift(
        project.bundle, current, settings=settings, evaluate=thresholds, note=project.drift_note
    )
    project.warn_of_other_drift_settings()
    project.write_drift(result)


if __name__ == "__main__":
    drift()
