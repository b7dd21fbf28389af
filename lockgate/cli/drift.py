"""`lockgate drift`: the current batch against the frozen profile."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from lockgate.cli.command import Command, OneLineError, existing_file, params_option, results_option, say, warn
from lockgate.config import layout
from lockgate.config.errors import EXIT_DRIFT, InputError
from lockgate.config.files import readable_json, write_file
from lockgate.config.params import read_params
from lockgate.data.dataset import conform_current
from lockgate.data.sources import read_table
from lockgate.data.tables import read_stage_table
from lockgate.drift.drift_result import measure_drift, utc_moment
from lockgate.drift.evidently_report import write_evidently_html
from lockgate.drift.profile import build_profile, drift_rule
from lockgate.model.bundle import verify_bundle
from lockgate.model.scoring import score_bundle

if TYPE_CHECKING:
    import pandas as pd

    from lockgate.documents.schema_json import Schema


SEVERITY = {"stable": 0, "insufficient-data": 1, "warn": 1, "alert": 2}
FAIL_ON = {"never": 3, "warn": 1, "alert": 2}
TABLE_ROWS = 30
SAME_DATA = "the current batch is the test split: no `prepare.current` is set, so this compares the data with itself"


@click.command(cls=Command)
@params_option
@results_option
@existing_file("Compare with this table instead of the bundle's frozen profile (CSV or Parquet).", "--reference")
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

    Where outcomes of the batch are known their rate is compared too; where not, ROC-AUC and Brier are estimated.

    \b
    Examples:
        lockgate drift
        lockgate drift --current decisions/ --fail-on alert --time now
    """
    params = read_params(params_path)
    # Without --time equal runs give equal bytes.
    time = {} if when is None else {"time": utc_moment(when, "--time")}
    bundle = verify_bundle(layout.MODELS)
    schema = bundle.schema
    batch = _batch(current, "--current", schema)
    profile = bundle.profile
    if reference:
        before = _batch(str(reference), "--reference", schema)
        table = build_profile(before, schema, params.drift, score_bundle(bundle, before))
        # The model may have learnt from that table; the bundle's calibration is from rows it did not learn from.
        profile = msgspec.structs.replace(table, calibration=profile.calibration)
    note = SAME_DATA if current is None and params.prepare.current is None else None
    scores = score_bundle(bundle, batch)
    result = (
        measure_drift(profile, batch, scores, bundle.digest, drift_rule(params.drift), target=schema.target, note=note)
        | time
    )
    write_file(layout.DRIFT, readable_json(result))
    say(drift_table(result))
    known = before if reference else _training_rows(schema)
    problem = (
        write_evidently_html(
            known,
            batch,
            [feature.name for feature in schema.features if feature.kind == "numeric"],
            [feature.name for feature in schema.features if feature.kind == "categorical"],
            layout.DRIFT_HTML,
        )
        if known is not None
        else "data/train.parquet is not there for Evidently to draw"
    )
    if problem:
        warn(problem)
    if SEVERITY[result["status"]] >= FAIL_ON[fail_on]:
        raise OneLineError(f"drift is {result['status']}, and --fail-on is {fail_on}", EXIT_DRIFT)


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


def drift_table(result: dict[str, Any]) -> str:
    """The features as a table for a terminal, worst first."""
    rows = sorted(result["features"], key=lambda row: (-SEVERITY[row["status"]], -(row["psi"] or 0.0)))[:TABLE_ROWS]
    width = max(len(row["name"]) for row in rows)
    lines = [
        f"drift: {result['status']}  ({result['n_current']:,} current rows, {result['n_reference']:,} reference rows)"
    ]
    for row in rows:
        psi = "-" if row["psi"] is None else f"{row['psi']:.4f}"
        lines.append(f"  {row['name']:<{width}}  PSI {psi:>7}  {row['status']:<17} {row['reason']}")
    if result["label"]:
        lines.append(f"label {result['label']['name']}: {result['label']['status']}, {result['label']['reason']}")
    lines += [
        f"{title}: ROC-AUC {_interval(found['roc_auc'])}, Brier {_interval(found['brier'])}"
        for title, found in (
            ("estimated without labels", result["estimated"]),
            ("measured where labels are known", result["actual"]),
        )
        if found
    ]
    if result["note"]:
        lines.append(result["note"])
    return "\n".join(lines)


def _interval(found: dict[str, Any]) -> str:
    if found["value"] is None:
        return "not defined"
    return f"{found['value']:.4f} [{found['low']:.4f}, {found['high']:.4f}]"


if __name__ == "__main__":
    drift()
