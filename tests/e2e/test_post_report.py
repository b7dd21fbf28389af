"""post-report's own run.sh, with CML's stand-in on its good and bad days and without it, against the fake GitHub."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from commented import ACTIONS, HEAD, RUN, bodies, documents, finished_run, say
from fake_github import FakeGitHub
from fake_github.faults import SECONDARY_LIMIT, Fault

ROOT = Path(__file__).parents[2]
ACTION = ROOT / ".github/actions/post-report"
STAND_IN = ROOT / "tests/e2e/stand_ins/cml"
WATERMARK = f'![](https://cml.dev/watermark.png#{HEAD} "CML watermark lockgate report")'
Post = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def passed(trained_project: Path) -> dict[str, bytes]:
    found = documents(trained_project)
    return {name: found[name] for name in ("gate.json", "metrics.json", "manifest.json")}


@pytest.fixture
def cml(tmp_path: Path, fake_github: FakeGitHub) -> Path:
    """A copy of the stand-in that knows the fake."""
    folder = tmp_path / "cml"
    shutil.copytree(STAND_IN, folder)
    (folder / "api").write_text(fake_github.url)
    return folder


@pytest.fixture
def post(tmp_path: Path, fake_github: FakeGitHub, passed: dict[str, bytes]) -> Post:
    """`post(cml=..., run_id=...)` runs the action's script; the inputs are those of action.yml, in capitals."""
    finished_run(fake_github, passed)
    temporary = tmp_path / "runner"
    temporary.mkdir()

    def run(**inputs: str) -> subprocess.CompletedProcess[str]:
        given = {
            "BIN": str(Path(sys.executable).parent), "RUN_ID": str(RUN), "REPORT": "", "NAME": "", "AUTHOR": "",
            "WORKING_DIRECTORY": ".", "KIT": "",
            "CML": "none", "CML_SECONDS": "30", "FAIL": "false", "TOKEN": "a-token-of-the-job",
            **{name.upper(): value for name, value in inputs.items()},
        }  # fmt: skip
        environment = {name: value for name, value in os.environ.items() if name != "GITHUB_TOKEN"}
        for name in ("outputs", "summary"):
            (temporary / name).write_text("")
        return subprocess.run(
            [ACTION / "run.sh"],
            cwd=tmp_path,
            env={
                **environment,
                **{f"LOCKGATE_{name}": value for name, value in given.items()},
                "GITHUB_ACTION_PATH": str(ACTION),
                "GITHUB_OUTPUT": str(temporary / "outputs"),
                "GITHUB_STEP_SUMMARY": str(temporary / "summary"),
                "RUNNER_TEMP": str(temporary),
            },
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    return run


def outputs(folder: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in (folder / "runner/outputs").read_text().splitlines())


def test_cml_posts_and_then_updates_and_we_only_look(
    post: Post, fake_github: FakeGitHub, cml: Path, tmp_path: Path
) -> None:
    for verb in ("create", "update"):
        say(fake_github, "a remark", "ann")
        for comment in fake_github.state["comments"]:
            comment["body"] = comment["body"].replace(f"run={RUN}/1", "run=400/1")
        ran = post(cml=str(cml / "cml"))
        assert ran.returncode == 0, ran.stderr
        assert "CML posted the report" in ran.stdout
        assert json.loads((cml / "asked").read_text())["verb"] == verb
        assert outputs(tmp_path)["posted"] == "true"
        assert outputs(tmp_path)["note"] == ""
    (body,) = bodies(fake_github)
    assert WATERMARK in body
    assert len(fake_github.asked("issues/create-comment")) == 1
    assert len(fake_github.asked("issues/update-comment")) == 1


def test_cml_gets_no_more_than_it_needs(post: Post, cml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_JOB", "x")
    monkeypatch.setenv("CML_COMMENT_PUBLISH", "true")
    post(cml=str(cml / "cml"))
    asked = json.loads((cml / "asked").read_text())
    assert asked["options"] == {
        "driver": "github",
        "publish": "false",
        "repo": "https://github.com/acme/credit",
        "target": "pr/7",
        "watermark-title": "lockgate report",
    }
    environment = asked["environment"]
    assert not {"SECRET_OF_THE_JOB", "CML_COMMENT_PUBLISH", "GITHUB_OUTPUT", "GITHUB_TOKEN"} & set(environment)
    assert environment["HOME"] != os.environ.get("HOME")
    assert environment["ITERATIVE_DO_NOT_TRACK"] == "1"


@pytest.mark.parametrize("fault", ["crash", "silent", "hang", "stray", "twice"])
def test_whatever_cml_does_there_is_one_comment_with_the_report(
    post: Post, fake_github: FakeGitHub, cml: Path, tmp_path: Path, fault: str
) -> None:
    (cml / "fault").write_text(fault)
    started = time.monotonic()
    ran = post(cml=str(cml / "cml"), cml_seconds="3")
    assert ran.returncode == 0, ran.stderr
    assert time.monotonic() - started < 100  # CML itself would have slept 125 s
    (body,) = bodies(fake_github)
    assert "Gate passed" in body
    assert outputs(tmp_path)["posted"] == "true"
    assert outputs(tmp_path)["note"]
    assert "::warning::" in ran.stdout
    home = json.loads((cml / "asked").read_text())["environment"]["HOME"]
    assert not [process for process in Path("/proc").glob("[0-9]*") if _is_in(process, home)]


def _is_in(process: Path, folder: str) -> bool:
    try:
        return f"HOME={folder}\0".encode() in (process / "environ").read_bytes()
    except OSError:
        return False


def test_cml_is_not_asked_where_it_would_edit_a_strangers_comment(
    post: Post, fake_github: FakeGitHub, cml: Path
) -> None:
    post(cml=str(cml / "cml"))
    (cml / "asked").unlink()
    fake_github.state["comments"][0]["body"] = bodies(fake_github)[0].replace(f"run={RUN}/1", "run=400/1")
    bait = f"look at me\n\n{WATERMARK}"
    say(fake_github, bait, "ann")
    assert post(cml=str(cml / "cml")).returncode == 0
    assert not (cml / "asked").exists()
    assert bodies(fake_github, "ann") == [bait]
    assert len(bodies(fake_github)) == 1
    assert f"run={RUN}/1" in bodies(fake_github)[0]


def test_ours_is_found_behind_the_first_page_where_cml_stops(post: Post, fake_github: FakeGitHub, cml: Path) -> None:
    for number in range(130):
        say(fake_github, f"remark {number}", "ann")
    post(cml=str(cml / "cml"))
    (cml / "asked").unlink()
    fake_github.state["comments"][-1]["body"] = bodies(fake_github)[0].replace(f"run={RUN}/1", "run=400/1")
    assert post(cml=str(cml / "cml")).returncode == 0
    assert not (cml / "asked").exists()
    assert len(bodies(fake_github)) == 1


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(500), "CML ended with 1: the fake was told to fail"),
        (Fault(502, performed=True), "CML ended with 1: the fake was told to fail"),
        (
            Fault(403, {"Retry-After": "1"}, SECONDARY_LIMIT),
            "CML did not end within 3 s",
        ),  # it would sleep for 2 minutes
    ],
)
def test_github_has_a_bad_moment_while_cml_posts(
    post: Post, fake_github: FakeGitHub, cml: Path, fault: Fault, words: str
) -> None:
    fake_github.faults.plan("issues/create-comment", fault)
    ran = post(cml=str(cml / "cml"), cml_seconds="3")
    assert ran.returncode == 0
    assert f"::warning::{words}\n" in ran.stdout
    assert len(bodies(fake_github)) == 1


