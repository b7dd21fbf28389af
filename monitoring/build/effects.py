"""The table that shows what the night's moved features do: first the one that changes approvals most."""

from __future__ import annotations

from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, DynamicConfigValue

from monitoring.build.panels import Place, Query, begin, instant_table, only
from monitoring.build.selectors import JOB

TITLE = "What moved features do"
ABOUT = "What each changes, with what goes along with it, in the means of all rows; PSI says how far it moved."
MOVED = f"on (job, instance, feature) lockgate_nightly_moved{{{JOB}}} == 1"
SIZE = "size"
# What a column is called, and its query.
COLUMNS = {
    "approvals": f'max by (feature) (lockgate_nightly_effect{{{JOB},of="favourable"}} and {MOVED})',
    "mean score": f'max by (feature) (lockgate_nightly_effect{{{JOB},of="score"}} and {MOVED})',
    "events": f'max by (feature) (lockgate_nightly_effect{{{JOB},of="events"}} and {MOVED})',
    "PSI": f"max by (feature) (lockgate_nightly_psi{{{JOB}}} and {MOVED})",
    SIZE: f'max by (feature) (abs(lockgate_nightly_effect{{{JOB},of="favourable"}}) and {MOVED})',
}


def effects_of_moved_features(place: Place) -> table.Panel:
    """A row a feature that warns or alerts."""
    panel = begin(table.Panel(), TITLE, ABOUT, place)
    for position, query in enumerate(COLUMNS.values()):
        panel.with_target(instant_table(Query(query), position))
    fields = {name: f"Value #{letter}" for letter, name in zip("ABCDE", COLUMNS, strict=True)}
    renamed = {field: name for name, field in fields.items() if name != SIZE}
    for transformation in (
        DataTransformerConfig("joinByField", options={"byField": "feature", "mode": "outer"}),
        only("feature", *fields.values()),
        DataTransformerConfig("sortBy", options={"fields": {}, "sort": [{"field": fields[SIZE], "desc": True}]}),
        DataTransformerConfig(
            "organize",
            options={"excludeByName": {fields[SIZE]: True}, "indexByName": {}, "renameByName": renamed},
        ),
    ):
        panel.with_transformation(transformation)
    for name in ("approvals", "mean score", "events"):
        panel.override_by_name(name, [DynamicConfigValue("unit", "percentunit"), DynamicConfigValue("decimals", 2)])
    return panel.override_by_name("PSI", [DynamicConfigValue("decimals", 3)])
