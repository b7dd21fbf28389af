"""Another repository's night, retrain and pull request, by the workflows of examples/table; its data lie in a DVC remote."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from e2e.act import Project, caller, copy_of_the_tree, pull_request
from e2e.act_log import Run
from fake_github import FakeGitHub
from support import edit_params

FIXTURE = Path(__file__).parent / "caller"
WORKFLOWS = Path(".github/workflows")
VARIABLES = {"LOCKGATE_RETRAIN": "on-alarm"}


def source_of(folder: Path, kit: Path) -> Path:
    """A project with folders that have the names of the kit's own, and the workflows of examples/table."""
    source = shutil.copytree(FIXTURE, folder / "source")
    shutil.copytree(kit / "examples/table" / WORKFLOWS, source / WORKFLOWS, dirs_exist_ok=True)
    return source


class Caller:
    """The repository, what GitHub keeps of it, and the folder that is its DVC remote."""

    def __init__(self, folder: Path, fake: FakeGitHub) -> None:
        self.fake, self.state, self.git_dir = fake, folder / "state", folder / "remote.git"
        kit = copy_of_the_tree(folder / "kit")
        source = source_of(folder, kit.path)
        batch = pd.read_csv(source / "loans.csv")
        batch["income_gap"] += 2
        batch.drop(columns="defaulted").to_csv(source / "batch.csv", index=False)
        edit_params(source, prepare={"current": "batch.csv"}, drift={"history": {"k": 1, "n": 1}})
        self.project: Project = caller(folder / "project", source, kit.path, "octo/caller")
        self.dvc("init", "--quiet")
        self.dvc("remote", "add", "--quiet", "--default", "store", str(folder / "store"))
        for name in ("loans.csv", "batch.csv"):
            self.project.git("rm", "--quiet", "--cached", name)
            self.dvc("add", "--quiet", name)
        self.dvc("push", "--quiet")
        self.project.commit("Data in a remote")
        shutil.rmtree(self.project.path / ".dvc/cache")
        subprocess.run(["git", "clone", "--quiet", "--bare", self.project.path, self.git_dir], check=True)
        fake.state["git_dir"] = str(self.git_dir)

    def dvc(self, *arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=self.project.path, check=True)

    def run(self, workflow: str, event: str, **given: dict[str, str]) -> Run:
        return self.project.run(
            workflow,
            event,
            state=self.state,
            api_url=self.fake.url,
            ref="refs/heads/main",
            variables=VARIABLES,
            **given,
        ).expect("success")

    def git(self, *arguments: str) -> str:
        ran = subprocess.run(["git", "-C", self.git_dir, *arguments], check=True, capture_output=True, text=True)
        return ran.stdout.strip()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with FakeGitHub({"repository": "octo/caller"}) as fake:
        yield Caller(tmp_path_factory.mktemp("caller"), fake)
    assert not fake.problems


@pytest.mark.full
def test_a_night_measures_what_the_remote_has_opens_an_issue_publishes_and_starts_the_retrain(
    repository: Caller,
) -> None:
    ran = repository.run("nightly-drift.yml", "schedule")

    assert set(ran.jobs) == {
        "drift / measure",
        "drift / judge",
        "drift / issue",
        "publish / publish",
        "retrain / start",
    }
    assert ran.outputs["drift / judge"]["worst"] == "income_gap"
    (issue,) = repository.fake.state["issues"]
    (started,) = repository.fake.state["dispatches"]
    assert (started["workflow"], started["inputs"]) == ("retrain.yml", {"drift-issue": str(issue["number"])})
    published = json.loads(repository.git("show", "lockgate-drift:drift.json"))
    assert published["status"] in ("warn", "alert")
    assert published["model"] == ran.outputs["drift / judge"]["model"]


@pytest.mark.full
def test_a_retrain_of_data_in_the_remote_is_proposed(repository: Caller) -> None:
    inputs = {"overrides": "{train: {max_depth: 4}}", "drift-issue": ""}
    ran = repository.run("retrain.yml", "workflow_dispatch", inputs=inputs)

    assert ran.outputs["retrain / propose"]["outcome"] == "proposed"
    assert "retrain / champion" in ran.jobs, "no run of the default branch stored its model"
    (pull,) = repository.fake.state["pulls"]
    branch = pull["head"]["ref"]
    assert "max_depth: 4" in repository.git("show", f"{branch}:params.yaml")
    assert set(repository.git("diff", "--name-only", "main", branch).split()) == {"dvc.lock", "params.yaml"}


