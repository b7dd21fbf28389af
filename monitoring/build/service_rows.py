"""The rows of the dashboard about the service: the model that serves, its traffic and its predictions."""

from __future__ import annotations

from monitoring.build import panels
from monitoring.build.panels import Panels, Place, Query, steps
from monitoring.build.selectors import JOB, RATE

ASKED = 'route=~"/predict|/predict/batch|/explain"'
STALE = 26 * 3600  # seconds, as in LockgateDriftRunStale


def model() -> Panels:
    """The model that serves, and the alerts that fire now."""
    yield panels.number(
        "Alerts firing",
        "Each has a section in docs/runbook.md.",
        "none",
        Query('count(ALERTS{alertstate="firing"}) or vector(0)'),
        steps((1, "red")),
    )
    yield panels.number(
        "Replicas ready",
        "Replicas that take traffic.",
        "none",
        Query(f"sum(lockgate_ready{{{JOB}}})"),
        steps(),
    )
    yield panels.word(
        "Nightly drift",
        "The status of the last nightly run.",
        Query(f"max by (status) (lockgate_nightly_drift_status{{{JOB}}}) == 1", "{{status}}"),
    )
    yield panels.number(
        "Age of the nightly run",
        "An alert fires after 26 hours.",
        "s",
        Query(f"time() - max(lockgate_nightly_drift_timestamp_seconds{{{JOB}}})"),
        steps((STALE, "red")),
    )
    yield panels.rows(
        "Model",
        "The digest is the sha256 of the bundle's manifest; the value is the number of replicas that serve it.",
        Place(8, 4),
        Query(f"count by (digest, verdict, lockgate_version) (lockgate_model_info{{{JOB}}})"),
        "digest",
        "verdict",
        "lockgate_version",
        "Value",
    )
    yield panels.rows(
        "Firing",
        "What fires now, and about what.",
        Place(24, 5),
        Query('ALERTS{alertstate="firing"}'),
        "alertname",
        "severity",
        "instance",
        "feature",
        "route",
        "digest",
    )


def traffic() -> Panels:
    """Requests, responses, latency and load."""
    half = Place(12)
    requests = f"rate(lockgate_requests_total{{{JOB}}}{RATE})"
    duration = f"sum by (route, le) (rate(lockgate_request_duration_seconds_bucket{{{JOB},{ASKED}}}{RATE}))"
    yield panels.lines("Requests", "By route.", "reqps", half, Query(f"sum by (route) ({requests})", "{{route}}"))
    yield panels.lines(
        "Answers",
        "By status; 5xx should not exist, but for 503 under load.",
        "reqps",
        half,
        Query(f"sum by (status) ({requests})", "{{status}}"),
    )
    yield panels.lines(
        "Latency",
        "Half of the requests, and all but one in a hundred, were answered within this time.",
        "s",
        half,
        Query(f"histogram_quantile(0.5, {duration})", "p50 {{route}}"),
        Query(f"histogram_quantile(0.99, {duration})", "p99 {{route}}"),
    )
    yield panels.lines(
        "In flight",
        "Requests being answered at once, and connections, over all replicas.",
        "none",
        Place(6),
        Query(f"sum(lockgate_requests_in_flight{{{JOB}}})", "in flight"),
        Query(f"sum(lockgate_connections_open{{{JOB}}})", "connections"),
    )
    yield panels.lines(
        "Rejected",
        "Turned away before they were read or run.",
        "reqps",
        Place(6),
        Query(f"sum by (reason) (rate(lockgate_rejected_requests_total{{{JOB}}}{RATE}))", "{{reason}}"),
    )


def predictions() -> Panels:
    """Scores and decisions of the model."""
    scores = f"rate(lockgate_score_{{part}}{{{{{JOB}}}}}{RATE})"
    yield panels.lines(
        "Decisions",
        "Rows scored.",
        "none",
        Place(8),
        Query(f"sum by (decision) (rate(lockgate_predictions_total{{{JOB}}}{RATE}))", "{{decision}} a second"),
    )
    yield panels.buckets(
        "Scores",
        "Probabilities of the positive class.",
        "percentunit",
        Place(8),
        Query(f"sum by (le) (increase(lockgate_score_bucket{{{JOB}}}{RATE}))", "{{le}}"),
    )
    yield panels.lines(
        "Mean score",
        "Of the rows scored.",
        "percentunit",
        Place(8),
        Query(f"sum({scores.format(part='sum')}) / sum({scores.format(part='count')})", "mean"),
    )


