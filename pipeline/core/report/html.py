"""The report as one self-contained page: no script, no network, nothing but itself."""

from __future__ import annotations

from pipeline.core.report.environments import html_templates
from pipeline.core.report.facts import ReportFacts
from pipeline.core.report.plots import make_plots
from pipeline.core.report.view import read_view


def render_html(facts: ReportFacts) -> str:
    """The page of a report; equal facts give equal text. Takes about a second, nearly all of it the plots."""
    view = read_view(facts)
    plots = make_plots(view, facts.curves)
    return html_templates().get_template("report.html.j2").render(view=view, plots=plots)
