"""The night and the retrain as workflows, run here: real jobs, real git, and a GitHub that checks every request."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.act import Project, copy_of_the_tree
from e2e.act_log import Run
from fake_github import FakeGitHub


class Repository:
    """The kit as somebody's repository: its workflows here, its issues, branches and artifacts in the fake."""

    def __init__(self, folder: Path, fake: FakeGitHub) -> None:
        self.fake, self.state, self.remote = fake, folder / "state", folder / "remote.git"
        self.project: Project = copy_of_the_tree(folder / "kit", fake.state["repository"])
        subprocess.run(["git", "clone", "--quiet", "--bare", self.project.path, self.remote], check=True)
        fake.state["git_dir"] = str(self.remote)

    def edit(self, changes: dict[str, str]) -> None:
        text = (self.project.path / "params.yaml").read_text()
        for before, after in changes.items():
            assert before in text
            text = text.replace(before, after)
        self.project.commit("Other parameters", **{"params.yaml": text})

    def run(self, workflow: str, event: str, run_id: int, **given: dict[str, str]) -> Run:
        self.git("fetch", "--quiet", str(self.project.path), "+main:main")
        ran = self.project.run(
            workflow, event, state=self.state, api_url=self.fake.url, ref="refs/heads/main", run_id=run_id, **given
        )
        self.fake.state.setdefault("runs", []).append({"id": run_id, "head_sha": "c" * 40, "head_branch": "main"})
        self._upload(ran, "drift")
        return ran

    def _upload(self, ran: Run, name: str) -> None:
        """What the run uploaded is what GitHub's API offers to the next."""
        folder = ran.artifact(name)
        if folder.is_dir():
            stream = io.BytesIO()
            with zipfile.ZipFile(stream, "w") as archive:
                for file in folder.iterdir():
                    archive.write(file, file.name)
            content = base64.b64encode(stream.getvalue()).decode()
            self.fake.state.setdefault("artifacts", []).append(
                {"id": 50_000 + ran.run_id, "run": ran.run_id, "name": name, "content": content}
            )

    def git(self, *arguments: str) -> str:
        ran = subprocess.run(["git", "-C", self.remote, *arguments], check=True, capture_output=True, text=True)
        return ran.stdout.strip()

    def published(self, name: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.git("show", f"lockgate-drift:{name}"))
        return found


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    with FakeGitHub() as fake:
        yield Repository(tmp_path_factory.mktemp("nightly"), fake)
    assert not fake.problems


@pytest.fixture(autouse=True)
def _no_issues_of_other_tests(repository: Repository) -> None:
    for name in ("issues", "dispatches", "comments", "pulls", "statuses"):
        repository.fake.state[name] = []


@pytest.mark.full
def test_shocked_nights_alarm_a_lost_history_counts_anew_and_a_clean_night_ends_it(repository: Repository) -> None:
    fake = repository.fake

    def night(run: int) -> Run:
        variables = {"LOCKGATE_RETRAIN": "on-alarm"}
        return repository.run("nightly-drift.yml", "schedule", run, variables=variables).expect("success")

    first = night(1)
    assert first.outputs["drift / judge"]["status"] == "alert"
    assert first.outputs["drift / judge"]["state"] == "watching"
    assert not fake.state.get("issues")

    second = night(2)
    assert second.outputs["drift / judge"]["state"] == "alarm"
    (issue,) = fake.state["issues"]
    assert issue["labels"] == ["drift"]
    assert "| `" in issue["body"]
    (started,) = fake.state["dispatches"]
    assert (started["workflow"], started["inputs"]) == ("retrain.yml", {"drift-issue": str(issue["number"])})
    assert repository.published("drift.json")["status"] == "alert"
    assert str(repository.published("drift.json")["time"]).endswith("Z")

    fake.state["artifacts"] = []  # the published copy has the nights as well
    repository.edit({"shock: 1.0 ": "shock: 0.0 "})
    third = night(3)
    assert third.outputs["drift / judge"]["state"] == "clear"
    assert fake.state["issues"][0]["state"] == "closed"
    assert len(fake.state["issues"]) == 1
    assert len(list(repository.published("history.json")["runs"])) == 3  # type: ignore[call-overload]


@pytest.mark.full
def test_a_retrain_that_passes_becomes_a_pull_request_and_one_that_does_not_becomes_nothing(
    repository: Repository,
) -> None:
    fake = repository.fake
    fake.state.setdefault("issues", []).append(
        {"id": 900, "number": 900, "title": "drift", "labels": ["drift"], "state": "open", "body": "x"}
    )
    inputs = {"overrides": "{train: {learning_rate: 0.08}}", "source": "", "pull-request": "true", "drift-issue": "900"}

    passed = repository.run("retrain.yml", "workflow_dispatch", 11, inputs=inputs).expect("success")
    assert passed.outputs["retrain / propose"]["outcome"] == "proposed"
    (pull,) = fake.state["pulls"]
    branch = pull["head"]["ref"]
    assert repository.git("diff", "--name-only", "main", branch).split() == ["dvc.lock", "params.yaml"]
    assert "learning_rate: 0.1\n" in repository.git("show", "main:params.yaml")
    assert "\n  learning_rate: 0.08\n" in repository.git("show", f"{branch}:params.yaml")
    assert fake.state["statuses"][0]["sha"] == repository.git("rev-parse", branch)

    branches = repository.git("for-each-ref", "refs/heads")
    weak = {**inputs, "overrides": "train.num_boost_round=1\ntrain.learning_rate=0.0001"}
    blocked = repository.run("retrain.yml", "workflow_dispatch", 12, inputs=weak)
    blocked.expect("success", "retrain / measure", "retrain / judge").expect("failure", "retrain / propose")
    assert repository.git("for-each-ref", "refs/heads") == branches
    assert len(fake.state["pulls"]) == 1
    answers = [comment["body"] for comment in fake.state["comments"] if comment["issue"] == 900]
    assert f"passed the gate: #{pull['number']}" in answers[0]
    assert "did not let it pass (block)" in answers[1]


def test_a_hostile_override_stays_text_and_ends_the_run(repository: Repository) -> None:
    inputs = {"overrides": 'train.max_depth="; touch ran; $(touch ran)', "pull-request": "true", "drift-issue": ""}
    ran = repository.run("retrain.yml", "workflow_dispatch", 13, inputs=inputs)

    ran.expect("failure", "retrain / measure")
    assert not {"retrain / judge", "retrain / propose"} & ran.jobs.keys()
    assert not list(repository.state.parent.rglob("ran"))
