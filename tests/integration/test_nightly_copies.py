"""Where the history survives: artifacts of earlier runs and the published branch, each of them lost, foreign or broken."""

from __future__ import annotations

import base64
import io
import subprocess
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fake_github import FakeGitHub
from fake_github.faults import Fault

from lockgate.ci.nightly.publish import BRANCH, PreviousRuns, publish, read_previous_runs
from lockgate.config.errors import InputError
from lockgate.documents.nightly_json import NightlyHistory, NightlyRun
from lockgate.github.client import open_repository, settings_from_environment

NOW = datetime.now(UTC)


def a_run(run: int) -> NightlyRun:
    return NightlyRun(
        run=run, attempt=1, time=NOW - timedelta(days=20 - run), model="a" * 64, status="alert", rows=5000, moved=1,
        worst="income", psi=0.3,
    )  # fmt: skip


def content(*runs: int) -> bytes:
    return NightlyHistory(runs=tuple(map(a_run, runs))).to_bytes()


def zipped(name: str, inner: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, inner)
    return stream.getvalue()


def add_run(fake: FakeGitHub, run: int, archive: bytes | None, **about: Any) -> None:
    """A run on the default branch that left an artifact, or whose artifact is gone."""
    fake.state.setdefault("runs", []).append({"id": run, "head_sha": "c" * 40, "head_branch": "main", **about})
    if archive is not None:
        artifact = {"id": 700 + run, "run": run, "name": "drift", "content": base64.b64encode(archive).decode()}
        fake.state.setdefault("artifacts", []).append(artifact)


def look(branch: str = "") -> PreviousRuns:
    settings = settings_from_environment()
    return read_previous_runs(settings, open_repository(settings), "main", branch, NOW)


@pytest.fixture
def remote(fake_github: FakeGitHub, tmp_path: Path) -> Path:
    """The repository's branches, as git keeps them."""
    folder = tmp_path / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", folder], check=True)
    fake_github.state["git_dir"] = str(folder)
    return folder


def put(drift: bytes = b'{"status": "alert"}', history: bytes = b"{}") -> str:
    return publish(open_repository(settings_from_environment()), BRANCH, {"drift.json": drift, "history.json": history})


