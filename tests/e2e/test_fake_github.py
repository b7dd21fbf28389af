"""The fake GitHub refuses what GitHub would refuse; otherwise tests against it would prove nothing."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from fake_github import FakeGitHub

from lockgate.github.client import GitHubSettings, open_repository

COMMENTS = "/repos/acme/credit/issues/1/comments"
TOKEN = {"Authorization": "token x"}
PULL = {"id": 1, "number": 1, "head": {"ref": "change", "sha": "a" * 40}, "base": {"ref": "main"}}


@pytest.mark.parametrize(
    ("method", "path", "options", "problem"),
    [
        ("GET", "/repos/acme/credit/isues", {}, "no such operation"),
        ("POST", COMMENTS, {"json": {}}, '"body" is a required property'),
        ("POST", COMMENTS, {"json": {"body": 7}}, "is not of type"),
        ("POST", COMMENTS, {"json": {"body": "hello", "colour": "red"}}, "colour is not described"),
        ("POST", COMMENTS, {}, "the body is missing"),
        ("GET", f"{COMMENTS}?colour=red", {}, "query parameter colour is not described"),
        ("GET", f"{COMMENTS}?per_page=many", {}, "query parameter per_page"),
        ("GET", "/repos/acme/credit/issues/one/comments", {}, "path parameter issue_number"),
        ("GET", "/repos/acme/credit/stargazers", {}, "does not have this operation yet"),
    ],
)
def test_what_github_does_not_describe_is_a_problem(
    method: str, path: str, options: dict[str, Any], problem: str
) -> None:
    with FakeGitHub({"pulls": [PULL]}) as fake:
        answer = httpx.request(method, fake.url + path, headers=TOKEN, **options)
    assert answer.status_code >= 400
    assert len(fake.problems) == 1
    assert problem in fake.problems[0]


def test_every_operation_answers_as_github_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lockgate.github.client.WRITE_PAUSE", 0.0)
    content = base64.b64encode(b"a ZIP").decode()
    fork = {"id": 2, "number": 2, "head": {"ref": "f", "sha": "b" * 40, "repo": "bob/credit"}, "base": {"ref": "main"}}
    state = {
        "pulls": [PULL, fork, {**fork, "id": 3, "number": 3, "head": {**fork["head"], "repo": None}}],
        "runs": [{"id": 9, "head_sha": "a" * 40}],
        "artifacts": [{"id": 4, "run": 9, "name": "report", "content": content}],
    }
    with FakeGitHub(state) as fake:
        repository = open_repository(GitHubSettings("acme/credit", "x", fake.url))
        assert [pull.number for pull in repository.get_pulls(head="bob:f")] == [2]
        assert [pull.number for pull in repository.get_commit("a" * 40).get_pulls()] == [1]
        assert not list(repository.get_commit("b" * 40).get_pulls())
        pull = repository.create_pull("main", "change", title="more", body="text")
        pull.edit(state="closed")
        repository.get_pull(pull.number).complete()
        repository.create_label("drift", "ff0000")
        issue = repository.create_issue("it drifted", labels=["drift"])
        issue.add_to_labels("new")
        issue.edit(body="more", state="closed")
        assert [found.number for found in repository.get_issues(state="closed", labels=["drift"])] == [issue.number]
        assert {label.name for label in repository.get_labels()} == {"drift", "new"}
        comment = issue.create_comment("one")
        comment.edit("two")
        assert [(found.body, found.user.login) for found in issue.get_comments()] == [("two", "github-actions[bot]")]
        comment.delete()
        run = repository.get_workflow_run(9)
        assert run.conclusion == "success"
        assert len(list(repository.get_workflow_runs(head_sha="a" * 40))) == 1
        (artifact,) = run.get_artifacts()
        answer = httpx.get(artifact.archive_download_url, headers=TOKEN, follow_redirects=True)
        assert answer.content == b"a ZIP"
    assert not fake.problems


def test_an_answer_that_github_would_not_give_is_a_problem() -> None:
    with FakeGitHub({"pulls": [PULL], "comments": [{"id": 5, "issue": 1, "login": "ann", "body": 7}]}) as fake:
        httpx.get(fake.url + COMMENTS, headers=TOKEN)
    assert "the fake's answer" in fake.problems[0]


def test_it_runs_as_a_process_with_a_state_and_faults_over_http(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text(json.dumps({"pulls": [PULL]}))
    process = subprocess.Popen(
        [sys.executable, "-m", "fake_github", "--port", "0", "--state", str(state)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    fault = {"operation": "issues/create-comment", "faults": [{"status": 502}], "times": 1}
    httpx.post(f"{url}/_fake/faults", json=fault).raise_for_status()
    statuses = [httpx.post(url + COMMENTS, json={"body": "hello"}, headers=TOKEN).status_code for _ in range(2)]
    comments = httpx.get(f"{url}/_fake/state").json()["comments"]
    refused = httpx.get(url + COMMENTS).status_code
    httpx.get(f"{url}/nowhere", headers=TOKEN)
    process.send_signal(signal.SIGTERM)
    printed, _ = process.communicate(timeout=30)
    assert statuses == [502, 201]
    assert [comment["body"] for comment in comments] == ["hello"]
    assert refused == 401
    assert "GET /nowhere: GitHub has no such operation" in printed
    assert process.returncode == 1
