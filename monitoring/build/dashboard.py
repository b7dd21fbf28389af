"""The dashboard, top to bottom: the model that serves, its traffic, its predictions, its performance, and drift."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync

from monitoring.build.drift_rows import live_drift, nightly_drift, performance
from monitoring.build.service_rows import decision_log, model, predictions, processes, shadow, traffic
from monitoring.build.variables import variables


def make_dashboard() -> dashboard.Dashboard:
    """All rows; no number of a project or of a bundle stands in it."""
    made = (
        dashboard.Dashboard("Lockgate")
        .uid("lockgate")
        .description("One model behind its gate: traffic, predictions and drift.")
        .tags(["lockgate"])
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .time("now-6h", "now")
        .refresh("30s")
        .timezone("browser")
    )
    for variable in variables():
        made.with_variable(variable)
    for title, row in (
        ("Model", model()),
        ("Traffic", traffic()),
        ("Processes", processes()),
        ("Predictions", predictions()),
        ("Performance", performance()),
        ("Live drift", live_drift()),
        ("Nightly drift", nightly_drift()),
        ("Decision log", decision_log()),
        ("Challenger in the shadow", shadow()),
    ):
        made.with_row(dashboard.Row(title))
        for panel in row:
            made.with_panel(panel)
    return made
