"""What release-kit.yml promises: each job has its own rights, a version is released once, and nothing moves but v1."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from distributions.build import RefusedError, require_tag, version_of
from ruamel.yaml import YAML

from lockgate.config.version import __version__

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github/workflows"
SHA, OLDER = "a" * 40, "b" * 40


def load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe", pure=True).load(WORKFLOWS / name)
    return found


JOBS = load("release-kit.yml")["jobs"]


def test_each_job_may_do_one_thing_and_the_one_that_builds_only_reads() -> None:
    assert {name: job["permissions"] for name, job in JOBS.items()} == {
        "build": {"contents": "read"},
        "attest": {"id-token": "write", "attestations": "write"},
        "publish": {"id-token": "write"},
        "release": {"contents": "write"},
    }


def test_what_may_write_checks_nothing_out_and_runs_nothing_that_was_handed_over() -> None:
    for name, job in JOBS.items():
        if name != "build":
            assert not [step for step in job["steps"] if "checkout" in step.get("uses", "")]
            assert not [step for step in job["steps"] if step.get("run", "").startswith(("dist/", "scripts/", "./"))]
        assert job["cache-mode"] == "none"


def test_it_is_published_after_an_approval_and_released_after_that() -> None:
    assert JOBS["publish"]["environment"]["name"] == "pypi"
    assert {name: job.get("needs") for name, job in JOBS.items()} == {
        "build": None,
        "attest": "build",
        "publish": ["build", "attest"],
        "release": ["build", "publish"],
    }


def test_v1_is_none_of_the_tags_that_release_the_kit() -> None:
    """It moves with each release, and must not begin another."""
    assert load("release-kit.yml")["on"] == {"push": {"tags": ["v*.*.*"]}}


def step(job: str, name: str) -> str:
    (found,) = [one["run"] for one in JOBS[job]["steps"] if one.get("name") == name]
    return str(found)


def run(
    script: str, folder: Path, answers: str = "", tag: str = "v1.2.3", sha: str = SHA
) -> subprocess.CompletedProcess[str]:
    """Run a step where `gh` answers as the lines of `case "$*" in` say, and notes what it was asked in `asked`."""
    bin_folder = folder / "bin"
    bin_folder.mkdir(parents=True)
    (bin_folder / "gh").write_text(f'#!/bin/bash\necho "$*" >>"{folder}/asked"\ncase "$*" in\n{answers}\nesac\n')
    (bin_folder / "gh").chmod(0o755)
    environment = {
        "PATH": f"{bin_folder}{os.pathsep}/usr/bin:/bin",
        "GITHUB_REPOSITORY": "OWNER/lockgate",
        "GITHUB_REF_NAME": tag,
        "GITHUB_SHA": sha,
        "RUNNER_TEMP": str(folder),
        "DEFAULT_BRANCH": "main",
    }
    command = ["bash", "-e", "-o", "pipefail", "-c", script]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def asked(folder: Path) -> str:
    return (folder / "asked").read_text()


class TestATagThatIsNotReleased:
    def test_of_a_commit_beside_the_default_branch(self, tmp_path: Path) -> None:
        git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.invalid"]

        def commit() -> str:
            subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message", "One"], cwd=tmp_path, check=True)
            ended = subprocess.run(
                ["git", "rev-parse", "HEAD"], cwd=tmp_path, capture_output=True, text=True, check=True
            )
            return ended.stdout.strip()

        subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
        merged = commit()
        subprocess.run(["git", "update-ref", "refs/remotes/origin/main", merged], cwd=tmp_path, check=True)
        beside = commit()
        script = step("build", "the commit is on the default branch")
        for number, (sha, code) in enumerate([(merged, 0), (beside, 1)]):
            folder = tmp_path / f"run-{number}"
            ended = run(script, folder, sha=sha)
            assert ended.returncode == code, ended.stdout + ended.stderr
        assert "not on main" in ended.stdout

    def test_of_another_version(self) -> None:
        require_tag(f"v{__version__}", version_of((ROOT / "lockgate/config/version.py").read_text()))
        for tag in (__version__, f"v{__version__}.1", "v9.9.9", f"model-v{__version__}"):
            with pytest.raises(RefusedError, match="raise the version first"):
                require_tag(tag, __version__)

    def test_of_a_version_that_was_released_from_other_files(self, tmp_path: Path) -> None:
        script = step("build", "a version is released once")
        for folder, released, code in (("same", "one", 0), ("other", "two", 1)):
            place = tmp_path / folder
            (place / "dist").mkdir(parents=True)
            (place / "dist/SHA256SUMS").write_text("one\n")
            answers = (
                f'release\\ download*) mkdir "{place}/released"; echo {released} >"{place}/released/SHA256SUMS" ;;'
            )
            ended = run(script, place, answers)
            assert ended.returncode == code, ended.stdout + ended.stderr
        assert "a full version never moves" in ended.stdout
        first = tmp_path / "first"
        assert run(script, first, "release\\ view*) exit 1 ;;").returncode == 0
        assert "download" not in asked(first)

    def test_that_moved_while_it_was_built(self, tmp_path: Path) -> None:
        script = step("release", "the tag is where it was")
        assert run(script, tmp_path / "still", f"*) echo {SHA} ;;").returncode == 0
        ended = run(script, tmp_path / "moved", f"*) echo {OLDER} ;;")
        assert ended.returncode == 1
        assert "a full version never moves" in ended.stdout


class TestTheRelease:
    SCRIPT = step("release", "GitHub Release")

    @pytest.mark.parametrize(("tag", "kind"), [("v1.2.3", "--latest"), ("v1.2.3rc1", "--prerelease")])
    def test_it_is_made_with_the_checksums(self, tmp_path: Path, tag: str, kind: str) -> None:
        (tmp_path / "dist").mkdir(parents=True)
        (tmp_path / "dist/SHA256SUMS").write_text("")
        assert run(self.SCRIPT, tmp_path, "release\\ view*) exit 1 ;;", tag).returncode == 0
        made = asked(tmp_path).splitlines()[-1]
        assert made.startswith(f"release create {tag} --repo OWNER/lockgate --verify-tag")
        assert kind in made
        assert made.endswith("dist/SHA256SUMS")

    def test_one_that_is_there_is_left_alone(self, tmp_path: Path) -> None:
        assert run(self.SCRIPT, tmp_path).returncode == 0
        assert "create" not in asked(tmp_path)


class TestV1:
    SCRIPT = step("release", "v1 moves")

    def moved(self, folder: Path, now: str, relation: str = "", tag: str = "v1.2.3") -> list[str]:
        """The requests that change something."""
        answers = f"*matching-refs*) echo {now} ;;\n*compare*) echo {relation} ;;"
        assert run(self.SCRIPT, folder, answers, tag).returncode == 0
        requests = asked(folder).splitlines() if (folder / "asked").exists() else []
        return [request for request in requests if "--method" in request]

    def test_it_begins_with_the_first_release(self, tmp_path: Path) -> None:
        (request,) = self.moved(tmp_path, "")
        assert request == f"api --method POST repos/OWNER/lockgate/git/refs -f ref=refs/tags/v1 -f sha={SHA}"

    def test_it_moves_forward(self, tmp_path: Path) -> None:
        (request,) = self.moved(tmp_path, OLDER, "ahead")
        assert request == f"api --method PATCH repos/OWNER/lockgate/git/refs/tags/v1 -f sha={SHA} -F force=true"

    @pytest.mark.parametrize("relation", ["identical", "behind", "diverged"])
    def test_it_never_moves_back(self, tmp_path: Path, relation: str) -> None:
        assert self.moved(tmp_path, OLDER, relation) == []

    def test_a_prerelease_does_not_move_it(self, tmp_path: Path) -> None:
        assert self.moved(tmp_path, OLDER, "ahead", tag="v1.2.3rc1") == []
