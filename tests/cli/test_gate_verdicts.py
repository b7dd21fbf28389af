"""`lockgate gate` with a champion, with verdicts that are inconclusive, and with a test set that wears; `lockgate plan`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import Run
from support import assert_refused, edit_params, invoke, succeed

from lockgate.config.files import sha256_file
from lockgate.config.params import Prepare
from lockgate.data.tables import Table
from lockgate.gate.evidence import bundle_features
from lockgate.model.bundle import verify_bundle


def verdict(project: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project / "reports/gate.json").read_text())
    return found


def by_name(project: Path) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in verdict(project)["checks"]}


@pytest.fixture
def champion(project: Path) -> Path:
    """The model's own predictions as those of a champion."""
    return Path(shutil.copy(project / "reports/predictions.parquet", project / "champion.parquet"))


class TestChampion:
    def test_the_model_itself_is_no_champion_to_beat(self, project: Path, run: Run, champion: Path) -> None:
        succeed(run("gate", "--champion", champion.name))
        result = verdict(project)
        assert result["champion"] == verify_bundle(project / "models").digest
        assert by_name(project)["champion"]["status"] == "not-applicable"
        assert "model unchanged" in by_name(project)["champion"]["reason"]
        assert [rates["rule"] for rates in result["operating"]] == ["floor"]
        succeed(run("register"))

    def test_an_equal_champion_passes_and_is_named(self, project: Path, run: Run, champion: Path) -> None:
        pd.read_parquet(champion).to_csv(project / "equal.csv", index=False)
        succeed(run("gate", "--champion", "equal.csv"))
        assert verdict(project)["champion"] == sha256_file(project / "equal.csv")
        assert by_name(project)["roc_auc champion"]["status"] == "pass"
        assert "every score equals the champion's" in by_name(project)["roc_auc champion"]["reason"]
        # How often a worse model passes is not known from one that ranks every row alike.
        assert [rates["rule"] for rates in verdict(project)["operating"]] == ["floor"]
        succeed(run("register"))

    def test_a_better_champion_blocks(self, project: Path, run: Run, champion: Path) -> None:
        table = pd.read_parquet(champion)
        table["y_score"] = 0.5 * table["y_score"] + 0.5 * table["y_true"]
        table.to_csv(project / "better.csv", index=False)
        assert_refused(run("gate", "--champion", "better.csv"), "roc_auc champion", "worse than the champion", code=3)
        assert verdict(project)["champion"] == sha256_file(project / "better.csv")

    @pytest.mark.parametrize("source", ["base", "registry", "file"])
    def test_one_that_should_be_there_and_is_not_blocks(self, project: Path, run: Run, source: str) -> None:
        edit_params(project, gate={"champion": {"source": source}})
        assert_refused(run("gate"), f"gate.champion.source is {source}", "--champion", "--first-model", code=3)
        assert_refused(run("register"), "says block, not pass")
        succeed(run("gate", "--first-model"))
        assert by_name(project)["champion"]["status"] == "not-applicable"
        succeed(run("report"))
        assert "Declared the first model" in (project / "reports/report.md").read_text()
        assert "declared the first model" in (project / "reports/report.html").read_text().lower()
        succeed(run("register"))

    def test_the_first_model_is_the_first_one_only(self, project: Path, run: Run) -> None:
        edit_params(project, gate={"champion": {"source": "registry"}})
        succeed(run("gate", "--first-model"))
        succeed(run("register", "--promote"))
        succeed(run("register", "--promote"))
        edit_params(project, train={"seed": 9})
        for command in ("train", "evaluate"):
            succeed(run(command))
        succeed(run("gate", "--first-model"))
        assert_refused(run("register"), "has a champion, version 1", "--champion")

    def test_a_champion_and_a_first_model_contradict(self, run: Run, champion: Path) -> None:
        assert_refused(run("gate", "--champion", champion.name, "--first-model"), "contradict")

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda t: t.iloc[1:], "other rows"),
            (lambda t: t.drop(columns="row_key"), "row_key"),
            (lambda t: pd.concat([t, t.iloc[:1]]), "row_key"),
            (lambda t: t.assign(y_true=1 - t.y_true), "labels"),
            (lambda t: t.assign(y_score=np.nan), "y_score"),
            (lambda t: t.assign(y_score=1.5), "y_score"),
        ],
    )
    def test_other_rows_are_refused_and_leave_the_old_verdict(
        self, project: Path, run: Run, champion: Path, change: Any, words: str
    ) -> None:
        before = (project / "reports/gate.json").read_bytes()
        change(pd.read_parquet(champion)).to_parquet(champion, index=False)
        assert_refused(run("gate", "--champion", champion.name), words)
        assert (project / "reports/gate.json").read_bytes() == before

    def test_foreign_predictions_need_row_keys_to_be_compared(self, project: Path, run: Run, champion: Path) -> None:
        pd.read_parquet(champion)[["y_true", "y_score"]].to_csv(project / "mine.csv", index=False)
        assert_refused(
            run("gate", "--predictions", "mine.csv", "--champion", champion.name), "these predictions", "row_key"
        )

    def test_a_verdict_without_its_champion_check_is_not_registered(
        self, project: Path, run: Run, champion: Path
    ) -> None:
        edit_params(project, gate={"champion": {"source": "file"}})
        table = pd.read_parquet(champion)
        table.assign(y_score=0.9 * table["y_score"]).to_csv(project / "other.csv", index=False)
        succeed(run("gate", "--champion", "other.csv"))
        path = project / "reports/gate.json"
        whole = json.loads(path.read_text())
        for change in (
            {"checks": [check for check in whole["checks"] if check["kind"] != "champion"]},
            {"champion": None},
            {"checks": [{**c, "low": -0.2} if c["kind"] == "champion" else c for c in whole["checks"]]},
            {"checks": [{**c, "threshold": -0.2} if c["kind"] == "champion" else c for c in whole["checks"]]},
        ):
            path.write_text(json.dumps({**whole, **change}))
            assert_refused(run("register"), "champion")
        path.write_text(json.dumps(whole))
        succeed(run("register"))


