"""Two replicas fed the shocked batch and two fed a clean one, under the shipped rules, receiver and dashboard."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from drift_results import with_every_part
from feeding import numpy_psi, rows_of, send
from ruamel.yaml import YAML
from support import SMALL, invoke, require, succeed, write_params
from watched import Watched, wait_for

from lockgate.documents.drift_json import DriftResult
from lockgate.documents.profile_json import Profile
from lockgate.documents.schema_json import Schema

MONITORING = Path(__file__).parents[2] / "monitoring"
SHOCKED, CLEAN = "lockgate", "clean"  # jobs; the first is the shipped name
RULES = [
    rule
    for path in sorted((MONITORING / "prometheus" / "rules").glob("*.yml"))
    for group in YAML(typ="safe").load(path)["groups"]
    for rule in group["rules"]
]
DASHBOARD = json.loads((MONITORING / "grafana" / "dashboards" / "lockgate.json").read_text())
TARGETS = [(panel["title"], target) for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
# A panel that shows PSI by what it means has a query for each band, of which some are empty.
BANDED = [(title, target["expr"]) for title, target in TARGETS if re.search(r"[<>]=? on \(", target["expr"])]
PLAIN = [(title, target) for title, target in TARGETS if (title, target["expr"]) not in BANDED]
VARIABLES = [one for one in DASHBOARD["templating"]["list"] if one["type"] == "query"]
Fed = tuple[Watched, dict[str, dict[str, float]]]


@pytest.fixture(scope="module")
def fed(trained_project: Path, other_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fed]:
    """What watches, after all rows were sent and scraped, and numpy's PSI of them by job and feature."""
    require("prometheus", "prometheus-alertmanager")
    clean = tmp_path_factory.mktemp("clean")
    write_params(clean, {"prepare": {**SMALL["prepare"], "shock": 0.0}})
    succeed(invoke(clean, "prepare"))
    shocked = Path(shutil.copytree(trained_project, tmp_path_factory.mktemp("shocked") / "project"))
    succeed(invoke(shocked, "drift"))
    path = shocked / "reports" / "drift.json"
    path.write_bytes(
        with_every_part(DriftResult.read_file(path)).to_bytes()
    )  # a part that has nothing to say has no number
    nightly = ["--drift", "reports/drift.json"]
    shadowed = [*nightly, "--decision-log", "decisions", "--shadow", str(other_project / "models")]
    jobs = {SHOCKED: [shadowed, nightly], CLEAN: [[], []]}
    schema = Schema.read_file(shocked / "models" / "schema.json")
    profile = Profile.read_file(shocked / "models" / "profile.json")
    with Watched(tmp_path_factory.mktemp("watched"), jobs, shocked) as watched:
        expected = {}
        for job, project in ((SHOCKED, shocked), (CLEAN, clean)):
            batch = pd.read_parquet(project / "data" / "current.parquet")
            scores = send(watched.replicas[job], rows_of(batch, schema))
            expected[job] = numpy_psi(profile, batch, scores)
            rows = f'sum(lockgate:feature_rows{{job="{job}",feature="score",window="total"}}) == {len(batch)}'
            wait_for(f"the rows of {job} to be scraped", lambda rows=rows: watched.query(rows))
        yield watched, expected


def test_total_is_numpys_to_1e_9_over_both_replicas(fed: Fed) -> None:
    watched, expected = fed
    for job in (SHOCKED, CLEAN):
        found = _psi(watched, job, "total")
        assert set(found) == set(expected[job])
        assert max(abs(found[feature] - expected[job][feature]) for feature in found) <= 1e-9


@pytest.mark.parametrize("window", ["1h", "6h", "24h"])
def test_window_is_numpys_within_2_percent(fed: Fed, window: str) -> None:
    watched, expected = fed
    for job in (SHOCKED, CLEAN):
        found = _psi(watched, job, window)
        assert set(found) == set(expected[job])
        assert max(abs(found[feature] / expected[job][feature] - 1) for feature in found) <= 0.02