def git(remote: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", remote, *arguments], check=True, capture_output=True, text=True).stdout.strip()


def test_the_newest_copies_are_put_together(fake_github: FakeGitHub) -> None:
    add_run(fake_github, 3, zipped("history.json", content(1, 3)))
    add_run(fake_github, 4, zipped("history.json", content(1, 4)))  # overlapped with 3

    found = look()

    assert [one.run for one in found.runs] == [1, 3, 4]
    assert not found.problems


def test_the_first_night_of_all_says_that_it_counts_from_here(fake_github: FakeGitHub) -> None:
    found = look()

    assert not found.runs
    assert found.problems == ("no previous run is known, so the count starts with this one",)


def test_a_lost_artifact_costs_its_night_only(fake_github: FakeGitHub) -> None:
    add_run(fake_github, 1, zipped("history.json", content(1)))
    add_run(fake_github, 2, None)

    assert [one.run for one in look().runs] == [1]


@pytest.mark.parametrize(
    ("archive", "word"),
    [
        (b"no archive", "no archive that can be read"),
        (zipped("other.json", b"{}"), "history.json"),
        (zipped("history.json", b'{"schema": 2, "runs": [{"run": 2}]}'), "is no history"),
        (zipped("history.json", b"{" * 2_000_001), "over 2,000,000 bytes"),
    ],
)
def test_a_copy_that_is_none_is_named_and_ignored(fake_github: FakeGitHub, archive: bytes, word: str) -> None:
    add_run(fake_github, 1, zipped("history.json", content(1)))
    add_run(fake_github, 2, archive)

    found = look()

    assert [one.run for one in found.runs] == [1]
    assert len(found.problems) == 1
    assert word in found.problems[0]


@pytest.mark.parametrize("about", [{"head_branch": "change"}, {"head_repository": "mallory/credit"}])
def test_what_a_pull_request_uploaded_is_not_looked_at(fake_github: FakeGitHub, about: dict[str, Any]) -> None:
    add_run(fake_github, 1, zipped("history.json", content(1)), **about)

    assert not look().runs


def test_the_published_copy_stands_in_for_lost_artifacts(fake_github: FakeGitHub, remote: Path) -> None:
    put(history=content(5, 6))

    assert [one.run for one in look(BRANCH).runs] == [5, 6]


def test_a_published_copy_of_more_than_a_megabyte_is_read_too(fake_github: FakeGitHub, remote: Path) -> None:
    put(history=content(5, 6) + b" " * 1_000_000)

    assert [one.run for one in look(BRANCH).runs] == [5, 6]


def test_no_copy_to_be_had_is_no_reason_to_fail(fake_github: FakeGitHub) -> None:
    fake_github.faults.plan("actions/list-artifacts-for-repo", Fault(404))
    fake_github.faults.plan("repos/get-content", Fault(403))

    found = look(BRANCH)

    assert not found.runs
    assert len(found.problems) == 3


def test_publishing_adds_a_commit_and_the_same_again_adds_none(fake_github: FakeGitHub, remote: Path) -> None:
    first = put(b'{"status": "alert"}')
    second = put(b'{"status": "stable"}')

    assert put(b'{"status": "stable"}') == second
    assert git(remote, "rev-list", BRANCH).split() == [second, first]
    assert git(remote, "show", f"{BRANCH}:drift.json") == '{"status": "stable"}'
    assert git(remote, "ls-tree", "--name-only", BRANCH).split() == ["README.md", "drift.json", "history.json"]


def test_a_run_that_publishes_in_between_is_not_overwritten(fake_github: FakeGitHub, remote: Path) -> None:
    first = put()
    fake_github.faults.plan("git/update-ref", Fault(422, message="Update is not a fast forward"))

    second = put(b'{"status": "stable"}')

    assert git(remote, "rev-list", BRANCH).split() == [second, first]


def test_a_model_with_a_name_has_a_folder_of_its_own(fake_github: FakeGitHub, remote: Path) -> None:
    put(history=content(1))
    publish(
        open_repository(settings_from_environment()),
        BRANCH,
        {"drift.json": b'{"status": "stable"}', "history.json": content(2)},
        "loans",
    )

    assert git(remote, "show", f"{BRANCH}:drift.json") == '{"status": "alert"}'
    assert git(remote, "show", f"{BRANCH}:loans/drift.json") == '{"status": "stable"}'
    assert [one.run for one in look(BRANCH).runs] == [1]
    settings = settings_from_environment()
    named = read_previous_runs(settings, open_repository(settings), "main", BRANCH, NOW, "loans")
    assert [one.run for one in named.runs] == [2]


def commit_by_hand(remote: Path, path: str) -> None:
    work = remote.parent / "work"
    subprocess.run(["git", "clone", "--quiet", "--branch", BRANCH, remote, work], check=True)
    (work / path).parent.mkdir(parents=True, exist_ok=True)
    (work / path).write_text("x")
    author = ("-c", "user.name=a", "-c", "user.email=a@example.invalid")
    for arguments in (("add", "."), (*author, "commit", "--quiet", "-m", "Work"), ("push", "--quiet")):
        subprocess.run(["git", "-C", work, *arguments], check=True)


@pytest.mark.parametrize("path", ["CNAME", ".nojekyll"])
def test_what_github_pages_keeps_on_the_branch_stays(fake_github: FakeGitHub, remote: Path, path: str) -> None:
    put()
    commit_by_hand(remote, path)
    put(b'{"status": "stable"}')
    assert git(remote, "show", f"{BRANCH}:{path}") == "x"
    assert git(remote, "show", f"{BRANCH}:drift.json") == '{"status": "stable"}'


@pytest.mark.parametrize("path", ["main.py", "loans/CNAME", "src/drift.json/x", "loans/README.md", "v1-x/drift.json"])
def test_a_branch_with_other_files_is_refused_and_left_alone(fake_github: FakeGitHub, remote: Path, path: str) -> None:
    put()
    commit_by_hand(remote, path)
    commit = git(remote, "rev-parse", BRANCH)

    with pytest.raises(InputError, match=rf"{path}.*publish-branch"):
        put()
    assert git(remote, "rev-parse", BRANCH) == commit
