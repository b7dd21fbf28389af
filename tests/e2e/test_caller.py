"""The workflows and actions called from another repository, whose own `app` and `pipeline` must not answer for the kit's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from e2e.act import Project, caller, copy_of_the_tree, pull_request
from support import invoke, sample, succeed

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
    return caller(tmp_path / "caller", FIXTURE, kit.path)


def gate_of(folder: Path) -> dict:
    return json.loads((folder / "gate.json").read_text())


class TestWholeKit:
    @pytest.mark.full
    def test_a_first_model_then_a_change_against_it(
        self, project: Project, tmp_path: Path, fake_github: FakeGitHub
    ) -> None:
        """The second is compared with the first, reproduced in a job of its own: no run on main stored it."""
        fake_github.state["repository"] = project.name
        state, url = tmp_path / "state", fake_github.url
        empty = project.git("commit-tree", "-m", "Nothing", project.git("mktree"))
        payload = pull_request(project, empty)
        first = project.run("whole-kit.yml", "pull_request", state=state, payload=payload, api_url=url)
        first.expect("success", "model / measure", "model / judge")
        champion = next(one for one in gate_of(first.artifact("report"))["checks"] if one["kind"] == "champion")
        assert champion["status"] == "not-applicable"
        assert "first model" in champion["reason"]

        base = project.git("rev-parse", "HEAD")
        project.commit("Deeper", **{"params.yaml": lambda text: text.replace("max_depth: 3", "max_depth: 4")})
        payload = pull_request(project, base)
        second = project.run("whole-kit.yml", "pull_request", state=state, payload=payload, api_url=url)
        second.expect("success", "model / measure", "model / champion", "model / judge")
        assert "trained again" in second.text
        champion = next(one for one in gate_of(second.artifact("report"))["checks"] if one["kind"] == "champion")
        assert champion["status"] == "pass"
        assert gate_of(first.artifact("report"))["model"] != gate_of(second.artifact("report"))["model"]

    @pytest.mark.full
    def test_a_platforms_minimum_is_not_lowered_by_the_base_commit_either(
        self, project: Project, tmp_path: Path, fake_github: FakeGitHub
    ) -> None:
        workflow = ".github/workflows/gate-only.yml"
        project.commit("Ask less", **{"params.yaml": lambda text: text.replace("roc_auc: 0.70", "roc_auc: 0.10")})
        project.commit("Ask much", **{workflow: lambda text: text.replace("roc_auc: 0.75", "roc_auc: 0.99")})
        base = project.git("rev-parse", "HEAD")
        payload = pull_request(project, base)
        fake_github.state["repository"] = project.name
        run = project.run(
            "gate-only.yml", "pull_request", state=tmp_path / "state", payload=payload, api_url=fake_github.url
        )
        run.expect("success", "model / measure").expect("failure", "model / judge")
        floor = next(one for one in gate_of(run.artifact("report"))["checks"] if one["name"] == "roc_auc floor")
        assert (floor["threshold"], floor["status"]) == (0.99, "block")
        policy = json.loads((run.artifact("report") / "policy.json").read_text())
        assert [one["kind"] for one in policy["changes"]] == ["minimum"]


class TestFromInit:
    @pytest.mark.full
    def test_a_table_and_one_command_are_a_pull_request_with_a_verdict(
        self, kit: Project, tmp_path: Path, fake_github: FakeGitHub
    ) -> None:
        own = tmp_path / "own"
        own.mkdir()
        shutil.copy2(FIXTURE / "loans.csv", own)
        succeed(invoke(own, "init", "loans.csv", "--yes", "--callers", "OWNER/lockgate@v0.0.0", "--gitignore"))
        project = caller(tmp_path / "caller", own, kit.path)
        empty = project.git("commit-tree", "-m", "Nothing", project.git("mktree"))
        fake_github.state["repository"] = project.name
        payload = pull_request(project, empty)
        run = project.run("pr.yml", "pull_request", state=tmp_path / "state", payload=payload, api_url=fake_github.url)
        run.expect("success", "model / measure", "model / judge")
        assert gate_of(run.artifact("report"))["verdict"] == "pass"


class TestGateOnly:
    def test_a_table_of_predictions_needs_nothing_else(
        self, project: Project, tmp_path: Path, fake_github: FakeGitHub
    ) -> None:
        for name in ("loans.csv", "params.yaml"):
            (project.path / name).unlink()
        project.commit("Only predictions")
        base = project.git("rev-parse", "HEAD")
        payload = pull_request(project, base)
        fake_github.state["repository"] = project.name
        run = project.run(
            "gate-only.yml", "pull_request", state=tmp_path / "state", payload=payload, api_url=fake_github.url
        )
        run.expect("success", "model / measure", "model / judge")
        assert {path.name for path in run.artifact("report").iterdir()} == {"gate.json", "metrics.json", "policy.json"}
        assert "Running stage" not in run.text


class TestInputs:
    @pytest.mark.parametrize(("name", "text"), sample(HOSTILE, 1))
    def test_text_stays_text(self, kit: Project, tmp_path: Path, name: str, text: str) -> None:
        project = caller(tmp_path / "caller", FIXTURE, kit.path)
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
