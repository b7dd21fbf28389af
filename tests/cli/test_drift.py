"""`lockgate drift`: the shock is seen, nothing else is, and a bad batch is refused."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pandas as pd
import pytest
from conftest import Run
from support import assert_refused, edit_params, invoke, succeed, tree, write_params

from lockgate.data.synthetic import SHOCKED_FEATURES

FEATURE_KEYS = {
    "name", "kind", "psi", "threshold", "p_value", "status", "rule", "reason", "effect", "missing_reference",
    "missing_current", "unseen_share", "bins",
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


@pytest.mark.evidently
def test_the_same_bytes_twice(project: Path, run: Run) -> None:
    succeed(run("drift"))
    before = tree(project / "reports")
    succeed(run("drift"))
    assert tree(project / "reports") == before


@pytest.mark.parametrize(
    ("given", "written"),
    [("2026-11-25T04:30:00+01:30", "2026-11-25T03:00:00Z"), ("2026-11-25T03:00:00.9Z", "2026-11-25T03:00:00Z")],
)
def test_the_time_is_written_where_it_is_asked_for(project: Path, run: Run, given: str, written: str) -> None:
    succeed(run("drift"))
    without = drift(project)
    succeed(run("drift", "--time", given))
    assert drift(project) == {**without, "time": written}


def test_a_batch_that_is_named_or_prepared_can_be_known_again_and_its_newest_day_stays_with_it(
    project: Path, run: Run
) -> None:
    succeed(run("drift"))
    assert (drift(project)["batch"], drift(project)["newest"]) == (None, None)  # synthetic applicants are no feed

    days = pd.date_range("2026-11-01", "2026-11-20", tz="UTC")
    rows = pd.read_parquet(project / "data/current.parquet").drop(columns="row_key")
    rows["lockgate_time"] = [days[at % len(days)] for at in range(len(rows))]
    rows.to_parquet(project / "batch.parquet")
    succeed(run("drift", "--current", "batch.parquet", "--keep"))
    named = drift(project)
    assert named["batch"] == sha256((project / "batch.parquet").read_bytes()).hexdigest()
    assert named["newest"] == "2026-11-20"

    edit_params(project, prepare={"current": "batch.parquet"})
    succeed(run("drift"))  # of the rows that were kept, as the job does that judges
    kept = drift(project)
    assert kept["batch"] == sha256((project / "data/current.parquet").read_bytes()).hexdigest()
    assert kept["newest"] == "2026-11-20"
    succeed(run("prepare"))
    succeed(run("drift"))
    assert drift(project) == kept


def test_a_column_of_times_that_cannot_be_read_is_named_and_the_night_goes_on(project: Path, run: Run) -> None:
    rows = pd.read_parquet(project / "data/current.parquet").drop(columns="row_key")
    rows.assign(lockgate_time="yesterday").to_parquet(project / "batch.parquet")
    edit_params(project, prepare={"current": "batch.parquet"})
    for command in (("prepare",), ("drift", "--current", "batch.parquet")):
        ended = succeed(run(*command))
        assert "lockgate_time" in ended.stderr
        assert "nobody can tell how new the batch is" in ended.stderr
    assert drift(project)["newest"] is None


def test_now_is_now(project: Path, run: Run) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    succeed(run("drift", "--time", "now"))
    assert before <= datetime.strptime(drift(project)["time"], "%Y-%m-%dT%H:%M:%S%z") <= datetime.now(UTC)


@pytest.mark.parametrize("when", ["2026-11-25T03:00:00", "yesterday", "0001-01-01T00:00:00+10:00", ""])
def test_a_time_without_zone_or_sense_is_refused(project: Path, run: Run, when: str) -> None:
    assert_refused(run("drift", "--time", when), "--time", "2026-11-25T03:00:00Z")
    assert not (project / "reports/drift.json").exists()


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
    assert (feature["status"], feature["rule"]) == ("warn", "unseen")
    assert feature["unseen_share"] == pytest.approx(60 / len(batch))
    assert "crypto" in feature["reason"]


def test_another_reference_than_the_profile(project: Path, run: Run) -> None:
    succeed(run("drift", "--reference", "data/current.parquet"))
    assert drift(project)["status"] == "stable"


def test_a_category_that_only_the_other_reference_has_is_known_there(project: Path, run: Run) -> None:
    batch = pd.read_parquet(project / "data/current.parquet")
    batch.loc[:59, "loan_purpose"] = "crypto"
    batch.to_parquet(project / "odd.parquet", index=False)
    succeed(run("drift", "--reference", "odd.parquet", "--current", "odd.parquet"))
    (feature,) = [feature for feature in drift(project)["features"] if feature["name"] == "loan_purpose"]
    assert (feature["status"], feature["psi"], feature["unseen_share"]) == ("stable", 0.0, 0.0)
    assert feature["bins"][-2]["label"] == "crypto"
    few = {"LOCKGATE_MAX_BINS": str(len(feature["bins"]) - 1)}
    with patch.dict(os.environ, few):
        refused = run("drift", "--reference", "odd.parquet", "--current", "data/current.parquet")
    assert_refused(refused, "the reference table: column `region` has 10 bins", "LOCKGATE_MAX_BINS")
    batch.loc[0, "loan_purpose"] = "x" * 1_001
    batch.to_parquet(project / "odd.parquet", index=False)
    refused = run("drift", "--reference", "odd.parquet", "--current", "data/current.parquet")
    assert_refused(refused, "the reference table: column `loan_purpose` holds a text of 1,001 characters")


def test_a_reused_test_split_is_said(project: Path, run: Run) -> None:
    edit_params(project, prepare={"current": None})
    succeed(run("prepare"))
    assert "compares the data with itself" in succeed(run("drift")).stdout
    assert "compares the data with itself" in drift(project)["note"]
    succeed(run("report"))
    assert "compares the data with itself" in (project / "reports/report.md").read_text()
    assert "compares the data with itself" in (project / "reports/report.html").read_text()


@pytest.mark.evidently
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


def test_the_estimate_holds_what_the_labels_show_and_the_report_says_both(project: Path, run: Run) -> None:
    edit_params(project, prepare={"shock": 0.0})
    succeed(run("prepare"))
    words = succeed(run("drift")).stdout
    found = drift(project)
    assert (found["warn"], found["alert"], found["note"]) == (0.10, 0.25, None)
    assert (found["label"]["name"], found["label"]["status"]) == ("default", "stable")
    assert found["estimated"]["n"] == found["performance"]["n"] == found["label"]["current"]["n"] == 1_500
    measured = {one["metric"]: one for one in found["performance"]["metrics"]}
    assert {name: one["threshold"] for name, one in measured.items() if one["threshold"]} == {
        "roc_auc": 0.7,
        "pr_auc": 0.45,
        "brier": 0.2,
    }
    for metric in ("roc_auc", "brier"):
        estimate = found["estimated"][metric]
        assert estimate["low"] < measured[metric]["value"] < estimate["high"]
    succeed(run("report"))
    for text in (words, (project / "reports/report.md").read_text(), (project / "reports/report.html").read_text()):
        for shown in (found["estimated"]["roc_auc"]["value"], measured["brier"]["low"]):
            assert f"{shown:.4f}" in text


def test_a_shock_moves_the_rate_of_defaults(project: Path, run: Run) -> None:
    succeed(run("drift"))
    label = drift(project)["label"]
    assert (label["status"], label["rule"]) == ("warn", "rate")
    assert label["current"]["low"] > label["reference"]["high"]


@pytest.mark.parametrize("labels", ["absent", "all missing", "one class", "as text", "one row"])
def test_labels_may_be_known_for_some_rows_or_none(project: Path, run: Run, labels: str) -> None:
    batch = pd.read_parquet(project / "data/current.parquet").drop(columns="row_key")
    if labels == "absent":
        batch = batch.drop(columns="default")
    elif labels == "all missing":
        batch["default"] = None
    elif labels == "one class":
        batch["default"] = 0
    elif labels == "as text":
        batch["default"] = batch["default"].map({0.0: "0", 1.0: "1"})
    else:
        batch = batch.head(1)
    batch.to_parquet(project / "batch.parquet")
    succeed(run("drift", "--current", "batch.parquet"))
    found = drift(project)
    assert (found["label"] is None) == (found["performance"] is None) == (labels in ("absent", "all missing"))
    assert found["estimated"]["n"] == len(batch)
    if labels == "one class":
        assert found["label"]["status"] == "warn"
        assert found["performance"]["status"] == "insufficient-data"
        assert found["performance"]["reason"] == "all 1,500 known outcomes are of one class (no event)"
    if labels == "as text":
        assert found["label"]["current"]["positives"] == int((batch["default"] == "1").sum())
    if labels == "one row":
        assert (found["status"], found["label"]["status"]) == ("insufficient-data", "insufficient-data")
        assert found["estimated"]["roc_auc"]["value"] is None
    succeed(run("report"))


@pytest.mark.parametrize("prepared", [True, False])
def test_labels_of_a_third_class_are_refused(project: Path, run: Run, prepared: bool) -> None:
    batch = pd.read_parquet(project / "data/current.parquet")
    batch["default"] = batch["default"].astype("int64").where(batch.index != 3, 2)
    (batch if prepared else batch.drop(columns="row_key")).to_parquet(project / "batch.parquet")
    assert_refused(run("drift", "--current", "batch.parquet"), "batch.parquet", "default")
    assert not (project / "reports/drift.json").exists()


def test_a_table_that_prepare_wrote_keeps_its_labels_whatever_the_classes_were_called(project: Path, run: Run) -> None:
    """The test split holds 0 and 1, also where the source says good and bad."""
    from lockgate.data.dataset import conform_current
    from lockgate.documents.schema_json import Schema, TargetClasses

    classes = TargetClasses(("bad",), ("good",))
    schema = msgspec.structs.replace(Schema.read_file(project / "data/schema.json"), classes=classes)
    rows = pd.read_parquet(project / "data/test.parquet")
    assert conform_current(rows, schema)["default"].mean() == rows["default"].mean() > 0.0
    raw = rows.drop(columns="row_key").assign(default=rows["default"].map({0: "good", 1: "bad"}))
    assert conform_current(raw, schema)["default"].mean() == rows["default"].mean()


def test_a_profile_without_labels_still_measures(project: Path, run: Run) -> None:
    models = project / "models"
    profile = json.loads((models / "profile.json").read_text())
    profile.update(labels=None, calibration=None)
    (models / "profile.json").write_text(json.dumps(profile))
    manifest = json.loads((models / "manifest.json").read_text())
    manifest["files"]["profile.json"] = sha256((models / "profile.json").read_bytes()).hexdigest()
    (models / "manifest.json").write_text(json.dumps(manifest))
    succeed(run("drift"))
    found = drift(project)
    assert found["status"] == "alert"
    assert found["label"]["status"] == "insufficient-data"
    assert found["estimated"]["assumes"].startswith("the scores are true probabilities")


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


def test_a_number_that_no_model_computes_with_leaves_no_word_of_the_night_before(project: Path, run: Run) -> None:
    succeed(run("drift"))
    path = project / "data/current.parquet"
    batch = pd.read_parquet(path)
    batch.loc[2, "income"] = 1e308
    batch.to_parquet(path, index=False)
    assert_refused(run("drift"), "data/current.parquet", "`income` holds 1e+308 in row 3")
    assert_refused(run("report"), "reports/drift.json is of another batch")


def test_drift_of_another_batch_is_not_reported(project: Path, run: Run) -> None:
    succeed(run("drift"))
    assert drift(project)["current"] == sha256((project / "data/current.parquet").read_bytes()).hexdigest()
    succeed(run("report"))
    pd.read_parquet(project / "data/current.parquet").head(900).to_parquet(project / "data/current.parquet")
    assert_refused(
        run("report"), "reports/drift.json is of another batch", "data/current.parquet", "run `lockgate drift`"
    )
    succeed(run("drift"))
    succeed(run("report"))
    succeed(run("drift", "--current", "data/test.parquet"))
    assert drift(project)["current"] is None
    succeed(run("report"))


def test_settings_other_than_the_bundles_are_warned_of_and_decide(project: Path, run: Run) -> None:
    succeed(result := run("drift"))
    assert "the bundle was trained with" not in result.stderr
    edit_params(project, drift={"alert": 9.0, "family_error": 0.01})
    succeed(result := run("drift"))
    assert "drift.alert is 9, the bundle was trained with 0.25; drift.family_error is 0.01" in result.stderr
    assert "this run goes by params.yaml, the service and its alerts go by the bundle" in result.stderr
    assert (drift(project)["alert"], drift(project)["status"]) == (9.0, "warn")


@pytest.mark.evidently
@pytest.mark.parametrize(("columns", "evidently", "drawn"), [(101, None, False), (2, False, False), (2, True, True)])
def test_the_page_is_drawn_as_the_setting_says_and_an_older_one_goes(
    tmp_path: Path, columns: int, evidently: bool | None, drawn: bool
) -> None:
    pd.DataFrame({f"c{place}": range(300) for place in range(columns)}).to_csv(tmp_path / "t.csv", index=False)
    write_params(tmp_path, {"drift": {"evidently": evidently}})
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/drift.html").write_text("of the night before")
    said = succeed(invoke(tmp_path, "drift", "--reference", "t.csv", "--current", "t.csv"))
    assert (tmp_path / "reports/drift.html").is_file() == drawn
    assert ("no Evidently page" in said.stdout) == ("no Evidently page" in str(drift(tmp_path)["note"])) == (not drawn)
    assert said.stderr == ""


@pytest.fixture
def two_tables(tmp_path: Path) -> Path:
    """A folder that holds two tables and nothing else."""
    for name, first in (("january.csv", 0), ("june.csv", 400)):
        rows = range(first, first + 1_000)
        frame = pd.DataFrame({"amount": rows, "grade": [("a", "b", "c")[row % 3] for row in rows]})
        frame.assign(key=[f"{name}{row}" for row in rows]).to_csv(tmp_path / name, index=False)
    return tmp_path


@pytest.mark.evidently
def test_two_tables_need_neither_bundle_nor_params(two_tables: Path) -> None:
    tables = ("drift", "--reference", "january.csv", "--current", "june.csv")
    succeed(invoke(two_tables, *tables))
    found = drift(two_tables)
    assert statuses(two_tables) == {"amount": "alert", "grade": "stable"}
    assert (found["model"], found["n_reference"], found["note"]) == (
        None,
        1_000,
        "not compared: key (has another text in every row)",
    )
    assert (two_tables / "reports/drift.html").is_file()
    assert invoke(two_tables, *tables, "--fail-on", "alert").exit_code == 4
    succeed(invoke(two_tables, "drift", "--reference", "january.csv", "--current", "january.csv", "--fail-on", "warn"))
    (two_tables / "params.yaml").write_text("drift: {warn: 5.0, alert: 9.0}\n")
    succeed(invoke(two_tables, *tables, "--fail-on", "alert"))
    assert statuses(two_tables)["amount"] == "warn"


def test_the_reference_says_how_the_other_table_is_read(tmp_path: Path) -> None:
    """Codes stay text in a table that has only digits, or has them as numbers, and a flag stays the text that it was."""
    codes, flags = ["01", "02", "A1", "04"] * 100, ["True", "False", "Unknown", "False"] * 100
    pd.DataFrame({"code": codes, "flag": flags}).to_csv(tmp_path / "before.csv", index=False)
    pd.DataFrame({"code": ["01", "02", "02", "04"] * 100, "flag": ["True", "False"] * 200}).to_csv(
        tmp_path / "digits.csv", index=False
    )
    pd.DataFrame({"code": [1, 2, 2, 4] * 100, "flag": [True, False] * 200}).to_parquet(tmp_path / "typed.parquet")
    for name in ("digits.csv", "typed.parquet"):
        succeed(invoke(tmp_path, "drift", "--reference", "before.csv", "--current", name))
        found = {one["name"]: one for one in drift(tmp_path)["features"]}
        assert {one["unseen_share"] for one in found.values()} == {0.0}, name


def test_one_table_alone_is_refused(two_tables: Path) -> None:
    assert_refused(
        invoke(two_tables, "drift", "--reference", "january.csv"), "--reference without a bundle needs --current"
    )
    assert_refused(invoke(two_tables, "drift", "--reference", "january.csv", "--current", "july.csv"), "july.csv")
    absent = ("--params", "other.yaml", "--reference", "january.csv", "--current", "june.csv")
    assert_refused(invoke(two_tables, "drift", *absent), "other.yaml")
    assert not (two_tables / "reports").exists()
