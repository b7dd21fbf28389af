"""The stand-ins do what our workflows count on: artifacts and caches from run to run, depth of a clone, refusals."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from e2e.act import Project
from e2e.act_tree import UnknownActionError, git

CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1"
CACHE = "actions/cache@27d5ce7f107fe9357f9df03efb73ab90386fccae"
UPLOAD = "actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f"
DOWNLOAD = "actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c"
HEAD = "on: [workflow_dispatch]\npermissions: {}\njobs:\n  one:\n    runs-on: ubuntu-latest\n    steps:\n"

FIRST = f"""{HEAD}
      - uses: {CHECKOUT}
      - run: |
          echo "commits=$(git rev-list --count HEAD)" >>"$GITHUB_OUTPUT"
          mkdir -p kept out/plots
          echo first >kept/a; echo 1 >out/gate.json; echo 2 >out/plots/roc.json; echo 3 >out/.hidden
      - uses: {CACHE}
        with: {{path: kept, key: one-1}}
      - id: upload
        uses: {UPLOAD}
        with: {{name: report, path: out}}
      - uses: {UPLOAD}
        with:
          name: parts
          path: |
            out/plots/roc.json
            absent
      - uses: {DOWNLOAD}
        with: {{artifact-ids: "${{{{ steps.upload.outputs.artifact-id }}}}", path: by-id}}
      - run: echo "by-id=$(cd by-id && find . -type f | sort | tr '\\n' ' ')" >>"$GITHUB_OUTPUT"
      - id: twice
        continue-on-error: true
        uses: {UPLOAD}
        with: {{name: report, path: out}}
      - run: echo "twice=$TWICE" >>"$GITHUB_OUTPUT"
        env: {{TWICE: "${{{{ steps.twice.outcome }}}}"}}
"""
SECOND = f"""{HEAD}
      - uses: {CHECKOUT}
        with: {{fetch-depth: 0}}
      - id: cache
        uses: {CACHE}
        with: {{path: kept, key: one-2, restore-keys: one-}}
      - uses: {DOWNLOAD}
        with: {{name: report, path: got, run-id: "7", github-token: any}}
      - id: own
        continue-on-error: true
        uses: {DOWNLOAD}
        with: {{name: report, path: own}}
      - run: |
          echo "commits=$(git rev-list --count HEAD)" >>"$GITHUB_OUTPUT"
          echo "kept=$(cat kept/a)" >>"$GITHUB_OUTPUT"
          echo "got=$(cd got && find . -type f | sort | tr '\\n' ' ')" >>"$GITHUB_OUTPUT"
          echo "own=$OWN" >>"$GITHUB_OUTPUT"
        env: {{OWN: "${{{{ steps.own.outcome }}}}"}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "project"
    (folder / ".github/workflows").mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")
    project = Project(folder, "octo/plain", folder)
    project.commit("One", **{".github/workflows/first.yml": FIRST})
    project.commit("Two", **{".github/workflows/second.yml": SECOND})
    return project


def test_what_one_run_keeps_another_finds(project: Project, tmp_path: Path) -> None:
    state = tmp_path / "state"
    first = project.run("first.yml", "workflow_dispatch", state=state, run_id=7).expect("success", "one")
    assert first.outputs["one"]["commits"] == "1", "a checkout is one commit deep unless more are asked for"
    assert first.outputs["one"]["twice"] == "failure", "an artifact of the same name is a conflict"
    assert first.outputs["one"]["by-id"].split() == ["./gate.json", "./plots/roc.json"]
    parts = [str(path.relative_to(first.artifact("parts"))) for path in first.artifact("parts").rglob("*.json")]
    assert parts == ["out/plots/roc.json"], "the root is what the patterns have in common, found or not"
    second = project.run("second.yml", "workflow_dispatch", state=state, run_id=8).expect("success", "one")
    found = second.outputs["one"]
    assert found["commits"] == "2"
    assert found["cache-matched-key"] == "one-1"
    assert (found["kept"], found["got"].split()) == ("first", ["./gate.json", "./plots/roc.json"])
    assert found["own"] == "failure", "another run's artifact takes its run-id and a token"


def test_a_workflow_that_uses_anything_else_is_not_run(project: Project, tmp_path: Path) -> None:
    other = FIRST.replace(CACHE, "docker/login-action@9780b0c442fbb1117ed29e0efdff1e18412f7567")
    project.commit("Other", **{".github/workflows/first.yml": other})
    with pytest.raises(UnknownActionError, match=r"docker/login-action.*has no stand-in"):
        project.run("first.yml", "workflow_dispatch", state=tmp_path / "state")


def test_the_command_says_in_one_line_what_is_missing() -> None:
    root = Path(__file__).parents[2]
    for arguments, words in (
        (("pull_request", "none.yml"), "no workflow none.yml; there are"),
        (("fork",), "no workflow starts on fork"),
        (("push", "--var", "NAME"), "write NAME=VALUE"),
    ):
        ran = subprocess.run([root / "scripts/act", *arguments], capture_output=True, text=True, check=False)
        assert ran.returncode == 2
        assert words in ran.stderr
        assert len([line for line in ran.stderr.splitlines() if line.startswith("Error:")]) == 1
