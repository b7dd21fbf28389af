"""`lockgate drift`: the current batch against the bundle's frozen profile, or against another table."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click
from msgspec.structs import replace

from lockgate.cli.command import Command, OneLineError, existing_file, utc_time, warn
from lockgate.cli.stage import stage_options
from lockgate.config import layout
from lockgate.config.errors import InputError
from lockgate.config.exit_codes import EXIT_DRIFT
from lockgate.config.files import write_file
from lockgate.config.params import SYNTHETIC
from lockgate.data.dataset import conform_current, conform_features, infer_features
from lockgate.data.newest_day import NO_DAY, newest_day
from lockgate.data.source_table import SourceTable
from lockgate.data.sources import read_source_table
from lockgate.data.tables import Table, day_metadata, table_bytes
from lockgate.documents.drift_json import DriftResult, DriftStatus
from lockgate.model.bundle import MANIFEST
from lockgate.model.drift import measure_drift
from lockgate.project import Project

SEVERITY: dict[DriftStatus, int] = {"stable": 0, "insufficient-data": 1, "warn": 1, "alert": 2}
THREADS = 2  # of hundreds of columns; the result is the same for any number
FAIL_ON = {"never": 3, "warn": 1, "alert": 2}


@click.command(cls=Command)
@stage_options
@existing_file(
    "Compare with this table instead of the frozen profile (CSV or Parquet); needs no bundle.", "--reference"
)
@click.option("--current", help="The batch to look at: a file, a folder, a pattern of names, or a URL.")
@click.option(
    "--fail-on",
    type=click.Choice(list(FAIL_ON)),
    default="never",
    show_default=True,
    help="Exit with code 4 at this status or worse; insufficient-data counts as warn.",
)
@click.option("--time", "when", help="Write this time of the run (ISO 8601, or `now`) into drift.json.")
@click.option("--page/--no-page", default=True, help="Draw Evidently's page; drift.json is the same without it.")
@click.option("--keep", is_flag=True, help="Keep the batch as data/current.parquet, read by the bundle's schema.")
def drift(
    project: Project,
    reference: Path | None,
    current: str | None,
    fail_on: str,
    when: str | None,
    page: bool,
    keep: bool,
) -> None:
    """Measure how far a batch is from the training rows, and how good the model still is.

    Writes reports/drift.json, and Evidently's reports/drift.html where that works.

    Where outcomes of the batch are known, their rate and the model's performance are judged, by the gate's thresholds
    and by registration; where not, ROC-AUC and Brier are estimated. Two tables are compared without a bundle and
    without params.yaml, every column by what it holds; a column y_score or probability is the score, y_true the
    outcome. drift.html is of up to 100 columns; `drift.evidently` changes that.

    \b
    Examples:
        lockgate drift
        lockgate drift --current decisions/ --fail-on alert --time now
        lockgate drift --reference january.csv --current june.csv
    """
    # Without --time equal runs give equal bytes.
    time = None if when is None else datetime.fromisoformat(utc_time(when, "--time"))
    if reference is not None and not (layout.MODELS / MANIFEST).is_file():
        result = _two_tables(project, reference, current, time, page)
    else:
        result = _against_bundle(project, reference, current, time, page, keep)
    if SEVERITY[result.status] >= FAIL_ON[fail_on]:
        raise OneLineError(f"drift is {result.status}, and --fail-on is {fail_on}", EXIT_DRIFT)


def _against_bundle(
    project: Project, reference: Path | None, current: str | None, time: datetime | None, page: bool, keep: bool
) -> DriftResult:
    settings = project.params.drift
    if current is None:
        batch = project.read_rows("current")
        arrived = batch.sha256 if project.params.prepare.current not in (None, SYNTHETIC) else None
    else:
        source = read_source_table(current, "--current", project.params.prepare.read)
        source = project.with_outcomes(source, current)
        batch, arrived = _typed(project, source), source.sha256
    if keep:
        write_file(project.folder / layout.CURRENT_DATA, table_bytes(batch.rows, day_metadata(batch.newest)))
    before = None
    if reference is not None:
        before = _typed(project, read_source_table(str(reference), "--reference", project.params.prepare.read))
    note = project.drift_note if current is None else None
    measured = measure_drift(
        project.bundle,
        batch,
        reference_rows=before,
        settings=settings,
        evaluate=project.params.evaluate,
        note=note,
        time=time,
        threads=THREADS,
    )
    result = replace(measured, batch=arrived, newest=batch.newest if arrived else None)
    project.warn_of_other_drift_settings()
    project.write_drift(result)
    if page and project.wants_drift_page(result):
        project.draw_drift(result, before or _training_rows(project), batch)
    return result


def _two_tables(
    project: Project, reference: Path, current: str | None, time: datetime | None, page: bool
) -> DriftResult:
    if current is None:
        raise InputError("--reference without a bundle needs --current: the table to compare it with")
    settings = project.params_or_defaults.drift
    read = project.params_or_defaults.prepare.read
    before = read_source_table(str(reference), "--reference", read)
    batch = read_source_table(current, "--current", read)
    thresholds = project.chosen_thresholds
    measured = measure_drift(before, batch, settings=settings, evaluate=thresholds, time=time, threads=THREADS)
    result = replace(measured, batch=batch.sha256)
    project.write_drift(result)
    if page and project.wants_drift_page(result):
        _draw_tables(project, result, before, batch)
    return result


def _draw_tables(project: Project, result: DriftResult, reference: SourceTable, current: SourceTable) -> None:
    names = {feature.name for feature in result.features}
    typed = infer_features(reference)
    compared = [feature for feature in typed.features if feature.name in names]
    drawn = conform_features(current, compared, typed.readings)
    project.draw_drift(result, Table(typed.table, reference.name), Table(drawn, current.name))


def _typed(project: Project, source: SourceTable) -> Table:
    """A table that an option names, with the columns of the bundle's schema, which Evidently draws too."""
    rows, newest = conform_current(source, project.bundle.schema), None
    try:
        newest = newest_day(source, project.bundle.schema)
    except InputError as error:
        warn(NO_DAY.format(error))
    return Table(rows, source.name, newest=newest)


def _training_rows(project: Project) -> Table | None:
    """The training rows for Evidently's pictures, which are best effort: a bundle alone is enough for the rest."""
    try:
        return project.read_rows("train")
    except InputError:
        return None


if __name__ == "__main__":
    drift()