@pytest.mark.full
def test_a_pull_request_is_judged_against_its_base_on_data_from_the_remote(repository: Caller, tmp_path: Path) -> None:
    # A checkout of its own: what the nights and retrains run on stays at the commit that GitHub has.
    project = replace(repository.project, path=shutil.copytree(repository.project.path, tmp_path / "project"))
    base = project.git("rev-parse", "HEAD")
    project.git("checkout", "--quiet", "-b", "change")
    project.commit("Deeper", **{"params.yaml": lambda text: text.replace("max_depth: 3", "max_depth: 4")})
    project.git("checkout", "--quiet", "main")
    project.git("merge", "--quiet", "--no-ff", "--message", "Merge", "change")
    payload = pull_request(project, base)
    ran = project.run("pr.yml", "pull_request", state=tmp_path / "state", payload=payload)

    ran.expect("success", "model / measure", "model / champion", "model / judge")
    gate = json.loads((ran.artifact("report") / "gate.json").read_text())
    statuses = {check["status"] for check in gate["checks"] if check["kind"] == "champion"}
    assert "pass" in statuses
    assert statuses <= {"pass", "not-applicable"}


@pytest.mark.full
def test_a_model_with_a_name_has_its_own_folder_issue_and_artifacts(tmp_path: Path) -> None:
    kit = copy_of_the_tree(tmp_path / "kit")
    source = source_of(tmp_path, kit.path)
    (source / "cards").mkdir()
    for name in ("loans.csv", "params.yaml"):
        shutil.move(source / name, source / "cards")
    edit_params(source / "cards", drift={"history": {"k": 1, "n": 1}})
    batch = pd.read_csv(source / "cards/loans.csv").drop(columns="defaulted")
    batch.assign(income_gap=batch["income_gap"] + 2).to_csv(source / "cards/batch.csv", index=False)
    workflow = source / WORKFLOWS / "nightly-drift.yml"
    given = "      current: ${{ vars.LOCKGATE_CURRENT }}\n"
    text = workflow.read_text().replace(given, f"{given}      working-directory: cards\n      name: cards\n")
    drift_artifact = "      drift-artifact: ${{ needs.drift.outputs.drift-artifact }}\n"
    workflow.write_text(text.replace(drift_artifact, f"{drift_artifact}      name: cards\n"))
    project = caller(tmp_path / "project", source, kit.path, "octo/caller")
    remote = tmp_path / "remote.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", project.path, remote], check=True)
    with FakeGitHub({"repository": "octo/caller", "git_dir": str(remote)}) as fake:
        ran = project.run(
            "nightly-drift.yml",
            "schedule",
            state=tmp_path / "state",
            api_url=fake.url,
            ref="refs/heads/main",
            variables={"LOCKGATE_CURRENT": "batch.csv"},
        ).expect("success")
        assert not fake.problems
        (issue,) = fake.state["issues"]
    assert issue["title"] == "Data drift: the nightly batch of cards has moved"
    kept = {path.name for path in (ran.state / "artifacts" / str(ran.run_id)).iterdir()}
    assert kept - {"drift-page-cards"} == {"measured-cards", "drift-cards"}
    listed = ["git", "-C", remote, "ls-tree", "-r", "--name-only", "lockgate-drift"]
    published = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split()
    files = ("drift.json", "history.json", "nights-performance.svg", "nights-psi.svg", "nights.html", "nights.md")
    assert published == ["README.md", *(f"cards/{file}" for file in files)]
    assert "/blob/lockgate-drift/cards/nights.md)" in issue["body"]


@pytest.mark.full
def test_two_tables_are_compared_without_a_model_a_project_or_settings(tmp_path: Path) -> None:
    kit = copy_of_the_tree(tmp_path / "kit")
    source = tmp_path / "source"
    workflow = source / WORKFLOWS / "nightly-drift.yml"
    workflow.parent.mkdir(parents=True)
    text = (kit.path / "examples/table" / WORKFLOWS / "nightly-drift.yml").read_text()
    given = "      current: ${{ vars.LOCKGATE_CURRENT }}\n"
    assert text.count(given) == 1
    workflow.write_text(text.replace(given, "      reference: january.csv\n      current: june.csv\n"))
    january = pd.DataFrame({"amount": range(500), "months": [12, 24, 36, 48] * 125})
    january.to_csv(source / "january.csv", index=False)
    project = caller(tmp_path / "project", source, kit.path, "octo/tables")
    remote = tmp_path / "remote.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", project.path, remote], check=True)
    with FakeGitHub({"repository": "octo/tables", "git_dir": str(remote)}) as fake:
        state = tmp_path / "state"
        for night in ("watching", "alarm"):
            june = january.assign(amount=january["amount"] + (300 if night == "watching" else 301))
            project.commit("The newest rows", **{"june.csv": june.to_csv(index=False)})
            project.git("push", "--quiet", str(remote), "main")
            ran = project.run("nightly-drift.yml", "schedule", state=state, api_url=fake.url, ref="refs/heads/main")
            ran.expect("success", "drift / judge", "drift / issue", "publish / publish")
            assert "drift / measure" not in ran.jobs, "nothing of the project has to run"
            found = ran.outputs["drift / judge"]
            assert (found["state"], found["worst"], found["model"]) == (night, "amount", "")
        assert not fake.problems
        (issue,) = fake.state["issues"]
    assert "amount" in issue["body"]
    published = subprocess.run(
        ["git", "-C", remote, "show", "lockgate-drift:drift.json"], check=True, capture_output=True, text=True
    )
    assert json.loads(published.stdout)["model"] is None
