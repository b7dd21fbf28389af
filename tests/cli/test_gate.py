"""`lockgate evaluate` and `lockgate gate`: what passes, what blocks, and what is no verdict at all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import Run
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score
from support import assert_refused, edit_params, invoke, succeed, tree

from lockgate.config.files import sha256_file
from lockgate.model.bundle import verify_bundle


def verdict(project: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project / "reports/gate.json").read_text())
    return found


def table(rows: int = 500) -> pd.DataFrame:
    """Labels and probabilities that are drawn from them: calibrated and strong."""
    random = np.random.default_rng(5)
    probability = random.beta(0.5, 1.0, rows)
    return pd.DataFrame({"y_true": (random.random(rows) < probability).astype(int), "y_score": probability})


def test_metrics_are_scikit_learns(project: Path) -> None:
    predictions = pd.read_parquet(project / "reports/predictions.parquet")
    metrics = json.loads((project / "reports/metrics.json").read_text())
    truth, scores = predictions.y_true, predictions.y_score
    assert metrics["roc_auc"] == pytest.approx(roc_auc_score(truth, scores), abs=1e-12)
    assert metrics["pr_auc"] == pytest.approx(average_precision_score(truth, scores), abs=1e-12)
    assert metrics["brier"] == pytest.approx(brier_score_loss(truth, scores), abs=1e-12)
    assert metrics["n"] == len(predictions)


def test_predictions_say_what_they_are_of(project: Path) -> None:
    import pyarrow.parquet as pq

    metadata = pq.read_schema(project / "reports/predictions.parquet").metadata
    assert metadata[b"lockgate.model"].decode() == verify_bundle(project / "models").digest
    assert metadata[b"lockgate.data"].decode() == sha256_file(project / "data/test.parquet")
    columns = pd.read_parquet(project / "reports/predictions.parquet").columns
    assert list(columns) == ["row_key", "y_true", "y_score", "sex", "age_band"]


def test_slice_columns_travel_with_the_predictions(project: Path, run: Run) -> None:
    edit_params(project, evaluate={"slices": ["region"]})
    assert_refused(run("evaluate"), "the bundle is stale: evaluate.slices is ['region']", "was trained with []")
    succeed(run("train"))
    succeed(run("evaluate"))
    assert "region" in pd.read_parquet(project / "reports/predictions.parquet").columns
    edit_params(project, evaluate={"slices": ["regoin"]})
    assert_refused(run("train"), "evaluate.slices names `regoin`, which is no column", "did you mean `region`")


def test_a_good_model_passes_with_the_names_of_model_data_and_policy(project: Path, run: Run) -> None:
    succeed(run("gate"))
    result = verdict(project)
    assert result["verdict"] == "pass"
    assert result["model"] == verify_bundle(project / "models").digest
    assert result["data"] == sha256_file(project / "data/test.parquet")
    assert {check["name"] for check in result["checks"]} >= {"roc_auc floor", "pr_auc floor", "brier ceiling"}
    deciding = [check for check in result["checks"] if check["kind"] in ("floor", "ceiling")]
    assert {check["status"] for check in deciding} == {"pass"}
    assert all(check["low"] < check["value"] < check["high"] for check in deciding)


@pytest.mark.parametrize(
    "evaluate",
    [{"floors": {"roc_auc": 0.99}}, {"floors": {"pr_auc": 0.99}}, {"floors": {}, "ceilings": {"brier": 0.001}}],
)
def test_a_missed_threshold_blocks_and_leaves_predictions_and_metrics(
    project: Path, run: Run, evaluate: dict[str, Any]
) -> None:
    (project / "reports/predictions.parquet").unlink()
    (project / "reports/metrics.json").unlink()
    edit_params(project, evaluate=evaluate)
    assert_refused(run("evaluate"), "floor" if evaluate["floors"] else "ceiling", code=3)
    assert (project / "reports/predictions.parquet").exists()
    assert (project / "reports/metrics.json").exists()
    assert_refused(run("gate"), "block", code=3)
    assert verdict(project)["verdict"] == "block"
    succeed(run("report"))
    assert "blocked" in (project / "reports/report.md").read_text().splitlines()[0].lower()


def test_a_model_of_shuffled_labels_is_blocked_and_not_registered(project: Path, run: Run) -> None:
    for part in ("train", "test"):
        path = project / f"data/{part}.parquet"
        rows = pd.read_parquet(path)
        rows["default"] = rows["default"].sample(frac=1, random_state=1).to_numpy()
        rows.to_parquet(path, index=False)
    succeed(run("train"))
    assert_refused(run("evaluate"), "roc_auc floor", code=3)
    assert_refused(run("gate"), "roc_auc floor", code=3)
    assert_refused(run("register", "--promote"), "gate.json", "block")


def test_no_thresholds_is_no_verdict(project: Path, run: Run) -> None:
    edit_params(project, evaluate={"floors": {}, "ceilings": {}})
    assert_refused(run("gate"), "no check passed", code=3)


def test_predictions_of_another_model_are_stale(project: Path, run: Run) -> None:
    edit_params(project, train={"seed": 9})
    succeed(run("train"))
    assert_refused(run("gate"), "stale", code=3)
    assert {check["value"] for check in verdict(project)["checks"]} == {None}


def test_predictions_of_other_data_are_stale(project: Path, run: Run) -> None:
    edit_params(project, prepare={"seed": 9})
    succeed(run("prepare"))
    assert_refused(run("gate"), "stale", "test data", code=3)


def test_without_predictions_there_is_nothing_to_judge(project: Path, run: Run) -> None:
    (project / "reports/predictions.parquet").unlink()
    before = tree(project / "reports")
    assert_refused(run("gate"), "predictions.parquet", "does not exist", "lockgate evaluate")
    assert tree(project / "reports") == before


@pytest.mark.parametrize(
    "file", ["model.json", "model.onnx", "schema.json", "profile.json", "golden.json", "manifest.json"]
)
def test_a_corrupted_bundle_is_not_judged(project: Path, run: Run, file: str) -> None:
    path = project / "models" / file
    path.write_bytes(path.read_bytes()[:-3])
    for command in ("evaluate", "gate", "drift", "register"):
        assert_refused(run(command), f"models/{file}", "dvc checkout")


def test_a_policy_file_replaces_the_thresholds(project: Path, run: Run) -> None:
    (project / "base.yaml").write_text("evaluate: {floors: {roc_auc: 0.95}}\ntrain: {anything: its own business}\n")
    assert_refused(run("gate", "--policy", "base.yaml"), "roc_auc floor", code=3)
    strict = verdict(project)["policy"]
    succeed(run("gate"))
    assert verdict(project)["policy"] != strict


def test_a_policy_file_without_policy_is_refused(project: Path, run: Run) -> None:
    (project / "base.yaml").write_text("train: {seed: 1}\n")
    assert_refused(run("gate", "--policy", "base.yaml"), "base.yaml", "evaluate")


class TestForeignPredictions:
    """A table from any model, in a folder that has nothing else."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "params.yaml").write_text("evaluate: {floors: {roc_auc: 0.7}}\n")
        return tmp_path

    @pytest.mark.parametrize("name", ["scores.csv", "scores.parquet"])
    def test_a_good_table_passes_under_the_files_own_name(self, folder: Path, name: str) -> None:
        table().to_csv(folder / name, index=False) if name.endswith("csv") else table().to_parquet(folder / name)
        succeed(invoke(folder, "gate", "--predictions", name))
        result = verdict(folder)
        assert (result["verdict"], result["model"]) == ("pass", sha256_file(folder / name))
        assert json.loads((folder / "reports/metrics.json").read_text())["n"] == 500
        succeed(invoke(folder, "report"))

    def test_scores_without_skill_block(self, folder: Path) -> None:
        table().assign(y_score=0.3).to_csv(folder / "scores.csv", index=False)
        assert_refused(invoke(folder, "gate", "--predictions", "scores.csv"), "roc_auc floor", code=3)

    @pytest.mark.parametrize(
        ("columns", "words"),
        [
            ({"y_score": np.nan}, ("y_score", "none missing")),
            ({"y_score": 1.2}, ("y_score", "0 to 1")),
            ({"y_score": -0.1}, ("y_score", "0 to 1")),
            ({"y_score": "high"}, ("y_score", "0 to 1")),
            ({"y_true": 2}, ("y_true", "0 and 1")),
            ({"y_true": 1}, ("class",)),
            ({"y_true": np.nan}, ("y_true", "0 and 1")),
            ({"row_key": "same"}, ("row_key", "once")),
        ],
    )
    def test_tables_that_are_no_predictions_are_refused(
        self, folder: Path, columns: dict[str, Any], words: tuple[str, ...]
    ) -> None:
        table().assign(**columns).to_csv(folder / "scores.csv", index=False)
        assert_refused(invoke(folder, "gate", "--predictions", "scores.csv"), *words)
        assert not (folder / "reports").exists()

    def test_a_column_called_weight_weighs_nothing_and_that_is_said(self, folder: Path) -> None:
        # Weighted by where scores are right by chance, scores without skill would have a ROC-AUC of 1.
        random = np.random.default_rng(5)
        scores = table().assign(y_score=random.random(500))
        scores["weight"] = np.where((scores.y_score > 0.5) == (scores.y_true == 1), 1.0, 1e-9)
        scores.to_csv(folder / "scores.csv", index=False)
        result = invoke(folder, "gate", "--predictions", "scores.csv")
        assert_refused(result, "roc_auc floor", code=3)
        assert result.stderr.count("column `weight` is not used") == 1
        assert "--weight weight" in result.stderr

    def test_the_column_that_an_option_names_weighs(self, folder: Path) -> None:
        scores = table().assign(exposure=lambda rows: np.where(rows.y_true == 1, 3.0, 1.0), weight=2.0)
        scores.to_csv(folder / "scores.csv", index=False)
        invoke(folder, "gate", "--predictions", "scores.csv", "--weight", "exposure")
        metrics = json.loads((folder / "reports/metrics.json").read_text())
        assert metrics["prevalence"] == pytest.approx(np.average(scores.y_true, weights=scores.exposure))

    @pytest.mark.parametrize(
        ("weights", "option", "words"),
        [
            (1.0, "exposur", ("`exposur` is missing", "did you mean `exposure`")),
            (1.0, "y_score", ("`y_score` is not a weight",)),
            (-1.0, "exposure", ("`exposure` holds '-1.0' in row 1", "above 0")),
            (0.0, "exposure", ("`exposure` holds '0.0' in row 1", "left out")),
            (np.nan, "exposure", ("`exposure` holds", "in row 1 (500 such)")),
            (np.inf, "exposure", ("`exposure`", "row 1 holds 'inf'")),
            ("much", "exposure", ("`exposure`", "'much'")),
        ],
    )
    def test_what_is_no_weight_is_refused(
        self, folder: Path, weights: object, option: str, words: tuple[str, ...]
    ) -> None:
        table().assign(exposure=weights).to_csv(folder / "scores.csv", index=False)
        assert_refused(invoke(folder, "gate", "--predictions", "scores.csv", "--weight", option), *words)

    @pytest.mark.parametrize("name", ["scores.csv", "scores.parquet"])
    def test_a_pipe_is_not_waited_for(self, folder: Path, name: str) -> None:
        os.mkfifo(folder / name)
        table().assign(row_key=range(500)).to_csv(folder / "good.csv", index=False)
        for options in (["--predictions", name], ["--predictions", "good.csv", "--champion", name]):
            assert_refused(invoke(folder, "gate", *options), name, "a folder, a pipe or a device")

    def test_a_weight_of_the_projects_own_data_is_a_setting(self, folder: Path) -> None:
        assert_refused(invoke(folder, "gate", "--weight", "exposure"), "--predictions", "prepare.weight_column")

    @pytest.mark.parametrize("written", ["numbers in Parquet", "texts in Parquet", "a CSV"])
    def test_a_row_key_is_its_text_exactly(self, folder: Path, written: str) -> None:
        keys = [str(2**53 + 1 + at) for at in range(500)]
        table().assign(row_key=keys).to_csv(folder / "own.csv", index=False)
        champion = table().assign(row_key=[int(key) for key in keys] if written == "numbers in Parquet" else keys)[::-1]
        name = "champion.csv" if written == "a CSV" else "champion.parquet"
        champion.to_csv(folder / name, index=False) if written == "a CSV" else champion.to_parquet(folder / name)
        succeed(invoke(folder, "gate", "--predictions", "own.csv", "--champion", name))
        assert verdict(folder)["champion"] == sha256_file(folder / name)
        compared = [one for one in verdict(folder)["checks"] if (one["kind"], one["metric"]) == ("champion", "roc_auc")]
        assert [one["status"] for one in compared] == ["pass"]

    @pytest.mark.parametrize("name", ["champion.csv", "champion.parquet"])
    def test_a_champions_cells_mean_what_the_project_says(self, folder: Path, name: str) -> None:
        edit_params(folder, prepare={"read": {"percent": True}})
        rows = table().assign(row_key=range(500), y_score=lambda rows: [f"{100 * one:.6f}" for one in rows.y_score])
        rows.loc[0, "y_score"] += "%"
        rows.to_csv(folder / "own.csv", index=False)
        champion = rows[::-1]
        if name.endswith(".csv"):
            champion.to_csv(folder / name, index=False)
        else:
            champion.to_parquet(folder / name)
        succeed(invoke(folder, "gate", "--predictions", "own.csv", "--champion", name))
        compared = [one for one in verdict(folder)["checks"] if (one["kind"], one["metric"]) == ("champion", "roc_auc")]
        assert [one["status"] for one in compared] == ["pass"]
        shown = succeed(invoke(folder, "compare", "own.csv", name)).stdout
        assert "500 rows in both" in shown

    def test_a_key_with_zeros_in_front_is_another_row(self, folder: Path) -> None:
        keys = [f"{at:03}" for at in range(500)]
        table().assign(row_key=keys).to_csv(folder / "own.csv", index=False)
        table().assign(row_key=range(500)).to_parquet(folder / "champion.parquet")
        ended = invoke(folder, "gate", "--predictions", "own.csv", "--champion", "champion.parquet")
        assert_refused(ended, "400 row keys agree, of 500", "score it on the same test rows")

    def test_slices_are_the_texts_that_stand_in_the_file(self, folder: Path) -> None:
        edit_params(folder, evaluate={"slices": ["region"], "slice_minimum": 5})
        regions = ["1", "2", " 1", "A"]
        scores = table().assign(region=[regions[at % 4] for at in range(500)])
        scores.to_csv(folder / "scores.csv", index=False)
        invoke(folder, "gate", "--predictions", "scores.csv", "--first-model")
        found = [one["slice"] for one in verdict(folder)["slices"]["rows"]]
        assert sorted(found) == sorted(f"region = {one}" for one in regions)

    def test_a_value_that_no_prediction_has_is_shown_where_it_stands(self, folder: Path) -> None:
        scores = table().astype({"y_score": object})
        scores.loc[6, "y_score"] = " high"
        scores.to_csv(folder / "scores.csv", index=False)
        assert_refused(invoke(folder, "gate", "--predictions", "scores.csv"), "row 7 holds ' high' (1 such)")

    @pytest.mark.parametrize(("days", "code"), [(0, 0), (-1, 3)])
    def test_an_exception_to_the_policy_is_held_against_today(self, folder: Path, days: int, code: int) -> None:
        table().to_csv(folder / "scores.csv", index=False)
        until = datetime.now(UTC).date() + timedelta(days=days)
        edit_params(folder, gate={"exception": {"reason": "why", "approved_by": "who", "until": str(until)}})
        assert invoke(folder, "gate", "--predictions", "scores.csv").exit_code == code
        assert verdict(folder)["exception"]["until"] == str(until)

    def test_a_missing_column_is_named(self, folder: Path) -> None:
        table().rename(columns={"y_score": "score"}).to_csv(folder / "scores.csv", index=False)
        assert_refused(invoke(folder, "gate", "--predictions", "scores.csv"), "`y_score` is missing", "`score`")

    def test_a_missing_file_is_refused(self, folder: Path) -> None:
        assert invoke(folder, "gate", "--predictions", "scores.csv").exit_code == 2


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda text: text[:-20], "is not valid JSON"),
        (lambda text: text.replace('"verdict": "pass"', '"verdict": "PASS"'), "is not as it must be at"),
        (lambda text: text.replace('"checks": [', '"checks": [], "was": ['), "has an unknown key"),
    ],
)
def test_a_damaged_verdict_is_reported_as_one_that_nobody_believes(
    project: Path, run: Run, damage: Callable[[str], str], why: str
) -> None:
    path = project / "reports/gate.json"
    path.write_text(damage(path.read_text()))
    succeed(run("report"))
    markdown, page = ((project / f"reports/report.{form}").read_text() for form in ("md", "html"))
    assert markdown.startswith("## ❌ No verdict is believed: reports/gate.json ")
    for text in (markdown, page):
        assert why in text
        assert "Gate passed" not in text