class TestInconclusive:
    @pytest.fixture
    def straddling(self, project: Path) -> Path:
        """A floor that lies inside the interval of the metric."""
        value = json.loads((project / "reports/metrics.json").read_text())["roc_auc"]
        edit_params(
            project, evaluate={"floors": {"roc_auc": value - 0.001}, "ceilings": {}}, gate={"decide_on": "bound"}
        )
        return project

    def test_it_blocks(self, straddling: Path, run: Run) -> None:
        succeed(run("evaluate"))
        assert_refused(run("gate"), "inconclusive", "reaches both sides", code=3)
        assert verdict(straddling)["verdict"] == "inconclusive"

    def test_or_warns_and_still_is_not_registered(self, straddling: Path, run: Run) -> None:
        edit_params(straddling, gate={"inconclusive": "warn"})
        assert "warning: the gate says inconclusive" in succeed(run("gate")).stderr
        assert verdict(straddling)["verdict"] == "inconclusive"
        assert_refused(run("register"), "says inconclusive, not pass")

    def test_the_estimate_decides_by_default_and_says_so(self, straddling: Path, run: Run) -> None:
        edit_params(straddling, gate={"decide_on": "point"})
        succeed(run("gate"))
        assert "another test set of this size could turn this" in by_name(straddling)["roc_auc floor"]["reason"]


class TestWhatIsRegistered:
    @pytest.mark.parametrize("kind", ["calibration", "slice", "fairness", "leakage", "floor"])
    def test_every_check_is_made_again(self, project: Path, run: Run, kind: str) -> None:
        edit_params(project, evaluate={"slices": ["region"]})
        for command in ("train", "evaluate", "gate"):
            succeed(run(command))
        path = project / "reports/gate.json"
        whole = json.loads(path.read_text())
        number = next(
            i for i, check in enumerate(whole["checks"]) if check["kind"] == kind and check["value"] is not None
        )
        changed = [{**c, "value": c["value"] + 0.001} if i == number else c for i, c in enumerate(whole["checks"])]
        for checks in (changed, whole["checks"][:number] + whole["checks"][number + 1 :]):
            path.write_text(json.dumps({**whole, "checks": checks}))
            assert_refused(run("register"), whole["checks"][number]["name"], "run `lockgate gate` again")
        path.write_text(json.dumps(whole))
        succeed(run("register"))

    def test_a_slice_column_of_another_policy_is_taken_from_the_test_rows(self, project: Path, run: Run) -> None:
        (project / "base.yaml").write_text("evaluate: {slices: [region], fairness: [region]}\n")
        succeed(run("gate", "--policy", "base.yaml"))
        assert any(check["slice"] and check["slice"].startswith("region = ") for check in verdict(project)["checks"])


