"""What /metrics shows of the last nightly drift.json: gauges whose series are known before the first scrape.

A night that judged something else, or not everything, leaves NaN where there is no number. Nothing here has a label that only
the night knows, such as the name of a segment: /drift has those, in words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import get_args

from lockgate.documents.document import Part
from lockgate.documents.drift_json import DRIFT_STATUSES, DriftPart, DriftResult, JudgedMetric
from lockgate.documents.profile_json import Profile
from lockgate.service.metrics.layouts import Labels

NAN = float("nan")
PARTS: tuple[DriftPart, ...] = get_args(DriftPart)
METRICS: tuple[JudgedMetric, ...] = get_args(JudgedMetric)
ESTIMATED = ("roc_auc", "brier")  # the metrics of an EstimatedPerformance
EFFECTS = ("score", "favourable", "events")  # what a FeatureEffect changes
# By the end of the gauge's name, the field of drift.json that it shows and its help.
OF_A_FEATURE = {
    "psi": ("psi", "PSI of the last nightly drift run."),
    "psi_threshold": ("threshold", "The PSI from which that run calls it drift."),
    "moved": ("moved", "Whether the feature warns or alerts, by whichever rule."),
}
OF_A_METRIC = {
    "performance": ("value", "The metric of that run's known labels."),
    "performance_low": ("low", "The lower end of its interval."),
    "performance_high": ("high", "The upper end of its interval."),
    "performance_threshold": ("threshold", "The gate's floor or ceiling of the metric."),
    "performance_reference": ("reference", "The metric of the rows held out at training."),
}
OF_AN_ESTIMATE = {
    "estimated_performance": ("value", "The metric that the scores let expect, without labels."),
    "estimated_performance_low": ("low", "The lower end of its interval."),
    "estimated_performance_high": ("high", "The upper end of its interval."),
}
OF_THE_MODEL = {
    "model_drift": ("statistic", "How far rows go through the model otherwise than the held-out ones did."),
    "model_drift_expected": ("expected", "What rows without drift give on average."),
    "model_drift_limit": ("limit", "What rows without drift exceed only with the error allowed."),
    "model_drift_p_value": ("p_value", "The probability of as much without drift."),
}


@dataclass(frozen=True)
class NightlyGauge:
    """A gauge with a series for each of `labels`, and how to read their numbers from a night's result."""

    name: str
    help: str
    labels: Sequence[Labels]
    read: Callable[[DriftResult], Sequence[float | None]]

    def values(self, night: DriftResult | None) -> list[float]:
        """A number for each of `labels`, NaN where the night has none."""
        found = [None] * len(self.labels) if night is None else self.read(night)
        return [NAN if value is None else float(value) for value in found]


def nightly_gauges(profile: Profile) -> list[NightlyGauge]:
    """All of them, for the features of a bundle's profile."""
    names = [one.name for one in profile.features]
    found: list[NightlyGauge] = []

    def add(name: str, text: str, labels: list[Labels], read: Callable[[DriftResult], Sequence[float | None]]) -> None:
        found.append(NightlyGauge(f"lockgate_nightly_{name}", text, labels, read))

    add(
        "drift_status",
        "1 for the status of the last nightly drift run.",
        [{"status": status} for status in DRIFT_STATUSES],
        lambda night: [night.status == status for status in DRIFT_STATUSES],
    )
    add(
        "part_status",
        "1 for the status of each part of that run, 0 for all of a part that was not judged.",
        [{"part": part, "status": status} for part in PARTS for status in DRIFT_STATUSES],
        lambda night: [night.parts.get(part) == status for part in PARTS for status in DRIFT_STATUSES],
    )
    newest = "The day of the newest row of that run's batch."
    add("batch_newest_timestamp_seconds", newest, [{}], lambda night: [_seconds(night.newest)])
    for name, (field, text) in OF_A_FEATURE.items():
        add(name, text, [{"feature": one} for one in names], _of_features(names, field))
    add(
        "effect",
        "What the feature's move, and what goes along with it, changes in a mean over all rows.",
        [{"feature": name, "of": effect} for name in names for effect in EFFECTS],
        _of_effects(names),
    )
    add("labels", "Rows of that run whose label is known.", [{}], lambda night: [_number(night.performance, "n")])
    for name, (field, text) in OF_A_METRIC.items():
        add(name, text, [{"metric": metric} for metric in METRICS], _of_metrics(field))
    for name, (field, text) in OF_AN_ESTIMATE.items():
        add(name, text, [{"metric": metric} for metric in ESTIMATED], _of_estimates(field))
    refuted = "Whether the known labels contradict that estimate."
    add("estimate_refuted", refuted, [{}], lambda night: [_number(night.estimated, "refuted")])
    for name, (field, text) in OF_THE_MODEL.items():
        add(name, text, [{}], _of_the_model(field))
    add("segments", "Moves that were found in a part of the rows.", [{}], lambda night: [len(night.segments)])
    return found


def _number(entry: Part | None, field: str) -> float | None:
    """A field of an entry of drift.json that a night may lack."""
    value: float | None = None if entry is None else getattr(entry, field)
    return value


def _seconds(day: date | None) -> float | None:
    """Its beginning in UTC, in seconds since 1970."""
    return None if day is None else datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def _of_features(names: Sequence[str], field: str) -> Callable[[DriftResult], list[float | None]]:
    def read(night: DriftResult) -> list[float | None]:
        by_name = {one.name: one for one in night.features}
        return [_number(by_name.get(name), field) for name in names]

    return read


def _of_effects(names: Sequence[str]) -> Callable[[DriftResult], list[float | None]]:
    def read(night: DriftResult) -> list[float | None]:
        by_name = {one.name: one.effect for one in night.features}
        return [_number(by_name.get(name), effect) for name in names for effect in EFFECTS]

    return read


def _of_metrics(field: str) -> Callable[[DriftResult], list[float | None]]:
    def read(night: DriftResult) -> list[float | None]:
        judged = {} if night.performance is None else {one.metric: one for one in night.performance.metrics}
        return [_number(judged.get(metric), field) for metric in METRICS]

    return read


def _of_estimates(field: str) -> Callable[[DriftResult], list[float | None]]:
    def read(night: DriftResult) -> list[float | None]:
        estimated = night.estimated
        return [None if estimated is None else _number(getattr(estimated, metric), field) for metric in ESTIMATED]

    return read


def _of_the_model(field: str) -> Callable[[DriftResult], list[float | None]]:
    return lambda night: [_number(night.model_drift, field)]
