"""ci.yml tests the kit: in a repository that began as a copy of it, no job of it runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from e2e.act import copy_of_the_tree, pull_request
from e2e.act_tree import KIT


@pytest.mark.parametrize(("name", "jobs"), [(KIT, {"kit all-green"}), ("octo/copy", set())])
def test_it_runs_in_the_kits_repository_alone(tmp_path: Path, name: str, jobs: set[str]) -> None:
    project = copy_of_the_tree(tmp_path / "kit", name)
    alone = {".github/workflows/ci.yml": lambda text: text.replace("    needs: [lint, test, selftest]\n", "")}
    base = project.commit("Let the last job run without the others", **alone)
    run = project.run(
        "ci.yml", "pull_request", state=tmp_path / "state", payload=pull_request(project, base), job="all-green"
    )
    assert set(run.jobs) == jobs
