"""The stages under DVC, in a project with little data: what reruns, what is restored, what blocks."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML
from support import SMALL, WITHOUT_EVIDENTLY, edit_params, tree, write_params

from lockgate.config.results_number import RESULTS
from lockgate.dvc.stages import kit_stages

ROOT = Path(__file__).parents[2]
SCRIPT = "      - data/train.parquet\n      - pipeline/train.py\n    params"
DVC = [sys.executable, "-m", "dvc"]
STAGES = ("prepare", "train", "evaluate", "drift")
# Every section that a stage depends on, so that a change of it is one.
PARAMS = {
    "prepare": {**SMALL["prepare"], "source": "synthetic", "current": "synthetic", "shock": 1.0},
    "train": SMALL["train"],
    "evaluate": {"floors": {"roc_auc": 0.65, "pr_auc": 0.35}, "slices": []},
    "gate": {"inconclusive": "block"},
    "drift": {"warn": 0.10},
    "decision": {"threshold": 0.25},
    "register": {"model_name": "loans"},
}
AUTHOR = ("-c", "user.name=a", "-c", "user.email=a@example.invalid", "-c", "commit.gpgsign=false")


def environment(**more: str) -> dict[str, str]:
    """Stages call `lockgate` and `python` by name: those of this environment."""
    cleaned = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DVC_", "GIT_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**cleaned, "PATH": path, "PYTHONPATH": WITHOUT_EVIDENTLY, **more}


def call(folder: Path, *command: str, code: int = 0, **more: str) -> str:
    answer = subprocess.run(command, cwd=folder, env=environment(**more), capture_output=True, text=True, timeout=900)
    assert answer.returncode == code, f"{command}\n{answer.stdout}\n{answer.stderr}"
    return answer.stdout + answer.stderr


def git(folder: Path, *arguments: str) -> str:
    return call(folder, "git", *AUTHOR, *arguments)


def repro(folder: Path, *arguments: str, code: int = 0) -> set[str]:
    """Run `dvc repro` and tell which stages ran."""
    output = call(folder, *DVC, "repro", *arguments, code=code)
    return {stage for stage in STAGES if f"Running stage '{stage}'" in output}


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a script of its own, reproduced once on little data."""
    folder = tmp_path_factory.mktemp("dvc") / "project"
    shutil.copytree(ROOT / "tests/project/pipeline", folder / "pipeline")
    write_params(folder, PARAMS)
    stages = kit_stages().replace("cmd: lockgate train ", "cmd: python pipeline/train.py ")
    (folder / "dvc.yaml").write_text(stages.replace("      - data/train.parquet\n    params", SCRIPT))
    (folder / ".gitignore").write_text("/data/\n/models/\n/reports/\n/mlflow.db*\n/mlartifacts/\n")
    call(folder, "git", "init", "--quiet", "--initial-branch=main")
    output = call(folder, "lockgate", "reproduce")
    assert all(f"{stage}: ran" in output for stage in STAGES)
    assert "the project's own script trains" in output
    (folder / "reports/reproduction.json").unlink()  # of this run alone, with its seconds
    return folder


@pytest.fixture
def project(reproduced: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(reproduced, tmp_path / "project", symlinks=True))


