"""`lockgate reproduce` and `lockgate champion`: what they refuse, and a project that brings nothing but params and data."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import assert_refused, edit_params, invoke, write_params

from lockgate.config.results_number import RESULTS
from lockgate.dvc.reproduce import make_repository, stage_environment
from lockgate.dvc.stages import fit_stages, kit_stages, read_needs


def git(folder: Path, *arguments: str) -> None:
    names = ("-c", "user.name=a", "-c", "user.email=a@example.invalid")
    subprocess.run(["git", *names, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def committed(project: Path) -> Path:
    git(project, "init", "--quiet")
    git(project, "add", "params.yaml")
    git(project, "commit", "--quiet", "--message", "One")
    return project


class TestChampion:
    @pytest.mark.parametrize("base", ["--upload-pack=touch ran", "$(touch ran)", '"; touch ran', "a\nb", ""])
    def test_a_base_that_is_no_commit_is_refused(self, committed: Path, base: str) -> None:
        assert_refused(invoke(committed, "champion", f"--base={base}"), "commit")
        assert not list(committed.rglob("ran"))

    def test_a_commit_that_is_not_here_says_how_to_fetch_it(self, committed: Path) -> None:
        assert_refused(
            invoke(committed, "champion", "--base", "0" * 39 + "1"), "is not in this clone", "fetch-depth: 0"
        )

    def test_without_test_rows_there_is_nothing_to_score(self, committed: Path) -> None:
        (committed / "data/test.parquet").unlink()
        assert_refused(invoke(committed, "champion", "--base", "HEAD"), "data/test.parquet", "lockgate reproduce")

    @pytest.mark.parametrize("source", ["none", "file"])
    def test_a_policy_without_a_champion_to_score_is_done_at_once(self, committed: Path, source: str) -> None:
        edit_params(committed, gate={"champion": {"source": source}})
        result = invoke(committed, "champion", "--policy", "params.yaml")
        assert result.exit_code == 0
        assert not (committed / "reports/champion.parquet").exists()

    def test_a_registry_without_a_champion_is_refused(self, committed: Path) -> None:
        edit_params(committed, gate={"champion": {"source": "registry"}}, register={"model_name": "unheard-of"})
        assert_refused(invoke(committed, "champion", "--policy", "params.yaml"), "has no champion")


class TestReproduce:
    @pytest.mark.parametrize(
        ("override", "words"),
        [
            ("$(id)", ("overrides",)),
            ("train.depth=3", ("max_depth",)),
            ("evaluate.floors={roc_auc: 0.1}", ("judges the model",)),
            ('train.max_depth="; curl', ("YAML",)),
        ],
    )
    def test_overrides_that_are_none_change_nothing(self, project: Path, override: str, words: tuple[str, ...]) -> None:
        before = (project / "params.yaml").read_bytes()
        assert_refused(invoke(project, "reproduce", "--override", override), *words)
        assert (project / "params.yaml").read_bytes() == before

    def test_another_params_file_is_refused(self, project: Path) -> None:
        assert_refused(invoke(project, "reproduce", "--params", "other.yaml"), "params.yaml in the working directory")


class TestPrepareUnderDvc:
    """What DVC would not see change, it must not be told is up to date."""

    @pytest.fixture
    def own_data(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        write_params(tmp_path, {"prepare": {"source": "loans.csv", "current": None}})
        (tmp_path / "dvc.yaml").write_text(kit_stages())
        monkeypatch.setenv("DVC_STAGE", "prepare")
        return tmp_path

    def test_a_source_that_is_no_dependency_is_refused(self, own_data: Path) -> None:
        result = invoke(own_data, "prepare")
        assert_refused(result, "prepare.source (loans.csv)", "no dependency", "lockgate reproduce")

    def test_one_that_is_a_dependency_is_read(self, own_data: Path) -> None:
        (own_data / "dvc.yaml").write_text(fit_stages(kit_stages(), read_needs(own_data)))
        assert_refused(invoke(own_data, "prepare"), "loans.csv does not exist")

    def test_by_hand_nobody_asks(self, own_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("DVC_STAGE")
        assert_refused(invoke(own_data, "prepare"), "loans.csv does not exist")


class TestResultsNumber:
    @pytest.mark.parametrize("stage", ["prepare", "train", "evaluate", "drift"])
    def test_a_stage_for_other_results_names_the_number_to_set(self, tmp_path: Path, stage: str) -> None:
        result = invoke(tmp_path, stage, "--results", str(RESULTS + 1))
        assert_refused(result, f"results: {RESULTS}]", "dvc.yaml", "dvc repro")


class TestRepository:
    def test_stages_run_by_the_python_that_runs_here_and_find_their_own_code(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("PYTHONSAFEPATH", "DVC_STAGE", "DVC_ROOT"):
            monkeypatch.setenv(name, "1")
        monkeypatch.setenv("PYTHONPATH", "theirs")
        found = stage_environment()
        assert found["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
        assert found["PYTHONPATH"] == "theirs"
        assert not {"PYTHONSAFEPATH", "DVC_STAGE", "DVC_ROOT"} & found.keys()

    def test_a_repository_that_is_one_keeps_its_settings(self, tmp_path: Path) -> None:
        (tmp_path / ".dvc").mkdir()
        (tmp_path / ".dvc/config").write_text("[core]\n    remote = store\n")
        make_repository(tmp_path)
        assert "remote = store" in (tmp_path / ".dvc/config").read_text()
