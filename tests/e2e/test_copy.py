"""A project that began as a copy of the kit, with settings, data and stages of its own: the kit's tests pass there too."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from e2e.act_tree import clone_tree, git, remove_project

OWN = Path(__file__).parent / "caller"
ROOT = Path(__file__).parents[2]
NODE_MODULES = "tests/e2e/fake_github/node_modules"
# What DVC, a training and a gate left there, none of which this kit can read.
LEFT = ("data/train.parquet", "data/schema.json", "models/manifest.json", "reports/gate.json", "reports/drift.json")
QUICK = "not docker and not example and not credit_file and not full"  # as scripts/test selects
SCRIPTS = ("prepare", "train", "evaluate", "drift", "gate", "report", "register")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "copy"
    clone_tree(folder)
    remove_project(folder)
    for name in ("params.yaml", "loans.csv"):
        shutil.copy(OWN / name, folder / name)
    (folder / "dvc.yaml").write_text(
        "stages:\n  prepare:\n    cmd: make loans\n    deps: [loans.csv]\n    outs: [data]\n"
    )
    (folder / ".dvc/config").write_text("['remote \"ours\"']\n    url = s3://a-bucket-of-ours\n")
    for name in LEFT:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("ours\n")
    (folder / "pipeline").mkdir()
    for stage in SCRIPTS:
        (folder / f"pipeline/{stage}.py").write_text('raise SystemExit("a stage of ours")\n')
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Our loans")
    # What scripts/github-description installs, which a copy installs too.
    (folder / NODE_MODULES).mkdir()
    for installed in (ROOT / NODE_MODULES).iterdir():
        (folder / NODE_MODULES / installed.name).symlink_to(installed)
    return folder


def run(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """pytest in the copy, whose own packages come first because it is the working directory, with samples of what is large."""
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:randomly", *arguments]
    environment = {**os.environ, "LOCKGATE_TESTS": "quick"}
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.full
def test_the_kits_tests_pass(copy: Path) -> None:
    """All contracts, and every twenty-fourth file of the others: what could depend on a project is looked at in the contracts."""
    contracts, others = (
        sorted(str(path.relative_to(copy)) for level in levels for path in copy.glob(f"tests/{level}/test_*.py"))
        for levels in (["contract"], ["unit", "cli"])
    )
    ran = run(copy, "-x", "-m", QUICK, *contracts, *others[::24])
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr


def test_what_is_promised_of_the_worked_example_is_not_promised_of_the_copy(copy: Path) -> None:
    """The proof that the copy is another project."""
    ran = run(copy, "-m", "example", "tests/example/test_params_file.py")
    assert ran.returncode == 1, ran.stdout
    assert "test_it_is_valid" in ran.stdout