class TestRepro:
    def test_unchanged_nothing_runs(self, project: Path) -> None:
        assert repro(project) == set()

    @pytest.mark.parametrize(
        ("section", "values", "ran"),
        [
            pytest.param("prepare", {"shock": 0.0}, {"prepare", "drift"}, marks=pytest.mark.full),
            pytest.param("train", {"seed": 5}, {"train", "evaluate", "drift"}, marks=pytest.mark.full),
            # A night holds outcomes against the gate's thresholds, and the bundle counts the rows of each slice.
            ("evaluate", {"floors": {"roc_auc": 0.6}}, {"evaluate", "drift"}),
            pytest.param("evaluate", {"slices": ["region"]}, {"train", "evaluate", "drift"}, marks=pytest.mark.full),
            pytest.param("evaluate", {"confidence": 0.9}, {"evaluate"}, marks=pytest.mark.full),
            # The bundle carries the rule of drift.
            pytest.param("drift", {"warn": 0.15}, {"train", "evaluate", "drift"}, marks=pytest.mark.full),
            ("gate", {"inconclusive": "warn"}, set()),
            pytest.param("register", {"model_name": "other"}, set(), marks=pytest.mark.full),
        ],
    )
    def test_only_what_changed_runs(self, project: Path, section: str, values: dict, ran: set[str]) -> None:
        edit_params(project, **{section: values})
        assert repro(project) == ran

    @pytest.mark.full
    def test_a_model_below_a_floor_fails_repro_and_the_rest_can_still_be_run(self, project: Path) -> None:
        edit_params(project, evaluate={"floors": {"roc_auc": 0.99}}, prepare={"shock": 0.5})
        call(project, *DVC, "repro", "evaluate", code=255)
        assert json.loads((project / "reports/metrics.json").read_text())["roc_auc"] < 0.99
        assert (project / "reports/predictions.parquet").exists()
        call(project, *DVC, "repro", "drift")
        call(project, "lockgate", "gate", code=3)
        call(project, "lockgate", "report")
        assert "blocked" in (project / "reports/report.md").read_text().splitlines()[0].lower()
        call(project, "lockgate", "register", code=2)

    @pytest.mark.full
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

    @pytest.mark.full
    def test_a_killed_run_leaves_nothing_half_written_and_the_next_gives_the_same_bytes(self, project: Path) -> None:
        before = tree(project / "models")
        shutil.rmtree(project / "models")
        screen, terminal = pty.openpty()
        training = subprocess.Popen(
            [sys.executable, "-m", "lockgate", "train"], cwd=project,
            env=environment(CI="", TERM="xterm"), stderr=terminal, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        assert b"training" in os.read(screen, 1000), "its bar shows that the training runs"
        training.kill()
        training.wait()
        os.close(terminal)
        os.close(screen)
        assert not (project / "models").exists() or not [name for name in tree(project / "models") if "/" not in name]
        call(project, "lockgate", "train")
        after = tree(project / "models")
        before.pop("provenance.json")
        after.pop("provenance.json")
        assert after == before

    @pytest.mark.full
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

    def test_a_script_is_a_dependency_and_the_kit_is_none(self, project: Path) -> None:
        """Whatever is written into the kit's code, nothing is stale, and two branches that did so merge."""
        shutil.copytree(ROOT / "lockgate", project / "lockgate")
        git(project, "add", "--all")
        git(project, "commit", "--quiet", "--message", "One")
        for branch, files in (("one", "*.py"), ("other", "*_json.py")):
            git(project, "checkout", "--quiet", "-B", branch, "main")
            for file in (project / "lockgate").rglob(files):
                file.write_text(
                    f"# {branch}\n{file.read_text()}" if branch == "one" else f"{file.read_text()}# {branch}\n"
                )
            assert "up to date" in call(project, *DVC, "status")
            git(project, "commit", "--quiet", "--all", "--message", branch)
        git(project, "merge", "--quiet", "one")
        assert "up to date" in call(project, *DVC, "status")
        (project / "pipeline/train.py").write_text((project / "pipeline/train.py").read_text() + "# a comment\n")
        assert repro(project) == {"train"}

    def test_a_kit_of_other_results_names_the_number_to_set(self, project: Path) -> None:
        stages = (project / "dvc.yaml").read_text()
        (project / "dvc.yaml").write_text(stages.replace(f"results: {RESULTS}", f"results: {RESULTS + 1}"))
        output = call(project, *DVC, "repro", "prepare", code=255)
        assert f"set `vars: [results: {RESULTS}]`" in output

    def test_a_project_in_order_passes_its_check_and_a_stale_lock_does_not(self, project: Path) -> None:
        assert "in order" in call(project, "lockgate", "check")
        edit_params(project, train={"seed": 5})
        assert "the parameter train of the stage `train` changed" in call(project, "lockgate", "check", code=2)


class TestOwnData:
    @pytest.fixture
    def loans(self, project: Path) -> Path:
        """The project on a file of its own, which no stage watches yet."""
        parts = [pd.read_parquet(project / f"data/{part}.parquet") for part in ("train", "test")]
        pd.concat(parts).drop(columns="row_key").to_csv(project / "loans.csv", index=False)
        edit_params(project, prepare={"source": "loans.csv", "current": None})
        return project

    @pytest.mark.full
    def test_a_replaced_file_is_seen_by_all(self, loans: Path) -> None:
        assert "lockgate reproduce" in call(loans, *DVC, "repro", code=255)
        before = (loans / "dvc.yaml").read_text().splitlines()
        assert "prepare: ran" in call(loans, "lockgate", "reproduce")
        after = (loans / "dvc.yaml").read_text().splitlines()
        assert [line for line in before if line not in after] == []
        assert "      - loans.csv  # prepare.source of params.yaml" in after
        assert "always_changed" not in "".join(after)
        assert repro(loans) == set()
        call(loans, "lockgate", "gate")

        pd.read_csv(loans / "loans.csv").iloc[5:].to_csv(loans / "loans.csv", index=False)
        assert "prepare.source (loans.csv) has other content" in call(loans, "lockgate", "gate", code=3)
        assert "loans.csv of the stage `prepare` changed" in call(loans, "lockgate", "check", code=2)
        output = call(loans, "lockgate", "reproduce")
        assert all(f"{stage}: ran" in output for stage in ("prepare", "train", "evaluate"))
        call(loans, "lockgate", "gate")

    @pytest.mark.full
    def test_another_current_batch_runs_prepare_and_drift_alone(self, loans: Path) -> None:
        call(loans, "lockgate", "reproduce")
        model = (loans / "models/manifest.json").read_bytes()
        pd.read_csv(loans / "loans.csv").head(900).to_csv(loans / "march.csv", index=False)
        edit_params(loans, prepare={"current": "march.csv"})
        output = call(loans, "lockgate", "reproduce")
        assert [stage for stage in STAGES if f"{stage}: ran" in output] == ["prepare", "drift"]
        assert (loans / "models/manifest.json").read_bytes() == model


class TestChampion:
    @pytest.fixture
    def committed(self, project: Path) -> Path:
        git(project, "add", "--all")
        git(project, "commit", "--quiet", "--message", "One")
        return project

    def score(self, folder: Path) -> str:
        output = call(folder, "lockgate", "champion", "--base", "HEAD")
        champion = pd.read_parquet(folder / "reports/champion.parquet")
        own = pd.read_parquet(folder / "reports/predictions.parquet")
        assert champion.y_score.tolist() == own.y_score.tolist()
        return output

    def test_it_comes_from_the_cache_and_is_scored_by_the_kit_that_judges(self, committed: Path) -> None:
        assert "restored from the cache" in self.score(committed)

    @pytest.mark.full
    def test_without_a_cache_its_own_stages_train_it_again(self, committed: Path) -> None:
        shutil.rmtree(committed / ".dvc/cache")
        output = self.score(committed)
        assert "trained again" in output
        assert "the project's own script trains" in output

    @pytest.mark.full
    def test_one_of_other_results_is_made_anew_by_this_kit(self, committed: Path) -> None:
        shutil.rmtree(committed / ".dvc/cache")
        stages = (committed / "dvc.yaml").read_text()
        (committed / "dvc.yaml").write_text(stages.replace(f"results: {RESULTS}", f"results: {RESULTS + 1}"))
        git(committed, "commit", "--quiet", "--all", "--message", "Of another kit")
        assert "trained again" in self.score(committed)


class TestPoisonedRunCache:
    """Whatever runs on the default branch may write DVC's cache, and DVC believes what its run cache says a stage once made."""

    @pytest.mark.full
    def test_a_model_that_these_settings_never_made_is_handed_over_and_refused(
        self, project: Path, tmp_path: Path
    ) -> None:
        lock = (project / "dvc.lock").read_text()
        before = YAML(typ="safe").load(lock)["stages"]["train"]["outs"]
        edit_params(project, train={"max_depth": 2})
        call(project, "lockgate", "reproduce")
        (entry,) = [
            path
            for path in (project / ".dvc/cache/runs").rglob("*")
            if path.is_file() and is_other_training(path, before)
        ]
        YAML().dump({**YAML(typ="safe").load(entry), "outs": before}, entry)
        (project / "dvc.lock").write_text(lock)
        handed, judging = tmp_path / "measured", tmp_path / "judging"
        said = call(project, "lockgate", "ci", "train", f"--hand-over={handed}")
        assert "train: restored" in said

        judging.mkdir()
        shutil.copy2(project / "params.yaml", judging)
        outputs = tmp_path / "outputs"
        options = ("--champion=none", "--first-model=true", f"--measured={handed}", f"--report={tmp_path / 'report'}")
        call(judging, "lockgate", "ci", "judge", *options, GITHUB_OUTPUT=str(outputs))
        assert "verdict=block" in outputs.read_text().splitlines()
        assert "train.max_depth" in " ".join(json.loads((judging / "reports/gate.json").read_text())["stale"])


def is_other_training(entry: Path, outs: list[dict[str, object]]) -> bool:
    """Whether this is what the run cache has of the stage `train` with other outputs than these."""
    found = YAML(typ="safe").load(entry)
    return "train.py" in found["cmd"] and found["outs"] != outs
