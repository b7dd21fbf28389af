"""Two models in one repository, each with its name and folder: two comments, two issues, two releases, two champions."""

from __future__ import annotations

import base64
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from commented import bodies
from e2e.act import Project, caller, copy_of_the_tree, pull_request, pushed, repository
from e2e.act_log import Run
from e2e.earlier_runs import keep
from fake_github import FakeGitHub
from local_registry import Registry, registry
from support import edit_params

pytestmark = pytest.mark.full  # thirty jobs

HERE = Path(__file__).parent
TOOLS = HERE / "release_tools"
NAMES = ("loans", "cards")


class Repository:
    """`loans/` and `cards/`, whose model is a deeper one, after main's own run; and what GitHub keeps of it."""

    def __init__(self, folder: Path, fake: FakeGitHub) -> None:
        self.fake, self.state = fake, folder / "state"
        kit = copy_of_the_tree(folder / "kit")
        source = shutil.copytree(HERE / "two_models", folder / "source")
        for file in source.glob(".github/workflows/*-loans.yml"):
            text = file.read_text().replace("loans", "cards")
            file.with_name(file.name.replace("loans", "cards")).write_text(text)
        batch = pd.read_csv(HERE / "caller/loans.csv")
        batch["income_gap"] += 2
        for name, depth in zip(NAMES, (3, 4), strict=True):
            (source / name).mkdir()
            for file in ("loans.csv", "params.yaml"):
                shutil.copy2(HERE / "caller" / file, source / name)
            batch.drop(columns="defaulted").to_csv(source / name / "batch.csv", index=False)
            edit_params(source / name, train={"max_depth": depth}, drift={"history": {"k": 1, "n": 1}})
        self.project: Project = caller(folder / "project", source, kit.path, "octo/two")
        self.project.commit("Begin")
        fake.state["git_dir"] = str(self.project.path / ".git")
        self.first = self.run("pr.yml", "push", payload={**pushed(self.project), "before": "0" * 40})
        keep(fake, self.first, self.project.git("rev-parse", "HEAD"), path=".github/workflows/pr.yml")

    def run(self, workflow: str, event: str, **given: Any) -> Run:
        given.setdefault("ref", "refs/heads/main")
        return self.project.run(workflow, event, state=self.state, api_url=self.fake.url, **given).expect("success")

    def model(self, name: str) -> str:
        """The digest that main's run judged."""
        return str(self.first.outputs[f"{name} / judge"]["model"])


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    with FakeGitHub({"repository": "octo/two"}) as fake:
        yield Repository(tmp_path_factory.mktemp("two"), fake)
    assert not fake.problems


def test_a_pull_request_has_two_checks_and_two_comments_each_about_its_own_model(two: Repository) -> None:
    main = two.project.git("rev-parse", "HEAD")
    two.project.git("switch", "--quiet", "--create", "change")
    two.project.commit(
        "Slower cards", **{"cards/params.yaml": lambda text: text.replace("learning_rate: 0.15", "learning_rate: 0.14")}
    )
    head = two.project.git("rev-parse", "HEAD")
    ran = two.run("pr.yml", "pull_request", payload=pull_request(two.project, main), ref="refs/pull/7/merge")
    two.project.git("switch", "--quiet", "main")

    assert set(ran.jobs) == {f"{name} / {job}" for name in NAMES for job in ("measure", "judge")}, (
        "both champions are stored"
    )
    for name in NAMES:
        gate = json.loads((ran.artifact(f"report-{name}") / "gate.json").read_text())
        assert gate["champion"] == two.model(name)
    judged = {name: ran.outputs[f"{name} / judge"]["model"] for name in NAMES}
    assert [name for name in NAMES if judged[name] == two.model(name)] == ["loans"]

    keep(two.fake, ran, head, event="pull_request", head_branch="change")
    two.fake.state["pulls"] = [{"id": 7, "number": 7, "head": {"ref": "change", "sha": head}, "base": {"ref": "main"}}]
    finished = {"id": ran.run_id, "event": "pull_request", "conclusion": "success", "head_sha": head, "head_branch": "change",
                "head_repository": {"full_name": "octo/two"}, "pull_requests": []}  # fmt: skip
    for _ in range(2):
        two.run("pr-comment.yml", "workflow_run", payload={"action": "completed", "workflow_run": finished})
        posted = bodies(two.fake)
        assert len(posted) == 2, "a second run edits them"
        for name in NAMES:
            (body,) = [one for one in posted if f'name="report-{name}"' in one]
            assert judged[name][:12] in body


def test_each_has_its_own_night_and_issue(two: Repository) -> None:
    for name in NAMES:
        ran = two.run(f"nightly-{name}.yml", "schedule")
        assert ran.outputs["drift / judge"]["model"] == two.model(name)
    titles = {issue["title"] for issue in two.fake.state["issues"]}
    assert titles == {f"Data drift: the nightly batch of {name} has moved" for name in NAMES}


@pytest.fixture
def images(tmp_path: Path) -> Iterator[Registry]:
    with registry(tmp_path / "registry") as running:
        yield running


def test_each_has_its_own_release_image_and_production(two: Repository, images: Registry, tmp_path: Path) -> None:
    two.fake.state["reviewers"] = {"production": ["octocat"]}
    path = f"{TOOLS / 'docker_stand_in'}:{TOOLS / 'gh_stand_in'}:{os.environ['PATH']}"
    for name in NAMES:
        tag = f"model-{name}-v1.0.0"
        two.project.git("tag", tag)
        two.run(
            f"release-{name}.yml", "push", ref=f"refs/tags/{tag}",
            payload={"ref": f"refs/tags/{tag}", "repository": repository(two.project.name)},
            variables={"LOCKGATE_IMAGE": f"{images.address}/octo/two"},
            environment={"PATH": path, "DOCKER_STAND_IN": str(tmp_path / "docker"), "DOCKER_STAND_IN_PYTHON": sys.executable},
        )  # fmt: skip
    assert {release["tag_name"] for release in two.fake.state["releases"]} == {f"model-{name}-v1.0.0" for name in NAMES}
    assert all("In production since" in release["body"] for release in two.fake.state["releases"])
    shown = [
        json.loads(base64.b64decode(asset["content"]))
        for asset in two.fake.state["assets"]
        if asset["name"] == "digests.json"
    ]
    by_image = {one["image"].rpartition("/")[2]: one for one in shown}
    for name in NAMES:
        assert by_image[f"two-{name}"]["model"] == two.model(name)
        tags = images.tags(f"octo/two-{name}")
        assert set(tags) == {"v1.0.0", "v1.0", "stable"}
        assert set(tags.values()) == {by_image[f"two-{name}"]["image_digest"]}
