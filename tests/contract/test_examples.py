"""What `examples/` promises without a run: its workflows are those that `lockgate init` writes, its tables those of its script."""

from __future__ import annotations

import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from documents.example_callers import EXAMPLES, KIT, written_callers
from documents.kit_release import with_reference
from e2e.act_tree import git
from ruamel.yaml import YAML
from support import invoke, succeed

from lockgate.ci.callers import KitReference, caller_files

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples"
WORKFLOWS = Path(".github/workflows")
MAX_BYTES = 300_000  # of an example: it is copied whole
COMMIT = f"{'1' * 40} # v0.1.0"  # as documents name the kit after its first release
NOT_COMMITTED = ("__pycache__", "data", "models", "reports", "cache", "tmp", "mlflow.db*", "mlartifacts")
BIN = Path(sys.executable).parent


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def test_the_workflows_are_those_that_init_writes() -> None:
    """Stale: run scripts/docs."""
    for path, text in written_callers().items():
        assert path.read_text() == text, path
    written = {path.relative_to(FOLDER) for path in written_callers()}
    found = {path.relative_to(FOLDER) for path in FOLDER.glob(f"*/{WORKFLOWS}/*")}
    assert found - written == {Path("predictions", WORKFLOWS, "pr.yml")}
    assert set(EXAMPLES) == {path.name for path in FOLDER.iterdir() if (path / WORKFLOWS).is_dir()}


def test_any_models_workflow_has_fifteen_lines() -> None:
    assert len((FOLDER / "predictions" / WORKFLOWS / "pr.yml").read_text().splitlines()) == 15


def test_the_tables_params_are_three_lines_that_init_would_propose(tmp_path: Path) -> None:
    params = (FOLDER / "table/params.yaml").read_text()
    assert len(params.splitlines()) == 1 + 3
    shutil.copy(FOLDER / "table/loans.csv", tmp_path)
    succeed(invoke(tmp_path, "init", "loans.csv", "--yes", "--gitignore", "--callers", "OWNER/lockgate"))
    read = YAML(typ="safe", pure=True).load
    assert read(params)["prepare"] == read((tmp_path / "params.yaml").read_text())["prepare"]
    for example in ("table", "own-model"):
        assert (FOLDER / example / ".gitignore").read_text() == (tmp_path / ".gitignore").read_text()


def test_the_tables_are_what_the_script_makes_and_small() -> None:
    for name, table in runpy.run_path(str(FOLDER / "make_data.py"))["tables"]().items():
        assert (FOLDER / name).read_text() == table.to_csv(index=False), name
    for example in EXAMPLES:
        assert sum(path.stat().st_size for path in files_of(FOLDER / example)) < MAX_BYTES, example


def test_no_example_holds_what_a_run_of_it_leaves() -> None:
    tracked = [Path(name) for name in git(ROOT, "ls-files", "examples").splitlines()]
    assert len(tracked) > len(EXAMPLES)
    assert [path for path in tracked if {*path.parts} & {"data", "models", "reports", "cache", "tmp"}] == []


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_doctor_finds_nothing_broken_but_the_lock_that_the_first_run_writes(example: str, tmp_path: Path) -> None:
    folder = tmp_path / example
    shutil.copytree(FOLDER / example, folder, ignore=shutil.ignore_patterns(*NOT_COMMITTED))
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Begin")
    found = [line for line in invoke(folder, "doctor").output.splitlines() if " broken " in line]
    if example == "own-model":
        assert found == ["stages       broken  dvc.lock does not exist; run `lockgate reproduce` and commit it"]
    else:
        assert not found


@pytest.mark.parametrize("version", ["v1.2.3", f"{'1' * 40} # v1.2.3"])
def test_a_later_release_is_named_in_the_same_bytes_by_init_and_by_the_documents_script(version: str) -> None:
    (released,) = [
        text for path, text in caller_files(KitReference(KIT, version)).items() if path.name == "release.yml"
    ]
    assert with_reference((FOLDER / "table" / WORKFLOWS / "release.yml").read_text(), version) == released


def test_linters_find_nothing_in_the_examples_workflows(tmp_path: Path) -> None:
    """Of all examples at once: the linters take longer to start than to read."""
    for path in [path for example in EXAMPLES for path in files_of(FOLDER / example / ".github")]:
        copy = tmp_path / path.relative_to(FOLDER)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(with_reference(path.read_text(), COMMIT))
    workflows = sorted(map(str, tmp_path.glob(f"*/{WORKFLOWS}/*")))
    assert len(workflows) > len(EXAMPLES)
    for command in (
        ["actionlint", *workflows],
        ["zizmor", "--quiet", "--no-progress", "--persona=auditor", "--offline", str(tmp_path)],
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows],
    ):
        ran = subprocess.run(
            [BIN / command[0], *command[1:]], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
