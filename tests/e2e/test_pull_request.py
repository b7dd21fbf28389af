"""The pull request's workflow, run by act in a copy of the tree with little data: real merges, judged on a clean machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from e2e.act import Project, copy_of_the_tree, pull_request, pushed, tool_cache
from e2e.act_log import Run
from e2e.earlier_runs import keep
from fake_github import FakeGitHub
from support import edit_params

HOSTILE_STAGE = Path(__file__).with_name("hostile_stage.py")


def change_params(project: Project, **sections: dict[str, Any]) -> None:
    edit_params(project.path, **sections)


def reproduce_lock(project: Project) -> None:
    """What whoever makes the change does before committing."""
    for name in ("data", "models", "reports"):
        shutil.rmtree(project.path / name, ignore_errors=True)
    program = Path(sys.executable).parent / "lockgate"
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        [program, "reproduce"],
        cwd=project.path,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Path, Run]:
    """The default branch after its own run: its caches and its bundle are kept."""
    folder = tmp_path_factory.mktemp("act")
    project = copy_of_the_tree(folder / "kit")
    reproduce_lock(project)
    project.commit("Lock")
    shutil.copytree(project.path / ".dvc/cache", folder / "state/caches/lockgate-dvc-1-earlier/0")
    payload = {**pushed(project), "before": "0" * 40}
    with FakeGitHub({"repository": project.name}) as fake:
        run = project.run("pr.yml", "push", state=folder / "state", payload=payload, api_url=fake.url)
    return project, folder / "state", run


@pytest.fixture
def project(seed: tuple[Project, Path, Run], tmp_path: Path) -> Project:
    """A clone to make a change in, on a branch of its own."""
    original = seed[0]
    skipped = shutil.ignore_patterns("cache", "models", "reports", "mlartifacts", "mlflow.db")
    path = Path(shutil.copytree(original.path, tmp_path / "kit", symlinks=True, ignore=skipped))
    project = Project(path, original.name, path)
    project.git("switch", "--quiet", "--create", "change")
    return project


@pytest.fixture
def state(seed: tuple[Project, Path, Run], tmp_path: Path) -> Path:
    """What GitHub has kept so far, for one test; not the packages, which lie in the tool cache."""
    return Path(shutil.copytree(seed[1], tmp_path / "state", ignore=shutil.ignore_patterns("lockgate-packages*")))


@pytest.fixture
def github(seed: tuple[Project, Path, Run], fake_github: FakeGitHub) -> FakeGitHub:
    """GitHub, which kept what the default branch's run left."""
    fake_github.state["repository"] = seed[0].name
    keep(fake_github, seed[2], seed[0].git("rev-parse", "main"))
    return fake_github


def german_credit() -> pd.DataFrame:
    """A thousand loans with the columns of the German credit file in words, and bad ones that somebody could foresee."""
    random = np.random.default_rng(5)
    rows = 1000
    duration, amount = random.integers(4, 73, rows), random.integers(250, 18_500, rows)
    checking = random.choice(["little", "moderate", "rich"], rows)
    savings = random.choice(["little", "moderate", "quite rich", "rich"], rows)
    risk = 0.09 * (duration - 38) + 2.5 * (checking == "little") - 2.0 * (savings == "rich") - 2.2
    return pd.DataFrame(
        {
            "Age": random.integers(19, 76, rows),
            "Sex": random.choice(["male", "female"], rows),
            "Job": random.choice(["unskilled", "skilled", "highly skilled"], rows),
            "Housing": random.choice(["own", "rent", "free"], rows),
            "Saving accounts": savings,
            "Checking account": checking,
            "Credit amount": amount,
            "Duration": duration,
            "Purpose": random.choice(["radio/TV", "education", "car"], rows),
            "Risk": np.where(random.random(rows) < 1 / (1 + np.exp(-risk)), "bad", "good"),
        }
    )


def open_pull_request(project: Project, state: Path, github: FakeGitHub, *, own_environments: bool = False) -> Run:
    """Commit what was changed, merge it into the default branch as it is now, and run the pull request.

    The payload has the base of the moment at which the pull request was opened, as GitHub's may have.
    """
    left = project.git("merge-base", "main", "change")
    project.commit("A change")
    project.git("switch", "--quiet", "--detach", "main")
    project.git("merge", "--quiet", "--no-ff", "--no-edit", "change")
    return project.run(
        "pr.yml",
        "pull_request",
        state=state,
        payload=pull_request(project, left),
        api_url=github.url,
        own_environments=own_environments,
    )


def move_main(project: Project, **sections: dict[str, Any]) -> None:
    """Somebody else changes the parameters on the default branch."""
    project.git("switch", "--quiet", "main")
    change_params(project, **sections)
    project.commit("Main moves on")
    project.git("switch", "--quiet", "change")


