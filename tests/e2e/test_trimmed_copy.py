"""A copy without everything that docs/routes.md says may go: its workflow judges as before, and its image's context is whole."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from e2e.act import Project, copy_of_the_tree, pull_request

pytestmark = pytest.mark.full

ROOT = Path(__file__).parents[2]
KITS_OWN = (".github/workflows/ci.yml", ".github/workflows/release-kit.yml")


def stays() -> tuple[str, ...]:
    """The files and folders of the first two rows of the table."""
    table = (ROOT / "docs/routes.md").read_text().partition("### What to delete in a copy")[2]
    rows = re.findall(r"^\| has to stay[^|]*\|([^|]*)\|", table, re.MULTILINE)
    return tuple(
        name for row in rows for name in re.findall(r"`([^`]+)`", row) if name not in {"ci.yml", "release-kit.yml"}
    )


@pytest.fixture(scope="module")
def trimmed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = copy_of_the_tree(tmp_path_factory.mktemp("act") / "kit")
    kept = stays()
    for file in project.git("ls-files").splitlines():
        stayed = any(file == name or (name.endswith("/") and file.startswith(name)) for name in kept)
        if not stayed or file in KITS_OWN:
            (project.path / file).unlink()
    project.commit("Only what has to stay")
    return project


def test_most_of_it_is_gone(trimmed: Project) -> None:
    left = {Path(file).parts[0] for file in trimmed.git("ls-files").splitlines()}
    assert left.isdisjoint({"tests", "docs", "monitoring", "action.yml", "CHANGELOG.md"})


def test_a_pull_request_is_judged(trimmed: Project, tmp_path: Path) -> None:
    base = trimmed.git("rev-parse", "HEAD")
    ran = trimmed.run("pr.yml", "pull_request", state=tmp_path / "state", payload=pull_request(trimmed, base))
    assert ran.jobs["model / judge"] == "success", ran.text[-4000:]
    assert "Gate passed" in ran.summaries["model / judge"]


def test_the_image_can_be_built(trimmed: Project) -> None:
    """As far as it goes without a bundle: the script and its modules are there."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [trimmed.path / "scripts/image", "build", "--bundle", "nowhere"]
    ran = subprocess.run(command, cwd=trimmed.path, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 2, ran.stdout + ran.stderr
    assert "nowhere" in ran.stderr
