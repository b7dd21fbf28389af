"""`lockgate drift`: the shock is seen, nothing else is, and a bad batch is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import Run
from support import assert_refused, edit_params, succeed, tree

from pipeline.core.synthetic import SHOCKED_FEATURES

FEATURE_KEYS = {
    "name", "kind", "psi", "threshold", "p_value", "status", "rule", "reason", "missing_reference", "missing_current",
    "unseen_share", "bins",
}  # fmt: skip


def drift(project: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project / "reports/drift.json").read_text())
    return found


def statuses(project: Path) -> dict[str, str]:
    return {feature["name"]: feature["status"] for feature in drift(project)["features"]}


def test_the_shock_alarms_its_features_and_no_others(project: Path, run: Run) -> None:
    succeed(run("drift"))
    result = drift(project)
    assert result["status"] == "alert"
    assert all(set(feature) == FEATURE_KEYS for feature in result["features"])
    found = statuses(project)
    assert found.pop("score") in ("warn", "alert")
    assert {name for name, status in found.items() if status == "alert"} == set(SHOCKED_FEATURES)
    assert {status for name, status in found.items() if name not in SHOCKED_FEATURES} == {"stable"}


@pytest.mark.parametrize("train", [{}, {"max_depth": 12, "early_stopping_rounds": None, "num_boost_round": 120}])
def test_without_a_shock_nothing_alarms_not_even_an_overfitted_models_score(
    project: Path, run: Run, train: dict[str, Any]
) -> None:
    edit_params(project, prepare={"shock": 0.0}, train=train)
    for command in ("prepare", "train", "drift"):
        succeed(run(command))
    assert drift(project)["status"] == "stable"
    assert set(statuses(project).values()) == {"stable"}


def test_the_same_bytes_twice(project: Path, run: Run) -> None:
    succeed(run("drift"))
    before = tree(project / "reports")
    succeed(run("drift"))
    assert tree(project / "reports") == before


@pytest.mark.parametrize(("fail_on", "code"), [("never", 0), ("warn", 4), ("alert", 4)])
def test_fail_on_alert(run: Run, fail_on: str, code: int) -> None:
    assert run("drift", "--fail-on", fail_on).exit_code == code


@pytest.mark.parametrize(("fail_on", "code"), [("never", 0), ("warn", 4), ("alert", 0)])
def test_too_few_rows_count_as_a_warning(project: Path, run: Run, fail_on: str, code: int) -> None:
    pd.read_parquet(project / "data/current.parquet").head(150).to_parquet(project / "few.parquet")
    assert run("drift", "--current", "few.parquet", "--fail-on", fail_on).exit_code == code
    assert drift(project)["status"] == "insufficient-data"


def test_a_new_category_is_counted_beside_psi(project: Path, run: Run) -> None:
    batch = pd.read_parquet(project / "data/test.parquet")
    batch.loc[batch.index[:60], "loan_purpose"] = "crypto"
    batch.to_parquet(project / "odd.parquet")
    succeed(run("drift", "--current", "odd.parquet"))
    (feature,) = [feature for feature in drift(project)["features"] if feature["name"] == "loan_purpose"]
    assert feature["status"] == "warn"
    assert feature["unseen_share"] == pytest.approx(60 / len(batch))
    assert "crypto" in feature["reason"]


def test_another_reference_than_the_profile(project: Path, run: Run) -> None:
    succeed(run("drift", "--reference", "data/current.parquet"))
    assert drift(project)["status"] == "stable"


def test_a_reused_test_split_is_said(project: Path, run: Run) -> None:
    edit_params(project, prepare={"current": None})
    succeed(run("prepare"))
    assert "compares the data with itself" in succeed(run("drift")).stdout


def test_without_evidently_there_is_one_warning_and_no_older_page(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    succeed(run("drift"))
    assert (project / "reports/drift.html").stat().st_size > 10_000
    before = drift(project)
    for name in [name for name in sys.modules if name.split(".")[0] == "evidently"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "evidently", None)
    result = succeed(run("drift"))
    assert len(result.stderr.splitlines()) == 1
    assert "Evidently" in result.stderr
    assert drift(project) == before
    assert not (project / "reports/drift.html").exists()


def test_a_bundle_alone_is_enough(project: Path, run: Run) -> None:
    (project / "data/train.parquet").unlink()
    assert "data/train.parquet is not there" in succeed(run("drift")).stderr
    assert drift(project)["status"] == "alert"


@pytest.mark.parametrize("spoil", ["column gone", "retyped", "infinite", "empty", "missing"])
def test_bad_batches_are_refused(project: Path, run: Run, spoil: str) -> None:
    batch = pd.read_parquet(project / "data/current.parquet")
    path = project / "batch.parquet"
    words: tuple[str, ...] = ("batch.parquet",)
    if spoil == "column gone":
        batch.drop(columns="income").to_parquet(path)
        words = (*words, "income")
    elif spoil == "retyped":
        batch.assign(income="much").to_parquet(path)
        words = (*words, "income")
    elif spoil == "infinite":
        batch.assign(income=float("inf")).to_parquet(path)
        words = (*words, "income", "infinite")
    elif spoil == "empty":
        path.write_bytes(b"")
    assert_refused(run("drift", "--current", "batch.parquet"), *words)
    assert not (project / "reports/drift.json").exists()
