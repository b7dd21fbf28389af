"""pr-comment.yml as GitHub would run it after a pull request's run: with act, against the fake GitHub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commented import HEAD, RUN, bodies, documents, finished_run
from e2e.act import Project, copy_of_the_tree
from e2e.act_log import Run
from fake_github import FakeGitHub


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return copy_of_the_tree(tmp_path_factory.mktemp("kit") / "kit")


@pytest.fixture
def github(kit: Project) -> Iterator[FakeGitHub]:
    with FakeGitHub({"repository": kit.name}) as fake:
        yield fake
    assert not fake.problems


def after_the_run(kit: Project, github: FakeGitHub, folder: Path, **run: Any) -> Run:
    """What GitHub starts when the run of the pull request is over."""
    event = {
        "action": "completed",
        "workflow_run": {
            "id": RUN,
            "event": "pull_request",
            "conclusion": "success",
            "head_sha": HEAD,
            "head_branch": "change",
            "head_repository": {"full_name": kit.name},
            "pull_requests": [],
            **run,
        },
    }
    return kit.run(
        "pr-comment.yml", "workflow_run", state=folder, payload=event, api_url=github.url,
        variables={"LOCKGATE_CML": "none"},
    )  # fmt: skip


def test_a_blocked_pull_request_from_a_fork_gets_its_comment_and_a_newer_head_none(
    kit: Project, github: FakeGitHub, trained_project: Path, tmp_path: Path
) -> None:
    files = documents(trained_project)
    gate = json.loads(files["gate.json"])
    (floor,) = [check for check in gate["checks"] if check["name"] == "roc_auc floor"]
    floor |= {"status": "block", "threshold": 0.99}
    gate["verdict"] = "block"
    head = {"ref": "$(id)", "sha": HEAD, "repo": "mallory/credit"}
    finished_run(
        github,
        {**files, "gate.json": json.dumps(gate).encode()},
        run={"conclusion": "failure", "head_branch": "$(id)", "head_repository": "mallory/credit"},
        pull={"head": head},
    )
    ran = after_the_run(
        kit,
        github,
        tmp_path,
        conclusion="failure",
        head_branch="$(id)",
        head_repository={"full_name": "mallory/credit"},
    )
    ran.expect("success", "comment / post")
    (body,) = bodies(github)
    assert body.startswith("## ❌ Gate blocked: ROC-AUC")
    assert body.splitlines()[0] in ran.summary

    head["sha"] = "b" * 40
    before = len(github.requests)
    ran = after_the_run(kit, github, tmp_path)
    ran.expect("success", "comment / post")
    assert bodies(github) == [body]
    assert not [request for request in github.requests[before:] if request.method != "GET"]


@pytest.mark.parametrize("run", [{"event": "push"}, {"conclusion": "action_required"}, {"conclusion": "skipped"}])
def test_a_run_that_has_nothing_to_report_on_a_pull_request_gets_no_job(
    kit: Project, github: FakeGitHub, tmp_path: Path, run: dict[str, str]
) -> None:
    ran = after_the_run(kit, github, tmp_path, **run)
    assert not github.requests
    assert ran.code == 0, ran.text
    assert "success" not in ran.jobs.values()
