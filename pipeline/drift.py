"""Stage `drift`: the current batch against the bundle's frozen profile; the result goes to reports/drift.json."""

import click

import lockgate


@click.command(cls=lockgate.Command)
@lockgate.stage_options
def drift(project: lockgate.Project) -> None:
    """Measure how far the current batch is from the training rows."""
    settings, thresholds = project.params.drift, project.params.evaluate
    with project.open_current() as current, project.open_engine() as engine:
        result = lockgate.measure_drift(
            project.bundle, current, settings=settings, evaluate=thresholds, note=project.drift_note, engine=engine
        )
    project.warn_of_other_drift_settings()
    project.write_drift(result)


if __name__ == "__main__":
    drift()