def report(run: Run, name: str) -> Any:
    return json.loads((run.artifact("report") / name).read_text())


def checks(run: Run) -> dict[str, Any]:
    return {check["name"]: check for check in report(run, "gate.json")["checks"]}


class TestDefaultBranch:
    def test_is_green_and_keeps_its_bundle_and_its_decisions(self, seed: tuple[Project, Path, Run]) -> None:
        run = seed[2].expect("success", "model / measure", "model / judge")
        assert "model / champion" not in run.jobs
        bundle = {path.name for path in run.artifact("bundle").iterdir()}
        assert {"manifest.json", "model.json", "profile.json", "schema.json"} <= bundle
        decisions = json.loads((run.artifact("test-set-history") / "test_set_history.json").read_text())["decisions"]
        assert [one["verdict"] for one in decisions] == ["pass"]
        assert "as this push makes the default branch: this is the first model" in run.summary

    def test_the_report_is_json_and_nothing_else(self, seed: tuple[Project, Path, Run]) -> None:
        files = [path for path in seed[2].artifact("report").rglob("*") if path.is_file()]
        assert {path.suffix for path in files} == {".json"}
        names = {path.name for path in files}
        assert {
            "gate.json",
            "metrics.json",
            "drift.json",
            "train.json",
            "schema.json",
            "manifest.json",
            "policy.json",
        } <= names

    def test_what_measure_hands_over_has_no_verdict(self, seed: tuple[Project, Path, Run]) -> None:
        handed = seed[2].artifact("measured")
        names = {path.relative_to(handed).as_posix() for path in handed.rglob("*") if path.is_file()}
        assert {"models/manifest.json", "data/test.parquet", "reports/reproduction.json", "dvc.lock"} <= names
        assert not {"reports/gate.json", "reports/predictions.parquet", "reports/metrics.json"} & names


