"""What a reader of the dashboard can choose."""

from __future__ import annotations

from collections.abc import Iterator

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import VariableModel, VariableOption, VariableRefresh, VariableSort

from monitoring.build.panels import SOURCE

WINDOWS = ("1h", "6h", "24h", "total")
DEFAULT_WINDOW = "6h"  # the window of the alert that pages


def variables() -> Iterator[Builder[VariableModel]]:
    """Of the dashboard, each narrowing the ones after it."""
    yield dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
    yield _labels("job", "Service", "lockgate_model_info")
    everything = VariableOption(selected=True, text="All", value="$__all")
    model = _labels("digest", "Model", 'lockgate_model_info{job="$job"}')
    yield model.include_all(include_all=True).all_value(".+").current(everything)
    yield _labels("feature", "Feature", 'lockgate_feature_reference_rows{job="$job"}')
    options = [VariableOption(selected=one == DEFAULT_WINDOW, text=one, value=one) for one in WINDOWS]
    yield (
        dashboard.CustomVariable("window")
        .label("Window")
        .description("total is since each replica started.")
        .values(",".join(WINDOWS))
        .options(options)
        .current(options[WINDOWS.index(DEFAULT_WINDOW)])
    )


def _labels(name: str, shown: str, selector: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(shown)
        .datasource(SOURCE)
        .query(f"label_values({selector}, {name})")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )
