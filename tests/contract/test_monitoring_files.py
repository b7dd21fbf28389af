"""The files of monitoring/ that must agree: limits with the defaults of drift, alerts with the runbook and their unit tests."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from lockgate.config.params import Params
from monitoring.build.files import made_files

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "monitoring" / "prometheus"
RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))
UNIT_TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))


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


def test_limits_are_those_that_a_nightly_run_has_by_default() -> None:
    drift = Params().drift
    limits = {rule["record"]: rule["expr"] for rule in rules() if rule.get("record", "").startswith("lockgate:drift_")}
    assert limits == {
        "lockgate:drift_effect_floor": f"vector({drift.effect_floor:g})",
        "lockgate:drift_alert": f"vector({drift.alert:g})",
        "lockgate:drift_min_rows": f"vector({drift.min_rows})",
        "lockgate:drift_unseen_share": f"vector({drift.unseen_share:g})",
    }, "write the defaults of the section drift into monitoring/prometheus/rules/limits.yml"
