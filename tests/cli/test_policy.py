"""`lockgate policy`: whose thresholds judge, and what the change would change."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from support import assert_refused, invoke, succeed

from lockgate.config.params import read_policy


def write(path: Path, document: dict[str, Any] | str) -> str:
    if isinstance(document, str):
        path.write_text(document)
    else:
        with path.open("w") as stream:
            YAML().dump(document, stream)
    return path.name


def judged(folder: Path, head: dict[str, Any], *options: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The policy that judges, and policy.json."""
    write(folder / "params.yaml", head)
    succeed(invoke(folder, "policy", *options))
    used = YAML(typ="safe").load(folder / "reports/policy.yaml")
    return used, json.loads((folder / "reports/policy.json").read_text())


BASE = {"evaluate": {"floors": {"roc_auc": 0.7}, "ceilings": {"brier": 0.2}}, "train": {"max_depth": 4}}


def test_the_base_commits_policy_judges_in_every_key(tmp_path: Path) -> None:
    base = write(tmp_path / "base.yaml", BASE)
    head = {"evaluate": {"floors": {}, "ceilings": {"brier": 0.9}, "confidence": 0.5}, "gate": {"inconclusive": "warn"}}
    used, difference = judged(tmp_path, head, "--base", base)
    assert used["evaluate"]["floors"] == {"roc_auc": 0.7}
    assert used["evaluate"]["ceilings"] == {"brier": 0.2}
    assert used["evaluate"]["confidence"] == 0.95
    assert used["gate"]["inconclusive"] == "block"
    kinds = {change["key"]: change["kind"] for change in difference["changes"]}
    assert kinds == {
        "evaluate.floors.roc_auc": "policy",
        "evaluate.ceilings.brier": "policy",
        "evaluate.confidence": "policy",
        "gate.inconclusive": "policy",
        "train.max_depth": "other",
    }
    assert difference["changed"] is True


def test_each_change_says_what_was_what_is_wanted_and_what_judges(tmp_path: Path) -> None:
    base = write(tmp_path / "base.yaml", BASE)
    minimums = write(tmp_path / "minimums.yaml", {"floors": {"roc_auc": 0.75}})
    head = {
        "evaluate": {"floors": {"roc_auc": 0.8}, "ceilings": {}, "slices": ["sex"]},
        "train": {"max_depth": 5},
        "x": {},
    }
    used, difference = judged(tmp_path, head, "--base", base, "--minimums", minimums)
    assert used["evaluate"]["floors"] == {"roc_auc": 0.75}
    assert difference == {
        "schema": 1,
        "changed": True,
        "first": False,
        "changes": [
            {"key": "evaluate.ceilings.brier", "base": 0.2, "head": None, "used": 0.2, "kind": "policy"},
            {"key": "evaluate.floors.roc_auc", "base": 0.7, "head": 0.8, "used": 0.75, "kind": "minimum"},
            {"key": "evaluate.slices", "base": [], "head": ["sex"], "used": [], "kind": "policy"},
            {"key": "train.max_depth", "base": 4, "head": 5, "used": 5, "kind": "other"},
        ],
    }


def test_where_the_champion_is_from_is_no_change_of_the_policy(tmp_path: Path) -> None:
    base = write(tmp_path / "base.yaml", {**BASE, "gate": {"champion": {"source": "file"}}})
    _, same = judged(tmp_path, {**BASE, "gate": {"champion": {"source": "file"}}}, "--base", base, "--champion", "base")
    assert same["changes"] == []
    _, other = judged(tmp_path, {**BASE, "gate": {"champion": {"source": "none"}}}, "--base", base)
    assert [(change["key"], change["kind"]) for change in other["changes"]] == [("gate.champion.source", "policy")]


def test_a_stricter_change_waits_for_its_turn_too(tmp_path: Path) -> None:
    base = write(tmp_path / "base.yaml", BASE)
    used, _ = judged(tmp_path, {**BASE, "evaluate": {"floors": {"roc_auc": 0.9}}}, "--base", base)
    assert used["evaluate"]["floors"] == {"roc_auc": 0.7}


def test_minimums_only_ever_tighten(tmp_path: Path) -> None:
    base = write(tmp_path / "base.yaml", BASE)
    minimums = {"floors": {"roc_auc": 0.6, "ks": 0.3}, "ceilings": {"brier": 0.1, "ece": 0.05}}
    used, difference = judged(tmp_path, BASE, "--base", base, "--minimums", write(tmp_path / "minimums.yaml", minimums))
    assert used["evaluate"]["floors"] == {"roc_auc": 0.7, "ks": 0.3}
    assert used["evaluate"]["ceilings"] == {"brier": 0.1, "ece": 0.05}
    assert {change["kind"] for change in difference["changes"]} == {"minimum"}
    assert difference["changed"] is False