def processes() -> Panels:
    """What the workers take, and how often one was replaced or another bundle loaded."""
    half, third = Place(12), Place(8)
    yield panels.lines(
        "Workers ready",
        "Of each replica, those whose every endpoint answers.",
        "none",
        third,
        Query(f"lockgate_workers_ready{{{JOB}}}", "{{instance}}"),
    )
    yield panels.lines(
        "Processor",
        "Cores that each process takes; a worker takes one at most.",
        "none",
        third,
        Query(f"rate(process_cpu_seconds_total{{{JOB}}}{RATE})", "{{instance}} {{worker}}"),
    )
    yield panels.lines(
        "Memory",
        "Resident, what workers share counted for each.",
        "bytes",
        third,
        Query(f"process_resident_memory_bytes{{{JOB}}}", "{{instance}} {{worker}}"),
    )
    yield panels.lines(
        "Workers replaced",
        "Each was killed, ended by itself, or hung.",
        "none",
        half,
        Query(f"sum by (reason) (increase(lockgate_worker_restarts_total{{{JOB}}}{RATE}))", "{{reason}}"),
    )
    yield panels.lines(
        "Reloads",
        "Attempts to serve another bundle.",
        "none",
        half,
        Query(f"sum by (result) (increase(lockgate_reloads_total{{{JOB}}}{RATE}))", "{{result}}"),
    )


def shadow() -> Panels:
    """How a challenger in the shadow would have decided."""
    third = Place(8)
    decisions = f"rate(lockgate_shadow_decisions_total{{{JOB}}}{RATE})"
    differences = f"sum by (digest, le) (rate(lockgate_shadow_score_difference_bucket{{{JOB}}}{RATE}))"
    yield panels.lines(
        "Shadow rows",
        "Rows for the challenger, by what came of them; all but the scored ones are missing in the comparison.",
        "none",
        third,
        Query(f"sum by (result) (rate(lockgate_shadow_rows_total{{{JOB}}}{RATE}))", "{{result}} a second"),
    )
    yield panels.lines(
        "Shadow decisions",
        "Of the rows that both decided, the share that the challenger decides otherwise; an alert fires above 10 %.",
        "percentunit",
        third,
        *[
            Query(
                f"sum by (digest) ({decisions.replace(JOB, selector)}) / sum by (digest) ({decisions})",
                f"{served}, and the challenger {decided}",
            )
            for served, decided in (("favourable", "unfavourable"), ("unfavourable", "favourable"))
            for selector in [f'{JOB},served="{served}",shadow="{decided}"']
        ],
    )
    yield panels.lines(
        "Shadow scores",
        "Half of the rows, and all but one in twenty, have a probability of the challenger's within this distance.",
        "percentunit",
        third,
        Query(f"histogram_quantile(0.5, {differences})", "p50"),
        Query(f"histogram_quantile(0.95, {differences})", "p95"),
    )


def decision_log() -> Panels:
    """Whether decisions are kept."""
    yield panels.lines(
        "Rows written",
        "For the next drift run.",
        "none",
        Place(8),
        Query(f"sum(rate(lockgate_decision_log_rows_total{{{JOB}}}{RATE}))", "rows a second"),
    )
    yield panels.lines(
        "Rows that wait",
        "In memory, for their file.",
        "none",
        Place(8),
        Query(f"sum(lockgate_decision_log_queued_rows{{{JOB}}})", "rows"),
    )
    yield panels.lines(
        "Rows that nothing has",
        "Dropped rather than holding up a request, or lost with a worker that was killed.",
        "none",
        Place(8),
        Query(f"sum(rate(lockgate_decision_log_dropped_rows_total{{{JOB}}}{RATE}))", "dropped a second"),
        Query(f"sum(rate(lockgate_decision_log_lost_rows_total{{{JOB}}}{RATE}))", "lost a second"),
    )
