"""The root action as a stranger has it: called by its tag, on a table and nothing else, without `$/`, caches and artifacts."""

from __future__ import annotations

from pathlib import Path

import pytest
from e2e.act import Project, copy_of_the_tree, example, pushed
from e2e.act_log import Run

pytestmark = pytest.mark.full  # two environments from hashes take most of it

FIXTURE = Path(__file__).parent / "caller"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("act")
    kit = copy_of_the_tree(folder / "kit")
    project: Project = example(folder / "caller", "predictions", kit.path, beside=FIXTURE)
    for name in ("loans.csv", "params.yaml"):
        (project.path / name).unlink()
    project.commit("Only a table")
    project.commit("Another table")
    return project.run("root.yml", "push", state=folder / "state", payload=pushed(project))


def test_a_good_table_passes_and_one_with_shuffled_labels_fails_the_job(run: Run) -> None:
    assert run.jobs == {"good": "success", "shuffled": "failure"}
    assert "the verdict was pass" in run.text
    assert "[shuffled] nothing stopped it" not in run.text
    assert "Gate passed" in run.summaries["good"]
    assert "worth as much as those steps" in run.summaries["good"]
    assert "Gate blocked" in run.summaries["shuffled"]


def test_it_keeps_nothing(run: Run) -> None:
    assert not (run.state / "artifacts").exists()
    assert not (run.state / "caches").exists()
