"""The rows of the dashboard about drift: the live requests', and the nightly run's."""

from __future__ import annotations

from monitoring.build import panels
from monitoring.build.bins import bins_of_a_feature
from monitoring.build.effects import effects_of_moved_features
from monitoring.build.panels import Panels, Place, Query, steps
from monitoring.build.selectors import FEATURE, JOB, MODEL, WINDOW


def live_drift() -> Panels:
    """The requests of a window against the training rows."""
    psi = f"lockgate:feature_psi{{{MODEL},{WINDOW}}}"
    yield panels.bars(
        "PSI over $window",
        "Every feature and the score against the training rows.",
        Place(8, 14),
        *_by_grade(psi, "on (job, digest) group_left () lockgate:drift_setting"),
    )
    yield panels.lines(
        "Ten highest PSI",
        "Over $window, as it moved.",
        "none",
        Place(16, 7),
        Query(f"topk(10, max by (feature) ({psi}))", "{{feature}}"),
    )
    yield bins_of_a_feature(Place(16, 7), FEATURE)
    yield panels.lines(
        "PSI of $feature beside chance",
        "Below the threshold, unchanged rows do the same.",
        "none",
        Place(8),
        Query(f"max(lockgate:feature_psi{{{FEATURE},{WINDOW}}})", "PSI"),
        Query(f"max(lockgate:feature_psi_threshold{{{FEATURE},{WINDOW}}})", "threshold"),
    )
    yield panels.lines(
        "Unseen categories",
        "Share of rows with a value that no training row had.",
        "percentunit",
        Place(8),
        Query(f"max by (feature) (lockgate:feature_unseen_share{{{MODEL},{WINDOW}}})", "{{feature}}"),
    )
    yield panels.lines(
        "Rows over $window",
        "With fewer than needed nothing is judged.",
        "none",
        Place(8),
        Query(f'sum(lockgate:feature_rows{{{MODEL},feature="score",{WINDOW}}})', "rows"),
        Query(f'max(lockgate:drift_setting{{{MODEL},setting="min_rows"}})', "needed"),
    )


def nightly_drift() -> Panels:
    """What is in the last nightly drift.json, but for performance."""
    yield effects_of_moved_features(Place(16))
    yield panels.rows(
        "Parts of the night",
        "The status of each part that the night judged.",
        Place(8),
        Query(f"max by (part, status) (lockgate_nightly_part_status{{{JOB}}}) == 1"),
        "part",
        "status",
    )
    yield panels.lines(
        "Model drift",
        "How far rows go through the model otherwise than at training; above the limit it is no chance.",
        "none",
        Place(16),
        Query(f"max(lockgate_nightly_model_drift{{{JOB}}})", "statistic"),
        Query(f"max(lockgate_nightly_model_drift_limit{{{JOB}}})", "limit"),
        Query(f"max(lockgate_nightly_model_drift_expected{{{JOB}}})", "expected without drift"),
    )
    yield panels.lines(
        "Segments",
        "Moves that were found in a part of the rows; GET /drift names them.",
        "none",
        Place(8),
        Query(f"max(lockgate_nightly_segments{{{JOB}}})", "moves"),
    )
    yield panels.bars(
        "PSI of the nightly run",
        "From drift.json.",
        Place(8, 12),
        *_by_grade(f"lockgate_nightly_psi{{{JOB}}}", "on (job, instance) group_left () lockgate_drift_setting"),
    )
    yield panels.lines(
        "Nightly PSI of $feature",
        "And what chance explains for that night's rows.",
        "none",
        Place(12, 12),
        Query(f'max(lockgate_nightly_psi{{{JOB},feature="$feature"}})', "PSI"),
        Query(f'max(lockgate_nightly_psi_threshold{{{JOB},feature="$feature"}})', "threshold"),
    )
    yield panels.number(
        "Newest row",
        "How old the newest day of the night's batch is.",
        "s",
        Query(f"time() - max(lockgate_nightly_batch_newest_timestamp_seconds{{{JOB}}})"),
        steps(),
    )
    for title, about, metric in (
        ("About this model", "1 where the run measured the model that serves.", "lockgate_nightly_drift_matches_model"),
        ("Source readable", "1 where drift.json could be read the last time.", "lockgate_drift_source_up"),
    ):
        yield panels.number(title, about, "none", Query(f"max({metric}{{{JOB}}})"), steps((1, "green"), below="red"))


def performance() -> Panels:
    """What known labels show, night by night, beside the gate's thresholds and what the scores let expect."""
    for metric, name, threshold in (("roc_auc", "ROC-AUC", "floor"), ("brier", "Brier score", "ceiling")):
        one = f'{JOB},metric="{metric}"'
        yield panels.lines(
            f"{name} of known outcomes",
            f"With its interval, the gate's {threshold}, what it was at registration, and what the scores let expect.",
            "none",
            Place(12, 9),
            Query(f"max(lockgate_nightly_performance{{{one}}})", "measured"),
            Query(f"max(lockgate_nightly_performance_low{{{one}}})", "measured, at least"),
            Query(f"max(lockgate_nightly_performance_high{{{one}}})", "measured, at most"),
            Query(f"max(lockgate_nightly_performance_threshold{{{one}}})", f"the gate's {threshold}"),
            Query(f"max(lockgate_nightly_performance_reference{{{one}}})", "at registration"),
            Query(f"max(lockgate_nightly_estimated_performance{{{one}}})", "estimated without labels"),
            least=None,
        )
    yield panels.lines(
        "Calibration of known outcomes",
        "Intercept and slope; 0 and 1 where a score means the share that it says.",
        "none",
        Place(16),
        Query(
            f'max by (metric) (lockgate_nightly_performance{{{JOB},metric=~"calibration_.+"}})',
            "{{metric}}",
        ),
        least=None,
    )
    yield panels.number(
        "Known outcomes",
        "Labels that the last night judged by.",
        "none",
        Query(f"max(lockgate_nightly_labels{{{JOB}}})"),
        steps(),
    )
    yield panels.number(
        "Estimate refuted",
        "1 where known outcomes contradict what the scores let expect.",
        "none",
        Query(f"max(lockgate_nightly_estimate_refuted{{{JOB}}})"),
        steps((1, "red")),
    )


def _by_grade(psi: str, settings: str) -> list[tuple[Query, str]]:
    """A query and a colour for each grade of PSI, the worst first, by the settings that the bundle was trained with.

    Grafana's own thresholds are numbers in the dashboard, which would be another home of the same settings.
    """
    floor, warn, alert = (f'{settings}{{setting="{name}"}}' for name in ("effect_floor", "warn", "alert"))
    grades = (
        (f"{psi} >= {alert}", "red"),
        (f"{psi} >= {warn} < {alert}", "orange"),
        (f"{psi} >= {floor} < {warn}", "yellow"),
        (f"{psi} < {floor}", "green"),
    )
    return [(Query(f"sort_desc(max by (feature) ({expr}))", "{{feature}}"), colour) for expr, colour in grades]
