"""`lockgate drift`: the current batch against the bundle's frozen profile, or against another table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
from lockgate.data.dataset import conform_current, conform_features, conform_rows, infer_features
from lockgate.data.newest_day import NO_DAY, newest_day
from lockgate.data.partitions import PartitionedTable, in_memory, open_partitions
from lockgate.data.source_table import SourceTable
from lockgate.data.sources import read_source_table
from lockgate.data.tables import Table, day_metadata, table_bytes
from lockgate.documents.drift_json import DriftResult, DriftStatus
from lockgate.drift.evidently_report import thinned
from lockgate.engine.engine import Engine
from lockgate.model.bundle import MANIFEST
from lockgate.model.drift import measure_batch, measure_drift
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
    bundle, read = project.bundle, project.params.prepare.read
    before = None
    if reference is not None:
        source = read_source_table(str(reference), "--reference", read)
        before = Table(conform_current(source, bundle.schema), source.name)
    with project.open_engine() as engine, _batch(project, current, keep, engine) as batch:
        measured = measure_batch(
            bundle,
            batch,
            reference_rows=before,
            settings=project.params.drift,
            evaluate=project.params.evaluate,
            note=project.drift_note if current is None else None,
            time=time,
            threads=THREADS,
            engine=engine,
        )
        if measured.problem:
            warn(NO_DAY.format(measured.problem))
        is_own = current is None and project.params.prepare.current in (None, SYNTHETIC)
        newest = project.newest_current_day if current is None else measured.newest
        arrived = None if is_own else batch.sha256
        # `current` is the prepared batch, which reports are held against, and no other table.
        prepared = batch.sha256 if current is None else None
        result = replace(measured.result, current=prepared, batch=arrived, newest=newest if arrived else None)
        project.warn_of_other_drift_settings()
        project.write_drift(result)
        if page and project.wants_drift_page(result):
            rows = thinned(conform_rows(one, bundle.schema) for one in batch.batches())
            project.draw_drift(result, before or project.read_drawn_rows(), Table(rows, batch.name))
    return result


@contextmanager
def _batch(project: Project, current: str | None, keep: bool, engine: Engine) -> Iterator[PartitionedTable]:
    """The batch to look at, part by part; in memory where it is kept, since that is sorted by what the rows hold."""
    if current is None:
        with project.open_current() as table:  # which is what would be kept
            yield table
    elif keep:
        source = read_source_table(current, "--current", project.params.prepare.read)
        source = project.with_outcomes(source, current)
        _keep(project, source)
        yield in_memory(source)
    else:
        with project.open_batch(current, "--current", engine) as table:
            yield table


def _two_tables(
    project: Project, reference: Path, current: str | None, time: datetime | None, page: bool
) -> DriftResult:
    if current is None:
        raise InputError("--reference without a bundle needs --current: the table to compare it with")
    settings = project.params_or_defaults.drift
    read = project.params_or_defaults.prepare.read
    before = read_source_table(str(reference), "--reference", read)
    with project.open_engine() as engine, open_partitions(current, "--current", read, engine) as batch:
        measured = measure_drift(
            before,
            batch,
            settings=settings,
            evaluate=project.chosen_thresholds,
            time=time,
            threads=THREADS,
            engine=engine,
        )
        result = replace(measured, batch=batch.sha256)
        project.write_drift(result)
        if page and project.wants_drift_page(result):
            _draw_tables(project, result, before, batch)
    return result


def _draw_tables(project: Project, result: DriftResult, reference: SourceTable, current: PartitionedTable) -> None:
    names = {feature.name for feature in result.features}
    typed = infer_features(reference)
    compared = [feature for feature in typed.features if feature.name in names]
    drawn = thinned(conform_features(one, compared, typed.readings) for one in current.batches())
    project.draw_drift(result, Table(typed.table, reference.name), Table(drawn, current.name))


def _keep(project: Project, source: SourceTable) -> None:
    schema, newest = project.bundle.schema, None
    with suppress(InputError):  # measuring says why
        newest = newest_day(source, schema)
    write_file(project.folder / layout.CURRENT_DATA, table_bytes(conform_current(source, schema), day_metadata(newest)))


if __name__ == "__main__":
    drift()
