"""The workflows and actions called from another repository, whose own `app` and `pipeline` must not answer for the kit's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from e2e.act import Project, copy_of_the_tree, example, pull_request
from support import sample

if TYPE_CHECKING:
    from fake_github import FakeGitHub

FIXTURE = Path(__file__).parent / "caller"
HOSTILE = [
    ("predictions", '$(touch "$GITHUB_WORKSPACE/ran")`touch ran`'),
    ("base", '"; touch "$GITHUB_WORKSPACE/ran"; "'),
    ("minimums", "a\n::error::b\nverdict=pass"),
]


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return copy_of_the_tree(tmp_path_factory.mktemp("act") / "kit")


@pytest.fixture
def project(kit: Project, tmp_path: Path) -> Project:
    return example(tmp_path / "caller", "predictions", kit.path, beside=FIXTURE)


@pytest.mark.full
def test_a_platforms_minimum_is_not_lowered_by_the_base_commit_either(
    project: Project, tmp_path: Path, fake_github: FakeGitHub
) -> None:
    project.commit("Ask less", **{"params.yaml": "evaluate: {floors: {roc_auc: 0.10}}\n"})
    ask_much = {".github/workflows/pr.yml": lambda text: text.replace("roc_auc: 0.75", "roc_auc: 0.99")}
    base = project.commit("Ask much", **ask_much)
    fake_github.state["repository"] = project.name
    run = project.run(
        "pr.yml",
        "pull_request",
        state=tmp_path / "state",
        payload=pull_request(project, base),
        api_url=fake_github.url,
    )
    run.expect("success", "model / measure").expect("failure", "model / judge")
    gate = json.loads((run.artifact("report") / "gate.json").read_text())
    floor = next(one for one in gate["checks"] if one["name"] == "roc_auc floor")
    assert (floor["threshold"], floor["status"]) == (0.99, "block")
    policy = json.loads((run.artifact("report") / "policy.json").read_text())
    assert {"minimum"} == {one["kind"] for one in policy["changes"]}


class TestInputs:
    @pytest.mark.parametrize(("name", "text"), sample(HOSTILE, 1))
    def test_text_stays_text(self, project: Project, tmp_path: Path, name: str, text: str) -> None:
        run = project.run("gate-from-form.yml", "workflow_dispatch", state=tmp_path / "state", inputs={name: text})
        run.expect("failure", "gate")
        assert run.outputs["gate"]["verdict"] == "error"
        assert "**Error:**" in run.summary
        assert not list(tmp_path.rglob("ran"))
        assert "b" not in [message for _, message in run.annotations]

    @pytest.mark.full
    def test_a_wrong_choice_names_the_choices(self, project: Project, tmp_path: Path) -> None:
        run = project.run(
            "gate-from-form.yml", "workflow_dispatch", state=tmp_path / "state", inputs={"champion": "bsae"}
        )
        run.expect("failure", "gate")
        assert "one of:  base registry file none" in run.summary

    @pytest.mark.full
    def test_not_enforced_the_verdict_is_only_told(self, project: Project, tmp_path: Path) -> None:
        inputs = {"minimums": "floors: {roc_auc: 0.99}", "enforce": "false"}
        run = project.run("gate-from-form.yml", "workflow_dispatch", state=tmp_path / "state", inputs=inputs)
        run.expect("success", "gate")
        assert run.outputs["gate"]["verdict"] == "block"


def test_the_callers_folders_would_have_answered(project: Project) -> None:
    """The proof that the fixture can catch it."""
    import subprocess
    import sys

    ran = subprocess.run([sys.executable, "-c", "import pipeline"], cwd=project.path, capture_output=True, text=True)
    assert "the caller's own pipeline" in ran.stderr
    shutil.rmtree(project.path)
