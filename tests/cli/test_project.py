"""`lockgate reproduce` and `lockgate champion`: what they refuse, and a project that brings nothing but params and data."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from support import SMALL, assert_refused, edit_params, invoke, write_params

from lockgate.dvc.reproduce import make_repository
from lockgate.dvc.stages import project_stages

ROOT = Path(__file__).parents[2]


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
        assert_refused(invoke(committed, "champion", "--base", "HEAD"), "data/test.parquet", "dvc repro")

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


class TestStagesOfAProjectWithoutAny:
    def test_they_need_the_projects_data_and_none_of_the_kits_files(self, tmp_path: Path) -> None:
        (tmp_path / "loans.csv").write_text("a\n1\n")
        write_params(tmp_path, {"prepare": {"source": "loans.csv", "current": None}, "train": SMALL["train"]})
        stages = YAML(typ="safe").load(project_stages(ROOT / "dvc.yaml", tmp_path))["stages"]
        for stage in stages.values():
            assert not [name for name in stage["deps"] if name.startswith(("pipeline/", "requirements/", "app/"))]
        assert "loans.csv" in stages["prepare"]["deps"]
        assert "always_changed" not in stages["prepare"]
        assert stages["train"]["params"] == ["train"], "DVC wants a named parameter to be there"

    def test_a_source_that_dvc_cannot_watch_is_read_every_time(self, tmp_path: Path) -> None:
        write_params(tmp_path, {"prepare": {"source": "https://example.invalid/loans.csv", "current": None}})
        stages = YAML(typ="safe").load(project_stages(ROOT / "dvc.yaml", tmp_path))["stages"]
        assert stages["prepare"]["always_changed"] is True

    def test_a_repository_that_is_one_keeps_its_settings(self, tmp_path: Path) -> None:
        (tmp_path / ".dvc").mkdir()
        (tmp_path / ".dvc/config").write_text("[core]\n    remote = store\n")
        make_repository(tmp_path)
        assert "remote = store" in (tmp_path / ".dvc/config").read_text()