class TestLeakage:
    def test_a_model_that_knows_its_test_rows_does_not_pass(self, project: Path, run: Run) -> None:
        shutil.copy(project / "data/train.parquet", project / "data/test.parquet")
        succeed(run("evaluate"))
        assert_refused(run("gate"), "rows shared by train and test", "test rows have the features", code=3)
        succeed(run("report"))
        for name in ("report.md", "report.html"):
            assert "rows shared by train and test" in (project / "reports" / name).read_text()

    def test_without_the_training_rows_nobody_passes_or_registers(self, project: Path, run: Run) -> None:
        succeed(run("gate"))
        rows = project / "data/train.parquet"
        content = rows.read_bytes()
        rows.unlink()
        assert_refused(run("register"), "rows shared by train and test")
        assert_refused(run("gate"), "leakage cannot be ruled out", "data/train.parquet is not there", code=3)
        edit_params(project, evaluate={"leakage": {"plain": "warn"}})
        succeed(run("gate"))
        rows.write_bytes(content)
        assert_refused(run("register"), "rows shared by train and test")

    def test_with_other_training_rows_nobody_passes(self, project: Path, run: Run) -> None:
        rows = project / "data/train.parquet"
        pd.read_parquet(rows).iloc[1:].to_parquet(rows, index=False)
        assert_refused(run("gate"), "train.parquet", code=3)
        bundle = verify_bundle(project / "models")
        test, other = (Table(pd.read_parquet(project / f"data/{name}.parquet"), name) for name in ("test", "train"))
        features = bundle_features(bundle, test, other, Prepare())
        assert features.train is None
        assert features.why_no_train.startswith("train is not what the model was trained on (its sha256 is not")

    def test_a_feature_that_may_be_strong_is_shown(self, project: Path, run: Run) -> None:
        edit_params(project, evaluate={"leakage": {"expected": ["income"]}})
        for command in ("evaluate", "gate", "report"):
            succeed(run(command))
        for name in ("report.md", "report.html"):
            assert "Expected to be strong" in (project / "reports" / name).read_text()
        edit_params(project, evaluate={"leakage": {"expected": ["incom"]}})
        assert_refused(run("gate"), "evaluate.leakage.expected names `incom`", "`income`")


class TestTestSet:
    def test_each_model_counts_once(self, project: Path, run: Run) -> None:
        succeed(run("gate"))
        first = (project / "reports/gate.json").read_bytes(), (project / "reports/test_set_history.json").read_bytes()
        succeed(run("gate"))
        assert (
            (project / "reports/gate.json").read_bytes(),
            (project / "reports/test_set_history.json").read_bytes(),
        ) == first
        assert verdict(project)["test_set"]["models"] == 1

    def test_other_models_exhaust_it(self, project: Path, run: Run) -> None:
        path = project / "reports/test_set_history.json"
        history = json.loads(path.read_text())
        (one,) = history["decisions"]
        history["decisions"] += [{**one, "model": str(number)} for number in range(40)]
        path.write_text(json.dumps(history))
        succeed(run("gate"))
        assert (verdict(project)["test_set"]["models"], verdict(project)["test_set"]["exhausted"]) == (41, True)
        succeed(run("report"))
        assert "exhausted" in (project / "reports/report.md").read_text()
        assert "exhausted" in (project / "reports/report.html").read_text()

    def test_a_broken_history_is_refused(self, project: Path, run: Run) -> None:
        (project / "reports/test_set_history.json").write_text("{")
        assert_refused(run("gate"), "test_set_history.json")

    def test_models_judged_on_one_table_of_labels_are_counted_together(self, tmp_path: Path) -> None:
        (tmp_path / "params.yaml").write_text("evaluate: {floors: {roc_auc: 0.6}, ceilings: {}}\n")
        rng = np.random.default_rng(3)
        score = rng.random(400)
        table = pd.DataFrame({"y_true": (rng.random(400) < score).astype(int), "y_score": score})
        table.to_csv(tmp_path / "one.csv", index=False)
        table.assign(y_score=score**2).to_csv(tmp_path / "other.csv", index=False)
        succeed(invoke(tmp_path, "gate", "--predictions", "one.csv"))
        succeed(invoke(tmp_path, "gate", "--predictions", "other.csv"))
        assert verdict(tmp_path)["test_set"]["models"] == 2


