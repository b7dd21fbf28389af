"""`lockgate drift`: the current batch against the frozen profile, or against another table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec
import pandas as pd

from lockgate.cli.command import Command, OneLineError, existing_file, params_option, results_option, say, warn
from lockgate.config import layout
from lockgate.config.errors import EXIT_DRIFT, InputError
from lockgate.config.files import sha256_file, write_file
from lockgate.config.params import Params, read_params
from lockgate.data.dataset import conform_current
from lockgate.data.sources import read_table
from lockgate.data.tables import read_stage_table
from lockgate.documents.drift_json import DriftResult, DriftStatus, MetricInterval
from lockgate.documents.schema_json import Schema
from lockgate.drift.evidently_report import write_evidently_html
from lockgate.drift.measurement import measure_drift
from lockgate.drift.profile import build_profile, drift_rule, rule_differences
from lockgate.model.bundle import MANIFEST, verify_bundle
from lockgate.model.scoring import score_bundle

SEVERITY: dict[DriftStatus, int] = {"stable": 0, "insufficient-data": 1, "warn": 1, "alert": 2}
FAIL_ON = {"never": 3, "warn": 1, "alert": 2}
TABLE_ROWS = 30
SAME_DATA = "the current batch is the test split: no `prepare.current` is set, so this compares the data with itself"


@click.command(cls=Command)
@params_option
@results_option
@existing_file(
    "Compare with this table instead of the frozen profile (CSV or Parquet); needs no bundle.", "--reference"
)
@click.option("--current", help="The batch to look at: a CSV or Parquet path, a folder of Parquet files, or a URL.")
@click.option(
    "--fail-on",
    type=click.Choice(list(FAIL_ON)),
    default="never",
    show_default=True,
    help="Exit with code 4 at this status or worse; insufficient-data counts as warn.",
)
@click.option("--time", "when", help="Write this time of the run (ISO 8601, or `now`) into drift.json.")
def drift(params_path: Path, reference: Path | None, current: str | None, fail_on: str, when: str | None) -> None:
    """Measure PSI of every feature and of the score.

    Writes reports/drift.json, and Evidently's reports/drift.html where that works.

    Where outcomes of the batch are known their rate is compared too; where not, ROC-AUC and Brier are estimated. Two
    tables are compared without a bundle and without params.yaml, every column by what it holds.

    \b
    Examples:
        lockgate drift
        lockgate drift --current decisions/ --fail-on alert --time now
        lockgate drift --reference january.csv --current june.csv
    """
    # Without --time equal runs give equal bytes.
    time = None if when is None else utc_time(when, "--time")
    if reference is not None and not (layout.MODELS / MANIFEST).is_file():
        measured = _two_tables(params_path, reference, current)
    else:
        measured = _against_bundle(params_path, reference, current)
    result = msgspec.structs.replace(measured.result, time=time)
    write_file(layout.DRIFT, result.to_bytes())
    say(drift_table(result))
    _draw(measured)
    if SEVERITY[result.status] >= FAIL_ON[fail_on]:
        raise OneLineError(f"drift is {result.status}, and --fail-on is {fail_on}", EXIT_DRIFT)


@dataclass(frozen=True)
class Measured:
    """A result, and the tables that Evidently draws; `reference` is None where its rows are not here."""

    result: DriftResult
    reference: pd.DataFrame | None
    current: pd.DataFrame


def _against_bundle(params_path: Path, reference: Path | None, current: str | None) -> Measured:
    params = read_params(params_path)
    bundle = verify_bundle(layout.MODELS)
    schema = bundle.schema
    batch = _batch(current, "--current", schema)
    profile = bundle.profile
    if differences := rule_differences(drift_rule(params.drift), profile.rule):
        warn(
            f"{'; '.join(differences)}: this run goes by {params_path}, the service and its alerts go by the bundle; train "
            "again to give them today's"
        )
    before = None
    if reference is not None:
        before = _batch(str(reference), "--reference", schema)
        table = build_profile(before, schema, params.drift, score_bundle(bundle, before))
        # The model may have learnt from that table; the bundle's calibration is from rows it did not learn from.
        profile = msgspec.structs.replace(table, calibration=profile.calibration)
    result = measure_drift(
        profile,
        batch,
        scores=score_bundle(bundle, batch),
        model=bundle.digest,
        settings=params.drift,
        target=schema.target,
        note=SAME_DATA if current is None and params.prepare.current is None else None,
    )
    if current is None:
        result = msgspec.structs.replace(result, current=sha256_file(layout.CURRENT_DATA))
    return Measured(result, before if before is not None else _training_rows(schema), batch)


def _two_tables(params_path: Path, reference: Path, current: str | None) -> Measured:
    if current is None:
        raise InputError("--reference without a bundle needs --current: the table to compare it with")
    settings = (
        Params() if params_path == layout.PARAMS and not params_path.exists() else read_params(params_path)
    ).drift
    before, batch = read_table(str(reference), "--reference"), read_table(current, "--current")
    return Measured(measure_drift(before, batch, settings=settings), before, batch)


def _batch(location: str | None, option: str, schema: Schema) -> pd.DataFrame:
    if location is None:
        return read_stage_table(layout.CURRENT_DATA, schema, "current")
    return conform_current(read_table(location, option), schema, location)


def _training_rows(schema: Schema) -> pd.DataFrame | None:
    """The training rows for Evidently's pictures, which are best effort: a bundle alone is enough for the rest."""
    try:
        return read_stage_table(layout.TRAIN_DATA, schema, "train")
    except InputError:
        return None


def _draw(measured: Measured) -> None:
    if measured.reference is None:
        warn("data/train.parquet is not there for Evidently to draw")
        return
    numeric, categorical = (
        [feature.name for feature in measured.result.features if feature.kind == kind]
        for kind in ("numeric", "categorical")
    )
    if problem := write_evidently_html(measured.reference, measured.current, numeric, categorical, layout.DRIFT_HTML):
        warn(problem)


def utc_time(text: str, option: str) -> str:
    """`text` in UTC: `now`, or an ISO 8601 time with its zone; InputError naming `option` where it is neither."""
    try:
        time = datetime.now(UTC) if text == "now" else datetime.fromisoformat(text)
        if time.tzinfo is None:
            raise ValueError(text)
        return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError):
        raise InputError(
            f"{option} is {text[:40]!r}; give `now`, or a time with its zone such as 2026-11-25T03:00:00Z"
        ) from None


def drift_table(result: DriftResult) -> str:
    """The features as a table for a terminal, worst first."""
    rows = sorted(result.features, key=lambda row: (-SEVERITY[row.status], -row.psi))[:TABLE_ROWS]
    width = max((len(row.name) for row in rows), default=0)
    lines = [f"drift: {result.status}  ({result.n_current:,} current rows, {result.n_reference:,} reference rows)"]
    lines += [f"  {row.name:<{width}}  PSI {row.psi:>7.4f}  {row.status:<17} {row.reason}" for row in rows]
    if result.label:
        lines.append(f"label {result.label.name}: {result.label.status}, {result.label.reason}")
    lines += [
        f"{title}: ROC-AUC {_interval(found.roc_auc)}, Brier {_interval(found.brier)}"
        for title, found in (
            ("estimated without labels", result.estimated),
            ("measured where labels are known", result.actual),
        )
        if found
    ]
    if result.note:
        lines.append(result.note)
    return "\n".join(lines)


def _interval(found: MetricInterval) -> str:
    if found.value is None:
        return "not defined"
    return f"{found.value:.4f} [{found.low:.4f}, {found.high:.4f}]"


if __name__ == "__main__":
    drift()