def test_without_cml_the_rest_api_posts(post: Post, fake_github: FakeGitHub) -> None:
    assert post(cml="none").returncode == 0
    assert post(cml="/nowhere/cml").returncode == 0
    assert len(bodies(fake_github)) == 1


@pytest.fixture
def set_up_cml(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs setup-cml's script on a machine whose GitHub is a folder, with an action's folder of its own."""
    kit = tmp_path / "kit/.github/actions"
    shutil.copytree(ROOT / ".github/actions/setup-cml", kit / "setup-cml")
    shutil.copy(ROOT / ".github/actions/common.sh", kit)
    (tmp_path / ".gitconfig").write_text(
        f'[url "file://{tmp_path}/cml"]\n\tinsteadOf = https://github.com/iterative/cml\n'
    )

    def run(**environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [kit / "setup-cml/run.sh"],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "GITHUB_ACTION_PATH": str(kit / "setup-cml"),
                "GITHUB_OUTPUT": str(tmp_path / "outputs"),
                "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
                "RUNNER_TEMP": str(tmp_path),
                "LOCKGATE_BIN": str(Path(sys.executable).parent),
                **environment,
            },
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


def test_cml_is_none_but_the_commit_that_is_named(
    set_up_cml: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """Whoever answers for GitHub: another commit is not taken, no hook of the machine is run, and the run goes on."""
    hooks = tmp_path / "template/hooks"
    hooks.mkdir(parents=True)
    for hook in ("post-checkout", "reference-transaction"):
        (hooks / hook).write_text(f"#!/bin/sh\ntouch {tmp_path}/hooked\n")
        (hooks / hook).chmod(0o755)
    for command in ("init -q cml", "-C cml commit -q --allow-empty -m other"):
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
        subprocess.run(["git", *identity, *command.split()], cwd=tmp_path, check=True)
    with (tmp_path / ".gitconfig").open("a") as file:
        file.write(f"[init]\n\ttemplateDir = {tmp_path}/template\n[core]\n\thooksPath = {hooks}\n")
    ran = set_up_cml()
    assert ran.returncode == 0, ran.stderr
    assert "::warning::CML's source could not be had from GitHub; the REST API does CML's work instead" in ran.stdout
    assert (tmp_path / "outputs").read_text().splitlines()[1] == ""
    assert not (tmp_path / "hooked").exists()


def test_a_package_of_cml_without_a_hash_is_refused_before_anything_is_fetched(
    set_up_cml: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    file = tmp_path / "kit/.github/actions/setup-cml/package-lock.json"
    lock = json.loads(file.read_text())
    del lock["packages"]["node_modules/which"]["integrity"]
    file.write_text(json.dumps(lock))
    ran = set_up_cml()
    assert ran.returncode == 2
    assert "::error::setup-cml/package-lock.json has no sha512 for node_modules/which" in ran.stdout
    assert not (tmp_path / "lockgate-cml").exists()


@pytest.mark.parametrize(("fail", "code"), [("false", 0), ("true", 2)])
def test_a_post_that_fails_warns_and_fails_the_job_only_where_asked(
    post: Post, fake_github: FakeGitHub, tmp_path: Path, fail: str, code: int
) -> None:
    fake_github.faults.plan("issues/create-comment", Fault(403, message="Resource not accessible by integration"))
    ran = post(fail=fail)
    assert ran.returncode == code
    assert "the comment is not posted: Error: cannot comment on #7" in ran.stdout
    assert outputs(tmp_path)["posted"] == "false"
    summary = (tmp_path / "runner/summary").read_text()
    assert "Gate passed" in summary
    assert "cannot comment on #7" in summary


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("run_id", "$(id)"), ("run_id", '"; curl'), ("run_id", "1\n::error::x"), ("cml", ""),
        ("cml_seconds", "9; id"), ("fail", "yes"), ("name", "$(id)"), ("name", "a\nposted=true"),
        ("bin", "/nowhere"),
    ],
)  # fmt: skip
def test_an_input_that_is_none_is_refused_and_stays_text(
    post: Post, fake_github: FakeGitHub, tmp_path: Path, name: str, value: str
) -> None:
    ran = post(**{"fail": "true", name: value})
    assert ran.returncode == 2
    assert "::error::" in ran.stdout
    assert "uid=" not in ran.stdout + ran.stderr
    assert "posted=true" not in (tmp_path / "runner/outputs").read_text().splitlines()
    assert not bodies(fake_github, ACTIONS)
