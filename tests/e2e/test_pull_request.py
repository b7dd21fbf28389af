"""The pull request's workflow, run by act in a copy of the tree with little data.

Where a called workflow fails, act 0.2.89 does not start the job `all-green` that GitHub starts then: what it does with
each result is asked in tests/contract/test_workflows.py.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from e2e.act import Project, copy_of_the_tree, pull_request, pushed
from e2e.act_log import Run
from support import edit_params


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
    project.commit("More", **{"README.md": "Words.\n"})
    shutil.copytree(project.path / ".dvc/cache", folder / "state/caches/lockgate-dvc-1-earlier/0")
    run = project.run("pr.yml", "push", state=folder / "state", payload=pushed(project))
    return project, folder / "state", run


@pytest.fixture
def project(seed: tuple[Project, Path, Run], tmp_path: Path) -> Project:
    """A clone to make a change in."""
    original = seed[0]
    skipped = shutil.ignore_patterns("cache", "models", "reports", "mlartifacts", "mlflow.db")
    path = Path(shutil.copytree(original.path, tmp_path / "kit", symlinks=True, ignore=skipped))
    return Project(path, original.name, path)


@pytest.fixture
def state(seed: tuple[Project, Path, Run], tmp_path: Path) -> Path:
    """What GitHub has kept so far, for one test; not the packages, which lie in the tool cache."""
    return Path(shutil.copytree(seed[1], tmp_path / "state", ignore=shutil.ignore_patterns("lockgate-packages*")))


def judge(project: Project, state: Path) -> Run:
    """Commit what was changed, and run the pull request."""
    base = project.git("rev-parse", "HEAD")
    project.commit("A change")
    return project.run("pr.yml", "pull_request", state=state, payload=pull_request(project, base))


def report(run: Run, name: str) -> Any:
    return json.loads((run.artifact("report") / name).read_text())


class TestDefaultBranch:
    def test_is_green_and_keeps_its_bundle(self, seed: tuple[Project, Path, Run]) -> None:
        run = seed[2].expect("success", "model / measure", "model / gate", "all-green")
        bundle = {path.name for path in run.artifact("bundle").iterdir()}
        assert {"manifest.json", "model.json", "profile.json", "schema.json"} <= bundle

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


class TestPullRequest:
    def test_an_unchanged_model_passes_by_its_thresholds(self, project: Project, state: Path) -> None:
        (project.path / "README.md").write_text("Words.\n")
        run = judge(project, state).expect("success", "model / measure", "model / gate", "all-green")
        checks = {check["name"]: check for check in report(run, "gate.json")["checks"]}
        assert checks["champion"]["status"] == "not-applicable"
        assert "model unchanged" in checks["champion"]["reason"]
        assert "is the model of" in run.text
        assert "restored from the cache" in run.text
        assert "Running stage 'train'" not in run.text
        assert not run.artifact("bundle").exists()
        assert run.outputs["model / measure"]["stale-lock"] == "false"
        assert "| dvc repro |" in run.summary

    @pytest.mark.full
    def test_shuffled_labels_turn_it_red_with_the_report_uploaded(self, project: Project, state: Path) -> None:
        import pandas as pd

        data = project.path / "data"
        table = pd.concat([pd.read_parquet(data / f"{part}.parquet") for part in ("train", "test")])
        table = table.drop(columns="row_key")
        table["default"] = table["default"].sample(frac=1, random_state=3).to_numpy()
        table.to_csv(project.path / "shuffled.csv", index=False)
        change_params(project, prepare={"source": "shuffled.csv", "current": None})
        run = judge(project, state)
        run.expect("success", "model / measure").expect("failure", "model / gate")
        gate = report(run, "gate.json")
        assert gate["verdict"] == "block"
        assert {"roc_auc floor", "pr_auc floor"} <= {one["name"] for one in gate["checks"] if one["status"] == "block"}
        assert "blocked" in run.summary.lower()
        assert run.outputs["model / measure"]["verdict"] == "block"

    @pytest.mark.full
    def test_a_lowered_floor_does_not_lower_the_bar(self, project: Project, state: Path) -> None:
        """The base commit asks for 0.70; the change asks for 0.10, and trains a model that only that would let pass."""
        change_params(
            project,
            evaluate={"floors": {"roc_auc": 0.1}, "ceilings": {}},
            train={"num_boost_round": 1, "max_depth": 1, "early_stopping_rounds": None},
        )
        run = judge(project, state).expect("failure", "model / gate")
        floors = {check["name"]: check for check in report(run, "gate.json")["checks"] if check["kind"] == "floor"}
        assert floors["roc_auc floor"]["threshold"] == 0.7
        change = next(one for one in report(run, "policy.json")["changes"] if one["key"] == "evaluate.floors.roc_auc")
        assert (change["base"], change["head"], change["used"], change["kind"]) == (0.7, 0.1, 0.7, "policy")
        assert "**This change edits the policy.**" in run.summary
        assert run.outputs["model / measure"]["policy-changed"] == "true"
        assert "the project's own script trains" in run.text
        # Its lock was not made again either.
        assert run.outputs["model / measure"]["stale-lock"] == "true"
        assert "`dvc repro`, then commit `dvc.lock`" in run.summary

    @pytest.mark.full
    def test_a_verdict_that_the_change_carries_counts_for_nothing(self, project: Project, state: Path) -> None:
        verdict = json.loads(next((state / "artifacts").glob("*/report/gate.json")).read_text())
        (project.path / ".gitignore").write_text("/data/\n/models/\n")
        change_params(project, train={"max_depth": "deep"})
        project.commit("Forge", **{"reports/gate.json": json.dumps(verdict)})
        run = project.run(
            "pr.yml", "pull_request", state=state, payload=pull_request(project, project.git("rev-parse", "HEAD~1"))
        )
        run.expect("failure", "model / measure", "model / gate")
        assert run.outputs["model / measure"]["verdict"] == "error"
        assert not (run.artifact("report") / "gate.json").exists()
        assert "max_depth" in run.summary
