"""`lockgate report`: one page for a pull request and one for a browser, from whatever the other commands left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lockgate.cli.command import Command, params_option, say, warn
from lockgate.cli.drift import drift_table
from lockgate.config import layout
from lockgate.config.errors import InputError
from lockgate.config.extras import how_to_install, is_installed
from lockgate.config.files import read_json, sha256_file, write_files
from lockgate.config.params import read_params
from lockgate.model.bundle import SCHEMA, verify_bundle
from lockgate.report.facts import ReportFacts
from lockgate.report.markdown import render_markdown
from lockgate.report.plots import render_html

if TYPE_CHECKING:
    from lockgate.report.facts import ReportFacts


@click.command(cls=Command)
@params_option
def report(params_path: Path) -> None:
    """Write reports/report.md and reports/report.html.

    From whatever the other commands left, also after a block.
    """
    read_params(params_path)
    facts = _gather()
    if not is_installed("matplotlib"):
        warn(f"{layout.REPORT_HTML} goes without its plots; {how_to_install('matplotlib')}")
    write_files(
        layout.REPORTS,
        {
            layout.REPORT_MARKDOWN.name: render_markdown(facts).encode(),
            layout.REPORT_HTML.name: render_html(facts).encode(),
        },
    )
    if facts.drift:
        say(drift_table(dict(facts.drift)))
    say(f"wrote {layout.REPORT_MARKDOWN} and {layout.REPORT_HTML}")


def _gather() -> ReportFacts:
    found: dict[str, Any] = {
        "gate": _json(layout.GATE),
        "metrics": _json(layout.METRICS),
        "drift": _json(layout.DRIFT),
        "train": _json(layout.TRAIN_REPORT),
        "schema": _json(layout.MODELS / SCHEMA),
    }
    if not any((found["gate"], found["metrics"], found["drift"], found["train"])):
        raise InputError(f"{layout.REPORTS}/ has nothing to report on; run `dvc repro` and `lockgate gate` first")
    try:
        bundle = verify_bundle(layout.MODELS)
        found |= {
            "training_data": bundle.training_data,
            "params": bundle.params,
        }
    except InputError as error:
        warn(f"the report goes without the bundle: {error}")
    if layout.TEST_DATA.is_file():
        found["test_data"] = sha256_file(layout.TEST_DATA)
    foreign = (found["gate"] or {}).get("predictions")
    if foreign is not None:
        # The files of a bundle tell nothing about somebody else's table.
        return ReportFacts(gate=found["gate"], metrics=found["metrics"], predictions=str(foreign))
    curves = {path.stem: records for path in sorted(layout.PLOTS.glob("*.json")) if (records := _records(path))}
    return ReportFacts(**found, curves=curves)


def _json(path: Path) -> dict[str, Any] | None:
    """The content of a file that may not be there; one that is there and broken is worth an error."""
    return read_json(path, "make it again") if path.exists() else None


def _records(path: Path) -> list[dict[str, Any]]:
    try:
        value = json.loads(path.read_bytes())
    except ValueError:
        raise InputError(f"{path} is not valid JSON; run `lockgate evaluate` again") from None
    return [record for record in value if isinstance(record, dict)] if isinstance(value, list) else []


if __name__ == "__main__":
    report()