def test_the_shocked_batch_raises_the_alert_and_the_clean_one_does_not(
    fed: Fed,
) -> None:
    watched, expected = fed
    severe = {feature for feature, value in expected[SHOCKED].items() if value >= 0.25}
    assert severe >= {"regional_unemployment", "interest_rate", "utilisation"}

    def drifted() -> list[dict[str, Any]] | None:
        lines = [line for line in watched.received() if line["alertname"] == "LockgateLiveDrift"]
        return lines if {line["feature"] for line in lines} == severe else None

    lines = wait_for("the drift alert of every feature to reach the receiver", drifted)
    assert all(line["job"] == SHOCKED and line["status"] == "firing" for line in lines)
    assert all("error" not in line["summary"] + line["description"] for line in watched.received())
    nightly = wait_for(
        "the nightly alert",
        lambda: [one for one in watched.received() if one["alertname"] == "LockgateModelPerformanceBad"],
    )
    assert "roc_auc 0.577" in nightly[0]["description"]
    # The night pages once, by its gravest fact.
    assert not [one for one in watched.received() if one["alertname"] == "LockgateNightlyDrift"]
    # The clean replicas have been watched for as long as it took; a look at what is pending sees further.
    assert not watched.query(f'ALERTS{{alertname=~"LockgateLiveDrift.*",job="{CLEAN}"}}')
    assert not [line for line in watched.received() if "Drift" in line["alertname"] and line["job"] == CLEAN]


@pytest.mark.parametrize("target", [target for _, target in PLAIN], ids=[title for title, _ in PLAIN])
def test_every_query_of_the_dashboard_gets_data(fed: Fed, target: dict[str, Any]) -> None:
    watched, _ = fed
    expr = filled(target["expr"])
    if target.get("instant"):
        wait_for(expr, lambda: _has_numbers([one["value"] for one in watched.query(expr)]))
    else:
        wait_for(expr, lambda: _has_numbers([point for one in watched.query_range(expr) for point in one["values"]]))


@pytest.mark.parametrize("title", sorted({title for title, _ in BANDED}))
def test_the_bands_of_a_panel_hold_every_feature_once(fed: Fed, title: str) -> None:
    watched, expected = fed
    bands = [filled(expr) for name, expr in BANDED if name == title]

    def shown() -> bool:
        return sorted(one["metric"]["feature"] for expr in bands for one in watched.query(expr)) == sorted(
            expected[SHOCKED]
        )

    wait_for(f"{title} to show each feature in one band", shown)


def filled(expr: str) -> str:
    """A query of the dashboard with its variables chosen."""
    for name, value in (
        ("$__rate_interval", "5m"), ("$job", SHOCKED), ("$digest", ".+"), ("$feature", "interest_rate"), ("$window", "6h"),
    ):  # fmt: skip
        expr = expr.replace(name, value)
    return expr


@pytest.mark.parametrize(
    "variable", [one for one in DASHBOARD["templating"]["list"] if one["type"] == "query"], ids=lambda one: one["name"]
)
def test_every_variable_of_the_dashboard_has_values(fed: Fed, variable: dict[str, Any]) -> None:
    watched, _ = fed
    selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]).groups()  # type: ignore[union-attr]
    answer = httpx.get(
        f"{watched.prometheus}/api/v1/label/{label}/values", params={"match[]": selector.replace("$job", SHOCKED)}
    )
    assert answer.json()["data"]


@pytest.mark.parametrize(
    "rule", RULES, ids=lambda rule: rule.get("alert") or f"{rule['record']} {rule.get('labels', '')}"
)
def test_every_rule_is_evaluated_and_what_it_reads_is_there(fed: Fed, rule: dict[str, Any]) -> None:
    watched, _ = fed
    found = watched.query(rule["expr"])
    if "record" in rule:
        assert _has_numbers([one["value"] for one in found])
    for selector in re.findall(r"\b(?:lockgate[:_][\w:]+|up)\b(?:\{[^}]*\})?", rule["expr"]):
        # Nothing here serves without a verdict, and that is the only matcher that finds nothing.
        served = selector.replace('verdict!="pass"', 'verdict="pass"')
        assert watched.query(f"count({served})"), selector


def test_no_rule_fails(fed: Fed) -> None:
    watched, _ = fed
    groups = httpx.get(f"{watched.prometheus}/api/v1/rules").json()["data"]["groups"]
    states = {rule["name"]: (rule["health"], rule.get("lastError")) for group in groups for rule in group["rules"]}
    assert set(states.values()) == {("ok", None)}, states


def _psi(watched: Watched, job: str, window: str) -> dict[str, float]:
    found = watched.query(f'lockgate:feature_psi{{job="{job}",window="{window}"}}')
    return {one["metric"]["feature"]: float(one["value"][1]) for one in found}


def _has_numbers(points: list[Any]) -> bool:
    return any(not math.isnan(float(value)) for _, value in points)
