"""`lockgate report`: one page for a pull request and one for a browser, from whatever the other commands left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import click

from lockgate.cli.command import Command, params_option, say, warn
from lockgate.cli.drift import drift_table
from lockgate.config import layout
from lockgate.config.errors import InputError
from lockgate.config.extras import how_to_install, is_installed
from lockgate.config.files import sha256_file, write_files
from lockgate.config.params import read_params
from lockgate.documents.curves_json import CURVES, Curves, read_curves
from lockgate.documents.document import read_content
from lockgate.documents.drift_json import DriftResult
from lockgate.documents.gate_json import GateResult
from lockgate.documents.metrics_json import read_metrics
from lockgate.documents.schema_json import Schema
from lockgate.documents.train_json import TrainingReport
from lockgate.model.bundle import SCHEMA, verify_bundle
from lockgate.report.facts import ReportFacts
from lockgate.report.report import write_report

Document = TypeVar("Document")


@click.command(cls=Command)
@params_option
def report(params_path: Path) -> None:
    """Write reports/report.md and reports/report.html.

    From whatever the other commands left, also after a block.
    """
    read_params(params_path)
    facts = _read_facts()
    if not is_installed("matplotlib"):
        warn(f"{layout.REPORT_HTML} goes without its plots; {how_to_install('matplotlib')}")
    found = write_report(facts)
    write_files(
        layout.REPORTS,
        {
            layout.REPORT_MARKDOWN.name: found.markdown.encode(),
            layout.REPORT_HTML.name: found.html.encode(),
        },
    )
    if facts.drift:
        say(drift_table(facts.drift))
    say(f"wrote {layout.REPORT_MARKDOWN} and {layout.REPORT_HTML}")


def _read_facts() -> ReportFacts:
    gate, gate_problem = _gate()
    facts = ReportFacts(
        gate=gate,
        gate_problem=gate_problem,
        metrics=_read(layout.METRICS, read_metrics),
        drift=_drift(),
        train=_read(layout.TRAIN_REPORT, TrainingReport.read),
    )
    if not (facts.gate or facts.gate_problem or facts.metrics or facts.drift or facts.train):
        raise InputError(f"{layout.REPORTS}/ has nothing to report on; run `dvc repro` and `lockgate gate` first")
    if facts.predictions is not None:
        # The files of a bundle tell nothing about somebody else's table.
        return ReportFacts(gate=facts.gate, metrics=facts.metrics)
    return _with_bundle(replace(facts, curves=_curves()))


def _gate() -> tuple[GateResult | None, str]:
    """The verdict, or why there is none to believe: a damaged file must never look like a gate that has not run."""
    try:
        return _read(layout.GATE, GateResult.read), ""
    except InputError as error:
        return None, str(error)


def _with_bundle(facts: ReportFacts) -> ReportFacts:
    test_data = sha256_file(layout.TEST_DATA) if layout.TEST_DATA.is_file() else None
    try:
        bundle = verify_bundle(layout.MODELS)
    except InputError as error:
        warn(f"the report goes without the bundle: {error}")
        return replace(facts, test_data=test_data)
    return replace(
        facts,
        schema=Schema.read(bundle.contents[SCHEMA], bundle.path(SCHEMA)),
        training_data=bundle.training_data,
        params=bundle.params,
        test_data=test_data,
    )


def _drift() -> DriftResult | None:
    """The drift of the batch that is here now: one of another batch would be shown as if it were this one's."""
    drift = _read(layout.DRIFT, DriftResult.read)
    if drift is not None and layout.CURRENT_DATA.is_file():
        drift.require_batch(sha256_file(layout.CURRENT_DATA))
    return drift


def _curves() -> Curves:
    paths = {name: layout.PLOTS / f"{name}.json" for name in CURVES}
    return read_curves({name: path.read_bytes() for name, path in paths.items() if path.is_file()})


def _read(path: Path, reader: Callable[[bytes, Path], Document]) -> Document | None:
    """The content of a file that may not be there; one that is there and broken is worth an error."""
    return reader(read_content(path, "make it again"), path) if path.exists() else None


if __name__ == "__main__":
    report()