class TestOddTables:
    """Whatever a table holds, the answer is a named status or a refusal."""

    @pytest.mark.parametrize("rows", [[(1, 0.4)], [(0, 0.4)], []])
    def test_one_row_or_none_is_refused(self, tmp_path: Path, rows: list[tuple[int, float]]) -> None:
        (tmp_path / "params.yaml").write_text("evaluate: {floors: {roc_auc: 0.6}}\n")
        pd.DataFrame(rows, columns=["y_true", "y_score"]).to_csv(tmp_path / "t.csv", index=False)
        assert invoke(tmp_path, "gate", "--predictions", "t.csv").exit_code == 2

    @pytest.mark.parametrize("scores", [[0.3, 0.3], [0.0, 1.0], [1.0, 0.0]])
    @pytest.mark.parametrize("rows", [1, 50])
    @pytest.mark.parametrize("decide_on", ["point", "bound"])
    def test_equal_and_separated_scores_have_named_statuses(
        self, tmp_path: Path, scores: list[float], rows: int, decide_on: str
    ) -> None:
        (tmp_path / "params.yaml").write_text(
            f"evaluate: {{floors: {{roc_auc: 0.6, pr_auc: 0.5, ks: 0.1}}}}\ngate: {{decide_on: {decide_on}}}\n"
        )
        table = pd.DataFrame({"row_key": range(2 * rows), "y_true": [0, 1] * rows, "y_score": scores * rows})
        table.to_csv(tmp_path / "t.csv", index=False)
        code = invoke(tmp_path, "gate", "--predictions", "t.csv", "--champion", "t.csv").exit_code
        found = by_name(tmp_path)
        assert code == (0 if verdict(tmp_path)["verdict"] == "pass" else 3)
        assert found["roc_auc floor"]["interval"] in ("constant-scores", "separated", "too-few-rows")
        assert found["calibration slope"]["interval"] == "no-calibration-line"
        if scores[0] >= scores[1] or (rows == 1 and decide_on == "bound"):
            assert verdict(tmp_path)["verdict"] != "pass"

    def test_a_slice_column_that_is_not_there_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "params.yaml").write_text("evaluate: {slices: [sex]}\n")
        pd.DataFrame({"y_true": [0, 1] * 50, "y_score": [0.2, 0.7] * 50}).to_csv(tmp_path / "t.csv", index=False)
        assert_refused(invoke(tmp_path, "gate", "--predictions", "t.csv"), "evaluate.slices", "`sex`")


class TestPlan:
    def test_rows_for_a_margin(self, tmp_path: Path) -> None:
        output = succeed(invoke(tmp_path, "plan")).stdout
        assert "5,452 test rows" in output
        assert "gate.champion.confidence to 0.9" in output

    def test_rates_for_rows(self, project: Path, run: Run) -> None:
        assert "blocks an equally good model in 1.7%" in succeed(run("plan", "--rows", "6000")).stdout

    @pytest.mark.parametrize("option", [("--margin", "0"), ("--auc", "1"), ("--prevalence", "0"), ("--rows", "3")])
    def test_what_is_no_plan_is_refused(self, tmp_path: Path, option: tuple[str, str]) -> None:
        assert invoke(tmp_path, "plan", *option).exit_code == 2
