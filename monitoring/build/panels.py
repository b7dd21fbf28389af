"""The few kinds of panels that the dashboard is made of, each from a title, a sentence and its queries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

from grafana_foundation_sdk.builders import bargauge, common, dashboard, heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
    DataSourceRef,
    LegendDisplayMode,
    LegendPlacement,
    TooltipDisplayMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    Panel,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
Panels = Iterator[Builder[Panel]]

REDUCE = common.ReduceDataOptions().calcs(["lastNotNull"])


@dataclass(frozen=True)
class Query:
    """A PromQL expression, and what a legend calls its series."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Place:
    """Of a panel on the grid, which is 24 wide."""

    span: int
    height: int = 8


class Begun(Protocol):
    """The settings that every kind of panel has."""

    def title(self, title: str) -> Self: ...
    def description(self, description: str) -> Self: ...
    def datasource(self, datasource: DataSourceRef) -> Self: ...
    def span(self, w: int) -> Self: ...
    def height(self, h: int) -> Self: ...


Kind = TypeVar("Kind", bound=Begun)


def begin(panel: Kind, title: str, about: str, place: Place) -> Kind:
    """`panel` with what all panels have; `about` is a sentence for its tooltip."""
    return panel.title(title).description(about).datasource(SOURCE).span(place.span).height(place.height)


def steps(*limits: tuple[float, str], below: str = "green") -> dashboard.ThresholdsConfig:
    """The colour `below` all limits, and from each limit on its own."""
    found = [Threshold(None, below), *(Threshold(value, colour) for value, colour in limits)]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(found)


def lines(
    title: str, about: str, unit: str, place: Place, *queries: Query, least: float | None = 0
) -> timeseries.Panel:
    """Lines over time, with a legend below; the axis begins at `least`, or where the lines do."""
    panel = begin(timeseries.Panel(), title, about, place).unit(unit)
    if least is not None:
        panel.min(least)
    for position, query in enumerate(queries):
        panel.with_target(_target(query, position).range())
    return (
        panel.fill_opacity(8)
        .legend(common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM))
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    )


def number(title: str, about: str, unit: str, query: Query, colours: dashboard.ThresholdsConfig) -> stat.Panel:
    """One number now."""
    return (
        begin(stat.Panel(), title, about, Place(4, 4))
        .unit(unit)
        .with_target(_target(query).instant())
        .thresholds(colours)
        .reduce_options(REDUCE)
        .color_mode(BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.NONE)
    )


def word(title: str, about: str, query: Query) -> stat.Panel:
    """One word now: the legend of the series that there is."""
    return number(title, about, "none", query, steps()).text_mode(BigValueTextMode.NAME)


def bars(title: str, about: str, place: Place, *coloured: tuple[Query, str]) -> bargauge.Panel:
    """One bar a series, now, each query's in its own colour."""
    panel = begin(bargauge.Panel(), title, about, place)
    for position, (query, colour) in enumerate(coloured):
        target = _target(query, position)
        fixed = DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})
        panel.with_target(target.instant()).override_by_query(_reference(position), [fixed])
    return (
        panel.min(0)
        .decimals(3)
        .reduce_options(REDUCE)
        .orientation(VizOrientation.HORIZONTAL)
        .display_mode(BarGaugeDisplayMode.BASIC)
    )


def rows(title: str, about: str, place: Place, query: Query, *shown: str) -> table.Panel:
    """One row a series, now, with the labels in `shown` and its value as columns."""
    return (
        begin(table.Panel(), title, about, place)
        .with_target(_target(query).instant().format(PromQueryFormat.TABLE))
        .with_transformation(only(*shown))
    )


def buckets(title: str, about: str, unit: str, place: Place, query: Query) -> heatmap.Panel:
    """A histogram over time; `query` gives its buckets by `le`."""
    return (
        begin(heatmap.Panel(), title, about, place)
        .with_target(_target(query).range().format(PromQueryFormat.HEATMAP))
        .calculate(calculate=False)
        .y_axis(heatmap.YAxisConfig().unit(unit))
        .cell_values(heatmap.CellValues().unit("short"))
    )


def only(*names: str) -> DataTransformerConfig:
    """Leave out all fields but these."""
    return DataTransformerConfig("filterFieldsByName", options={"include": {"names": list(names)}})


def instant_table(query: Query, position: int) -> prometheus.Dataquery:
    """Labels and value as columns, for panels that join queries; the value of the first is called `Value #A`."""
    return _target(query, position).instant().format(PromQueryFormat.TABLE)


def _target(query: Query, position: int = 0) -> prometheus.Dataquery:
    target = prometheus.Dataquery().datasource(SOURCE).expr(query.expr).ref_id(_reference(position))
    return target.legend_format(query.legend) if query.legend else target


def _reference(position: int) -> str:
    """What Grafana calls a panel's queries: A, B, ..."""
    return chr(ord("A") + position)
