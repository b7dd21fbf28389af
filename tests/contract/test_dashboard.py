"""The dashboard's JSON: what Grafana's own types read is what is there, its panels do not overlap, its variables exist."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

PATH = Path(__file__).parents[2] / "monitoring" / "grafana" / "dashboards" / "lockgate.json"
DASHBOARD: dict[str, Any] = json.loads(PATH.read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def test_grafanas_types_read_it_and_lose_nothing() -> None:
    register_default_plugins()
    assert json.loads(JSONEncoder().encode(Dashboard.from_json(DASHBOARD))) == DASHBOARD


def test_panels_stand_on_the_grid_without_overlap() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        apart = any(
            first[start] + first[size] <= second[start]
            for start, size in (("x", "w"), ("y", "h"))
            for first, second in ((one, other), (other, one))
        )
        assert apart, (one, other)


def test_every_panel_says_what_it_shows_and_asks_the_chosen_source() -> None:
    titles = [panel["title"] for panel in PANELS]
    assert len(set(titles)) == len(titles)
    for panel in PANELS:
        assert panel["description"].endswith(".")
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["targets"]


def test_queries_use_the_variables_that_there_are() -> None:
    offered = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w*)", PATH.read_text()))
    assert used == offered
