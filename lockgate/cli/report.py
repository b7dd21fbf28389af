"""`lockgate report`: one page for a pull request and one for a browser, from whatever the other commands left."""

from __future__ import annotations

from pathlib import Path

import click

from lockgate.cli.command import Command, params_option, say, warn
from lockgate.config import layout
from lockgate.config.extras import how_to_install, is_installed
from lockgate.project import Project
from lockgate.report.drift import drift_table
from lockgate.report.report import write_report


@click.command(cls=Command)
@params_option
def report(params_path: Path) -> None:
    """Write reports/report.md and reports/report.html.

    From whatever the other commands left, also after a block.
    """
    project = Project(settings=params_path)
    facts = project.read_report_facts()
    if not is_installed("matplotlib"):
        warn(f"{layout.REPORT_HTML} goes without its plots; {how_to_install('matplotlib')}")
    project.write_report(write_report(facts))
    if facts.drift:
        say(*drift_table(facts.drift))
    say(f"wrote {layout.REPORT_MARKDOWN} and {layout.REPORT_HTML}")


if __name__ == "__main__":
    report()