def test_where_nothing_changed_nothing_is_listed(tmp_path: Path) -> None:
    base = write(tmp_path / "base.yaml", BASE)
    _, difference = judged(tmp_path, BASE, "--base", base, "--champion", "base")
    assert difference == {"schema": 1, "changed": False, "first": False, "changes": []}


def test_the_first_policy_judges_itself_and_says_so(tmp_path: Path) -> None:
    used, difference = judged(tmp_path, {"evaluate": {"floors": {"roc_auc": 0.1}}})
    assert used["evaluate"]["floors"] == {"roc_auc": 0.1}
    assert difference["first"] is True
    assert "There is no policy before this one" in (tmp_path / "reports/policy.md").read_text()


def test_names_in_the_summary_stay_text(tmp_path: Path) -> None:
    _, difference = judged(tmp_path, {"x`|<b>@team": 1, "train": {"max_depth": "`a` | ${{ b }}"}})
    assert difference["changes"] == []
    write(tmp_path / "base.yaml", BASE)
    judged(tmp_path, {**BASE, "x`|<b>@team": "</td>"}, "--base", "base.yaml")
    row = (tmp_path / "reports/policy.md").read_text().splitlines()[-1]
    assert row.count("|") == 6
    assert "`x\u02cb\u00a6<b>@team`" in row


def test_what_the_policy_wrote_the_gate_takes(project: Path) -> None:
    write(project / "minimums.yaml", {"floors": {"roc_auc": 0.99}})
    succeed(invoke(project, "policy", "--minimums", "minimums.yaml"))
    result = invoke(project, "gate", "--policy", "reports/policy.yaml")
    assert_refused(result, "roc_auc floor", code=3)


def test_a_platform_asks_for_a_larger_test_set_and_never_for_a_smaller_one(tmp_path: Path) -> None:
    base = write(tmp_path / "base.yaml", {"gate": {"sample": {"rows": 300, "per_class": 40}}})
    minimums = write(tmp_path / "minimums.yaml", {"sample": {"rows": 100, "per_class": 60}})
    used, _ = judged(tmp_path, BASE, "--base", base, "--minimums", minimums)
    assert used["gate"]["sample"] == {"rows": 300, "per_class": 60}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("flors: {roc_auc: 0.6}", ("unknown key `flors`", "`floors`, `ceilings` and `sample`")),
        ("floors: {brier: 0.6}", ("`brier` is better when lower",)),
        ("floors: {roc_auc: 7}", ("outside the metric's range",)),
        ("floors: {roc_auc: .nan}", ("finite",)),
        ("floors: [roc_auc]", ("floors",)),
        ("a\n::error::b\nverdict=pass", ("minimums.yaml",)),
    ],
)
def test_minimums_that_are_none_are_refused(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    write(tmp_path / "params.yaml", BASE)
    write(tmp_path / "minimums.yaml", text)
    assert_refused(invoke(tmp_path, "policy", "--minimums", "minimums.yaml"), *words)
    assert not (tmp_path / "reports").exists()


def test_an_exception_to_the_policy_counts_once_the_base_has_it(tmp_path: Path) -> None:
    base = write(tmp_path / "base.yaml", BASE)
    exception = {"reason": "the bureau changed its score", "approved_by": "the committee", "until": date(2026, 12, 31)}
    lowered = {"evaluate": {"floors": {"roc_auc": 0.6}}, "gate": {"exception": exception}}
    used, difference = judged(tmp_path, lowered, "--base", base)
    assert (used["evaluate"]["floors"]["roc_auc"], used["gate"]["exception"]) == (0.7, None)
    changes = {change["key"]: (change["base"], change["head"]) for change in difference["changes"]}
    assert changes["gate.exception.until"] == (None, "2026-12-31")
    assert changes["gate.exception.approved_by"] == (None, "the committee")
    base = write(tmp_path / "base.yaml", lowered)
    used, difference = judged(tmp_path, lowered, "--base", base)
    assert used["gate"]["exception"] == {**exception, "until": "2026-12-31"}
    assert difference["changed"] is False
    assert "until: '2026-12-31'" in (tmp_path / "reports/policy.yaml").read_text()
    assert read_policy(tmp_path / "reports/policy.yaml")[1].exception is not None  # it is read as it is written
