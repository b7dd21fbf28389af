"""The panel that shows where a feature's rows went: expected beside actual shares, bin by bin, in the bins' order."""

from __future__ import annotations

from grafana_foundation_sdk.builders import barchart
from grafana_foundation_sdk.models.common import VizOrientation
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig

from monitoring.build.panels import Place, Query, begin, instant_table, only

TITLE = "Bins of $feature: expected and actual share"
ABOUT = "Expected is of the training rows (of held-out rows for the score); the last bin is missing values."
ORDER = "upper"


def bins_of_a_feature(place: Place, selector: str) -> barchart.Panel:
    """`selector` are the matchers of a feature without the window."""
    expected = f"max by (bin) (lockgate:feature_bin_expected_share{{{selector}}})"
    actual = f'max by (bin) (lockgate:feature_bin_share{{{selector},window="$window"}})'
    panel = (
        begin(barchart.Panel(), TITLE, ABOUT, place)
        .with_target(instant_table(Query(with_order(expected)), 0))
        .with_target(instant_table(Query(actual), 1))
        .unit("percentunit")
        .min(0)
        .x_field("bin")
        .orientation(VizOrientation.VERTICAL)
        .x_tick_label_rotation(-45)
    )
    for transformation in _in_order():
        panel.with_transformation(transformation)
    return panel


def with_order(expr: str) -> str:
    """`expr` with a label to sort its bins by: the upper end of an interval, missing values last.

    Grafana sorts text as text, and a bin is called `(1200.0, 1500.0]`.
    """
    for replacement, pattern in (
        ("$1", r".*, (.+)[\\])]"),
        ("1e308", r".*, inf\\)"),
        ("1.5e308", "missing"),
    ):
        expr = f'label_replace({expr}, "{ORDER}", "{replacement}", "bin", "{pattern}")'
    return expr


def _in_order() -> list[DataTransformerConfig]:
    number = {"targetField": ORDER, "destinationType": "number"}
    return [
        DataTransformerConfig("joinByField", options={"byField": "bin", "mode": "outer"}),
        only("bin", ORDER, "Value #A", "Value #B"),
        DataTransformerConfig("convertFieldType", options={"conversions": [number], "fields": {}}),
        DataTransformerConfig("sortBy", options={"fields": {}, "sort": [{"field": ORDER}]}),
        DataTransformerConfig(
            "organize",
            options={
                "excludeByName": {ORDER: True},
                "indexByName": {},
                "renameByName": {"Value #A": "expected", "Value #B": "actual"},
            },
        ),
    ]