class TestPullRequest:
    @pytest.mark.full
    def test_an_unchanged_model_passes_by_its_thresholds(
        self, project: Project, state: Path, github: FakeGitHub
    ) -> None:
        (project.path / "README.md").write_text("Words.\n")
        run = open_pull_request(project, state, github).expect("success", "model / measure", "model / judge")
        assert "model / champion" not in run.jobs
        assert checks(run)["champion"]["status"] == "not-applicable"
        assert "model unchanged" in checks(run)["champion"]["reason"]
        assert "as its run on the default branch stored it" in run.text
        assert "Running stage 'train'" not in run.text
        assert not run.artifact("bundle").exists()
        assert not run.artifact("test-set-history").exists()
        assert run.outputs["model / judge"]["stale-lock"] == "false"
        assert "| dvc repro |" in run.summaries["model / measure"]
        assert "| hand-over checked |" in run.summaries["model / judge"]

    @pytest.mark.full
    def test_a_copys_first_data_of_its_own_get_a_verdict(
        self, project: Project, state: Path, github: FakeGitHub
    ) -> None:
        """No row of the worked example is among them, and the model of main knows none of their columns."""
        german_credit().to_csv(project.path / "german.csv", index=False)
        own = {"source": "german.csv", "target": "Risk", "positive": "bad", "audit_columns": ["Sex"], "current": None}
        change_params(project, prepare=own, train={"monotone": {}})
        run = open_pull_request(project, state, github).expect("success", "model / measure", "model / judge")
        assert "model / champion" not in run.jobs  # the one that main's run stored suffices
        gate = report(run, "gate.json")
        assert (gate["verdict"], gate["new_data_rule"], gate["first_model"]) == ("pass", "thresholds", False)
        assert checks(run)["champion"]["reason"].startswith(
            "the data are defined anew, the thresholds alone decide: the target is `Risk`, the champion's was `default`"
        )
        assert "by the thresholds alone on data defined anew" in run.summaries["model / judge"]

    @pytest.mark.full
    def test_main_moved_on_and_raised_its_floor_while_the_change_waited(
        self, project: Project, state: Path, github: FakeGitHub
    ) -> None:
        """No run stored the model of main's newest commit, which is reproduced in a job of its own."""
        move_main(project, evaluate={"floors": {"roc_auc": 0.99, "pr_auc": 0.45}})
        (project.path / "README.md").write_text("Words.\n")
        run = open_pull_request(project, state, github)
        run.expect("success", "model / measure", "model / champion").expect("failure", "model / judge")
        floor = checks(run)["roc_auc floor"]
        assert (floor["threshold"], floor["status"]) == (0.99, "block")
        assert "model unchanged" in checks(run)["champion"]["reason"]
        assert "as the job `champion` reproduced it" in run.text
        # It was not the change that edited the policy.
        assert report(run, "policy.json")["changes"] == []
        assert run.outputs["model / judge"]["policy-changed"] == "false"
        assert "edits the policy" not in run.summary

    @pytest.mark.full
    def test_shuffled_labels_turn_it_red_with_the_report_uploaded(
        self, project: Project, state: Path, github: FakeGitHub
    ) -> None:
        data = project.path / "data"
        table = pd.concat([pd.read_parquet(data / f"{part}.parquet") for part in ("train", "test")])
        table = table.drop(columns="row_key")
        table["default"] = table["default"].sample(frac=1, random_state=3).to_numpy()
        table.to_csv(project.path / "shuffled.csv", index=False)
        change_params(project, prepare={"source": "shuffled.csv", "current": None})
        run = open_pull_request(project, state, github)
        run.expect("success", "model / measure").expect("failure", "model / judge")
        assert report(run, "gate.json")["verdict"] == "block"
        blocked = {name for name, check in checks(run).items() if check["status"] == "block"}
        assert {"roc_auc floor", "pr_auc floor"} <= blocked
        assert "blocked" in run.summary.lower()
        assert run.outputs["model / judge"]["verdict"] == "block"

    @pytest.mark.full
    def test_a_lowered_floor_does_not_lower_the_bar(self, project: Project, state: Path, github: FakeGitHub) -> None:
        """The base commit asks for 0.70; the change asks for 0.10, and trains a model that only that would let pass."""
        change_params(
            project,
            evaluate={"floors": {"roc_auc": 0.1}, "ceilings": {}},
            train={"num_boost_round": 1, "max_depth": 1, "early_stopping_rounds": None},
        )
        run = open_pull_request(project, state, github).expect("failure", "model / judge")
        floors = {name: check for name, check in checks(run).items() if check["kind"] == "floor"}
        assert floors["roc_auc floor"]["threshold"] == 0.7
        change = next(one for one in report(run, "policy.json")["changes"] if one["key"] == "evaluate.floors.roc_auc")
        assert (change["base"], change["head"], change["used"], change["kind"]) == (0.7, 0.1, 0.7, "policy")
        assert "**This change edits the policy.**" in run.summary
        assert run.outputs["model / judge"]["policy-changed"] == "true"
        assert "the project's own script trains" in run.text
        # Its lock was not made again either.
        assert run.outputs["model / judge"]["stale-lock"] == "true"
        assert "`dvc repro`, then commit `dvc.lock`" in run.summary

    @pytest.mark.full
    def test_a_verdict_that_the_change_carries_counts_for_nothing(
        self, project: Project, state: Path, github: FakeGitHub
    ) -> None:
        """Nothing is measured, and the judge runs and fails all the same, with a report."""
        verdict = json.loads(next((state / "artifacts").glob("*/report/gate.json")).read_text())
        (project.path / ".gitignore").write_text("/data/\n/models/\n")
        change_params(project, train={"max_depth": "deep"})
        project.commit("Forge", **{"reports/gate.json": json.dumps(verdict)})
        run = open_pull_request(project, state, github)
        run.expect("failure", "model / measure", "model / judge")
        assert run.outputs["model / judge"]["verdict"] == "error"
        assert {path.name for path in run.artifact("report").iterdir()} == {"policy.json"}
        assert "the job measure ended with failure" in run.summaries["model / judge"]
        assert "max_depth" in run.summaries["model / measure"]


class TestHostileStage:
    """A stage leaves a process behind, writes BASH_ENV and PYTHONPATH for later steps, and edits the kit's own folder."""

    @pytest.fixture(autouse=True)
    def _cleaned(self) -> Iterator[None]:
        """act's jobs share this machine's tool cache, which GitHub's do not."""
        yield
        for file in tool_cache().rglob("hostile.pth"):
            file.unlink()

    @pytest.mark.full
    @pytest.mark.parametrize("forges_hand_over", [False, True])
    def test_changes_nothing_in_the_verdict(
        self, project: Project, state: Path, github: FakeGitHub, forges_hand_over: bool
    ) -> None:
        script = HOSTILE_STAGE.read_text().replace("FORGES_HAND_OVER = False", f"FORGES_HAND_OVER = {forges_hand_over}")
        change_params(project, train={"num_boost_round": 1, "max_depth": 1, "early_stopping_rounds": None})
        (project.path / "pipeline/train.py").write_text(script)
        run = open_pull_request(project, state, github, own_environments=True).expect("success", "model / measure")
        assert set((state / "ran").read_text().split()) == {"measure"}
        if forges_hand_over:
            run.expect("failure", "model / judge")
            assert run.outputs["model / judge"]["verdict"] == "error"
            assert "nobody hands over" in run.summaries["model / judge"]
        else:
            run.expect("failure", "model / judge")
            # The model is worse than main's, whatever the verdict says that the process writes.
            assert report(run, "gate.json")["verdict"] == "block"
            assert checks(run)["roc_auc champion"]["status"] == "block"
