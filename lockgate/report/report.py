"""A report of whatever there is to report on: Markdown for a pull request, one HTML page for a browser."""

from __future__ import annotations

from dataclasses import dataclass

from lockgate.report.environments import html_templates
from lockgate.report.facts import ReportFacts
from lockgate.report.markdown import render_markdown
from lockgate.report.plots import make_plots
from lockgate.report.view import read_view


@dataclass(frozen=True)
class Report:
    """The same report in both forms."""

    markdown: str
    html: str


def write_report(facts: ReportFacts) -> Report:
    """The report of what `facts` holds; whatever is missing there is said to be missing. Equal facts give equal text."""
    return Report(render_markdown(facts), render_html(facts))


def render_html(facts: ReportFacts) -> str:
    """The page of a report; equal facts give equal text. Takes about a second, nearly all of it the plots."""
    view = read_view(facts)
    plots = make_plots(view, facts.curves)
    return html_templates().get_template("report.html.j2").render(view=view, plots=plots)
