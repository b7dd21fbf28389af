"""What hostile code leaves behind, in the same job, in a cache or on the disk of a runner, and who it reaches."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from e2e.act import Project, copy_of_the_tree, example
from e2e.act_tree import pin

FIXTURE = Path(__file__).parent / "caller"
WORKFLOW = ".github/workflows/attack.yml"

# A step that sets everything by which a later step of the same job might run something else than it names.
STEPS = """\
name: attack
on: workflow_dispatch
permissions: {}
jobs:
  attacked:
    runs-on: ubuntu-24.04
    permissions:
      contents: read # to check out
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
        with:
          persist-credentials: false
          fetch-depth: 0
      - shell: bash
        env:
          MARK: MARKED
        run: |
          fakes=$RUNNER_TEMP/fakes
          mkdir "$fakes"
          printf 'echo reached >>"%s"\\n' "$MARK" >"$fakes/reach"
          for program in bash sh git python python3 lockgate jq sed env mktemp sha256sum; do
            printf '#!/bin/sh\\necho "%s reached" >>"%s"\\nexit 7\\n' "$program" "$MARK" >"$fakes/$program"
          done
          printf 'open("%s", "a").write("python reached")\\n' "$MARK" >"$fakes/sitecustomize.py"
          chmod +x "$fakes"/*
          cat >>"$GITHUB_ENV" <<END
          BASH_ENV=$fakes/reach
          ENV=$fakes/reach
          SHELLOPTS=xtrace
          PS4=\\$(. $fakes/reach)
          BASH_FUNC_git%%=() { . $fakes/reach; }
          LD_PRELOAD=/nowhere/attack.so
          LD_AUDIT=/nowhere/attack.so
          LD_LIBRARY_PATH=/nowhere
          PYTHONPATH=$fakes
          PYTHONHOME=$fakes
          PYTHONSTARTUP=$fakes/sitecustomize.py
          NODE_OPTIONS=--require=$fakes/reach
          GIT_CONFIG_COUNT=1
          GIT_CONFIG_KEY_0=core.fsmonitor
          GIT_CONFIG_VALUE_0=$fakes/reach
          END
          echo "$fakes" >>"$GITHUB_PATH"
          ln -s "$MARK.followed" "$RUNNER_TEMP/lockgate-bin"
"""
# An absolute path alone does not help. It succeeds, since act loses what a step prints just before it fails.
UNPROTECTED = """\
      - shell: /bin/bash {0}
        run: sleep 0.5
"""
OF_THE_KIT = """\
      - uses: OWNER/lockgate/.github/actions/setup-dvc@v0.0.0
        with:
          environment: judge
          cache: "CACHE"
          dvc-cache: "false"
      - id: gate
        uses: OWNER/lockgate/.github/actions/quality-gate@v0.0.0
        with:
          predictions: scores.csv
          champion: none
"""


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return copy_of_the_tree(tmp_path_factory.mktemp("act") / "kit")


@pytest.fixture
def project(kit: Project, tmp_path: Path) -> Project:
    return example(tmp_path / "caller", "predictions", kit.path, beside=FIXTURE)


def of_the_kit(kit: Project, cache: str) -> str:
    return OF_THE_KIT.replace("CACHE", cache).replace("v0.0.0", pin(kit.path))


def place(kit: Path, folder: Path) -> dict[str, str]:
    """Where setup-dvc would look for the environment `judge` on this machine, and by which key."""
    folder.mkdir()
    action = kit / ".github/actions/setup-dvc"
    subprocess.run(
        [action / "run.sh", "place"],
        env={
            "PATH": os.environ["PATH"], "GITHUB_ACTION_PATH": str(action), "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_STEP_SUMMARY": str(folder / "summary"), "RUNNER_TEMP": str(folder), "RUNNER_TOOL_CACHE": str(folder),
            "RUNNER_OS": "Linux", "RUNNER_ARCH": "X64", "LOCKGATE_ENVIRONMENT": "judge", "LOCKGATE_CACHE": "true",
            "LOCKGATE_DVC_CACHE": "false", "LOCKGATE_PYTHON": "/usr/bin/python3",
        },
        check=True,
    )  # fmt: skip
    lines = (folder / "output").read_text().splitlines()
    return {start.split("<<")[0]: value for start, value, _ in zip(lines[::3], lines[1::3], lines[2::3], strict=True)}


def poison(folder: Path, mark: Path) -> None:
    """An environment that looks complete, whose uv says that it was run."""
    (folder / "bin").mkdir(parents=True)
    (folder / "complete").touch()
    (folder / "bin/uv").write_text(f'#!/bin/sh\necho reached >>"{mark}"\nexit 7\n')
    (folder / "bin/uv").chmod(0o755)


@pytest.mark.full
def test_what_an_earlier_step_sets_and_other_runs_leave_reaches_no_step_of_the_kit(
    kit: Project, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools, state, mark = tmp_path / "tools", tmp_path / "state", tmp_path / "mark"
    monkeypatch.setenv("LOCKGATE_ACT_TOOLS", str(tools))
    there = place(kit.path, tmp_path / "place")
    poison(tools / "lockgate" / Path(there["packages"]).name, mark)
    poison(state / "caches" / there["key"] / "0", mark)
    poison(state / "caches" / f"{there['dvc-key']}-run" / "0", mark)

    steps = STEPS.replace("MARKED", str(mark))
    project.commit("Attack", **{WORKFLOW: steps + of_the_kit(kit, "false")})
    run = project.run("attack.yml", "workflow_dispatch", state=state, own_environments=True)
    run.expect("success", "attacked")
    assert run.outputs["attacked"]["verdict"] == "pass"
    assert not mark.exists(), mark.read_text()
    assert not mark.with_name("mark.followed").exists()
    assert "cannot be preloaded" not in run.text
    assert "restored lockgate" not in run.text


@pytest.mark.full
def test_the_attacks_work_where_nothing_is_done_against_them(
    kit: Project, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools, state, mark = tmp_path / "tools", tmp_path / "state", tmp_path / "mark"
    monkeypatch.setenv("LOCKGATE_ACT_TOOLS", str(tools))
    steps = STEPS.replace("MARKED", str(mark))
    project.commit("Attack", **{WORKFLOW: steps + UNPROTECTED})
    run = project.run("attack.yml", "workflow_dispatch", state=state, own_environments=True)
    assert "reached" in mark.read_text(), run.text
    assert "cannot be preloaded" in run.text

    mark.unlink()
    there = place(kit.path, tmp_path / "place")
    poison(state / "caches" / there["key"] / "0", mark)
    innocent = steps[: steps.index("      - shell: bash")]
    project.commit("Cache", **{WORKFLOW: innocent + of_the_kit(kit, "true")})
    run = project.run("attack.yml", "workflow_dispatch", state=state, own_environments=True)
    run.expect("failure", "attacked")
    assert "reached" in mark.read_text()
