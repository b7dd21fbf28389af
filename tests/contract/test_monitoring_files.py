"""What must agree in monitoring/: rules and dashboard with a bundle's settings, alerts with runbook and unit tests."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from lockgate.config.params import Params
from lockgate.documents.profile_json import DriftRule, FeatureProfile, Profile
from lockgate.service.metrics.nightly_gauges import nightly_gauges
from monitoring.build.files import made_files

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "monitoring" / "prometheus"
RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))
DASHBOARD = ROOT / "monitoring" / "grafana" / "dashboards" / "lockgate.json"
UNIT_TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))
PROFILE = Profile(
    n=1,
    rule=DriftRule(0.02, 0.1, 0.25, 0.05, 200, 0.01),
    features=(FeatureProfile(name="score", kind="score", edges=(), categories=(), counts=(1, 0)),),
)


@cache
def rules() -> list[dict[str, Any]]:
    return [rule for path in RULES for group in YAML(typ="safe").load(path)["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def test_made_files_are_current() -> None:
    stale = [path.name for path, content in made_files().items() if path.read_text() != content]
    assert not stale, "run scripts/monitoring"


def test_every_alert_has_a_unit_test_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    tested = "".join(path.read_text() for path in UNIT_TESTS)
    for alert in alerts():
        assert re.search(rf'ALERTS{{alertname="{alert["alert"]}", alertstate="firing", severity=', tested), alert[
            "alert"
        ]


def test_every_alert_wakes_somebody_or_waits_and_says_where_its_runbook_is() -> None:
    headings = re.findall(r"^## (\w+)$", (ROOT / "docs" / "runbook.md").read_text(), flags=re.MULTILINE)
    for alert in alerts():
        assert alert["labels"]["severity"] in {"page", "ticket"}
        assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
        assert alert["annotations"]["runbook_url"].endswith(f"/docs/runbook.md#{alert['alert'].lower()}")
    assert sorted(headings) == sorted(alert["alert"] for alert in alerts())
    assert len(set(headings)) == len(headings)


def test_no_drift_setting_stands_in_a_rule_or_in_the_dashboard() -> None:
    """The bundle brings them: every comparison of live drift is with its settings."""
    drift = [rule["expr"] for rule in rules() if "lockgate:feature_" in rule["expr"]]
    assert sum(expr.count("lockgate:drift_setting{setting=") for expr in drift) >= 8
    defaults = Params().drift
    settings = {f"{getattr(defaults, name):g}" for name in DriftRule.__struct_fields__}
    for expr in [*drift, *re.findall(r'"expr": "(.*)"', DASHBOARD.read_text())]:
        assert not settings & set(re.findall(r"(?<![\w.])\d[\d.]*(?![\w.])", expr)), expr


def test_the_settings_that_the_rules_ask_for_are_those_that_a_bundle_has() -> None:
    asked = set(re.findall(r'drift_setting\{setting=\\?"(\w+)', "".join(map(str, rules())) + DASHBOARD.read_text()))
    assert asked == {"effect_floor", "warn", "alert", "min_rows", "unseen_share"}
    assert asked <= set(DriftRule.__struct_fields__)


def test_the_readme_names_every_gauge_of_the_night() -> None:
    table = (ROOT / "monitoring" / "README.md").read_text().split("| gauge | is |")[1].split("\n\n")[0]
    named: set[str] = set()
    for cell in re.findall(r"^\| (.+?) \|", table, flags=re.MULTILINE):
        whole = ""
        for name in re.findall(r"`([a-z_]+)", cell):
            whole, found = (whole, whole + name) if name.startswith("_") else (name, name)
            named.add(found)
    of_the_run = {"drift_timestamp_seconds", "drift_matches_model"}  # which are not in drift.json
    gauges = {gauge.name.removeprefix("lockgate_nightly_") for gauge in nightly_gauges(PROFILE)}
    assert named == gauges | of_the_run
