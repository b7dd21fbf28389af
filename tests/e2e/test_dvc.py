"""The stages under DVC, in a clone of the committed project with little data: what reruns, what is restored, what blocks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import SMALL, edit_params, tree

ROOT = Path(__file__).parents[2]
DVC = [sys.executable, "-m", "dvc"]
STAGES = ("prepare", "train", "evaluate", "drift")


def environment() -> dict[str, str]:
    """Stages call `lockgate` by name; the clone's own code must answer."""
    cleaned = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DVC_", "GIT_"))}
    return {**cleaned, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def call(folder: Path, *command: str, code: int = 0) -> str:
    answer = subprocess.run(
        command,
        cwd=folder,
        env={**environment(), "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert answer.returncode == code, f"{command}\n{answer.stdout}\n{answer.stderr}"
    return answer.stdout + answer.stderr


def repro(folder: Path, *arguments: str, code: int = 0) -> set[str]:
    """Run `dvc repro` and tell which stages ran."""
    output = call(folder, *DVC, "repro", *arguments, code=code)
    return {stage for stage in STAGES if f"Running stage '{stage}'" in output}


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as git has it (and as it is being edited), reproduced once on little data."""
    folder = tmp_path_factory.mktemp("dvc") / "project"
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\n")  # fmt: skip
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / "dvc.lock").unlink()
    edit_params(folder, **SMALL)
    call(folder, "git", "init", "--quiet")
    assert repro(folder) == set(STAGES)
    return folder


@pytest.fixture
def project(reproduced: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(reproduced, tmp_path / "project", symlinks=True))


@pytest.mark.xdist_group("dvc")
class TestRepro:
    def test_unchanged_nothing_runs(self, project: Path) -> None:
        assert repro(project) == set()

    @pytest.mark.parametrize(
        ("section", "values", "ran"),
        [
            ("prepare", {"shock": 0.0}, {"prepare", "drift"}),
            ("train", {"seed": 5}, {"train", "evaluate", "drift"}),
            ("evaluate", {"floors": {"roc_auc": 0.6}}, {"evaluate"}),
            ("drift", {"warn": 0.15}, {"drift"}),
            ("gate", {"inconclusive": "warn"}, set()),
            ("register", {"model_name": "other"}, set()),
        ],
    )
    def test_only_what_changed_runs(self, project: Path, section: str, values: dict, ran: set[str]) -> None:
        edit_params(project, **{section: values})
        assert repro(project) == ran

    def test_a_model_below_a_floor_fails_repro_and_the_rest_can_still_be_run(self, project: Path) -> None:
        edit_params(project, evaluate={"floors": {"roc_auc": 0.99}}, drift={"warn": 0.2})
        call(project, *DVC, "repro", "evaluate", code=255)
        assert json.loads((project / "reports/metrics.json").read_text())["roc_auc"] < 0.99
        assert (project / "reports/predictions.parquet").exists()
        call(project, *DVC, "repro", "drift")
        call(project, "lockgate", "gate", code=3)
        call(project, "lockgate", "report")
        assert "blocked" in (project / "reports/report.md").read_text().splitlines()[0].lower()
        call(project, "lockgate", "register", code=2)

    def test_twice_from_nothing_gives_the_same_bytes(self, project: Path) -> None:
        call(project, "lockgate", "gate")
        call(project, "lockgate", "report")
        before = {part: tree(project / part) for part in ("data", "models", "reports")}
        for part in before:
            shutil.rmtree(project / part)
        shutil.rmtree(project / ".dvc/cache")
        assert repro(project, "--force") == set(STAGES)
        call(project, "lockgate", "gate")
        call(project, "lockgate", "report")
        after = {part: tree(project / part) for part in before}
        for found in (before, after):
            found["models"].pop("provenance.json")
        assert after == before

    def test_a_killed_run_leaves_nothing_half_written_and_the_next_gives_the_same_bytes(self, project: Path) -> None:
        before = tree(project / "models")
        shutil.rmtree(project / "models")
        training = subprocess.Popen(
            [sys.executable, "-m", "lockgate", "train"], cwd=project,
            env={**environment(), "PYTHONPATH": str(project)}, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        assert training.stderr is not None
        assert b"round" in training.stderr.readline()
        training.kill()
        training.wait()
        training.stderr.close()
        assert not (project / "models").exists() or not [name for name in tree(project / "models") if "/" not in name]
        call(project, "lockgate", "train")
        after = tree(project / "models")
        before.pop("provenance.json")
        after.pop("provenance.json")
        assert after == before

    def test_the_run_cache_restores_a_training_and_its_model_can_be_registered(self, project: Path) -> None:
        """As on a machine that shares DVC's cache and never trained."""
        for name in ("data", "models", "reports", "mlartifacts"):
            shutil.rmtree(project / name)
        (project / "mlflow.db").unlink()
        (project / "dvc.lock").unlink()
        output = call(project, *DVC, "repro")
        assert "is cached - skipping run, checking out outputs" in output
        assert "Running stage 'train'" not in output
        call(project, "lockgate", "gate")
        assert "champion is version 1" in call(project, "lockgate", "register", "--promote")

    def test_metrics_and_plots_are_dvcs(self, project: Path) -> None:
        shown = json.loads(call(project, *DVC, "metrics", "show", "--json").split("\n")[0])
        assert shown[""]["data"]["reports/metrics.json"]["data"]["roc_auc"] > 0.6
        call(project, *DVC, "plots", "show", "--out", "plots")
        page = (project / "plots/index.html").read_text()
        for name in ("False positive rate", "Precision", "Observed rate", "Score distribution by class"):
            assert name in page

    def test_own_data_that_dvc_does_not_watch_is_said(self, project: Path) -> None:
        import pandas as pd

        parts = [pd.read_parquet(project / f"data/{part}.parquet") for part in ("train", "test")]
        pd.concat(parts).drop(columns="row_key").to_parquet(project / "own.parquet")
        edit_params(project, prepare={"source": "own.parquet", "current": None})
        assert "add `- own.parquet` under its deps" in call(project, *DVC, "repro", "prepare")
