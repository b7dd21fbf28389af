"""A cancelled job: whatever DVC and a training started is gone within ten seconds, also what ignores SIGTERM."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
ACTION = ROOT / ".github/actions/train"
# A training that is not to be disturbed, nor are the processes that it works with.
STUBBORN = """\
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
if len(sys.argv) == 1:
    worker = subprocess.Popen([sys.executable, __file__, "worker"])
    with open("pids.new", "w") as stream:
        stream.write(f"{os.getpid()} {worker.pid}")
    os.rename("pids.new", "pids")
time.sleep(300)
"""
STAGES = "stages:\n  fit:\n    cmd: python fit.py\n    deps: [fit.py]\n    outs: [fitted.txt]\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "fit.py").write_text(STUBBORN)
    (tmp_path / "dvc.yaml").write_text(STAGES)
    (tmp_path / "params.yaml").write_text("{}\n")
    return tmp_path


def is_running(process: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition: Path, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition.exists():
        assert time.monotonic() < end, f"{condition} has not come"
        time.sleep(0.1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("is_action", [False, True], ids=["lockgate reproduce", "the action's step"])
def test_everything_that_was_started_is_gone_in_ten_seconds(project: Path, number: int, *, is_action: bool) -> None:
    folder = project / "runner"
    folder.mkdir()
    (folder / "step.sh").write_text(f"exec {ACTION}/run.sh\n")
    # As a runner starts a step of a composite action, and signals that process alone.
    step = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(folder / "step.sh")]
    running = subprocess.Popen(
        step if is_action else [BIN / "lockgate", "reproduce"],
        cwd=project,
        env={
            **os.environ,
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "GITHUB_ACTION_PATH": str(ACTION),
            "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_STEP_SUMMARY": str(folder / "summary"),
            "LOCKGATE_BIN": str(BIN),
            "LOCKGATE_PARAMS": "",
            "LOCKGATE_SAVE_CACHE": "false",
            "RUNNER_TEMP": str(folder),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # As a runner starts it; a shell starts what runs in its background with SIGINT ignored, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    training: list[int] = []
    try:
        wait_for(project / "pids", 120)
        training = [int(process) for process in (project / "pids").read_text().split()]
        assert all(map(is_running, training))
        begin = time.monotonic()
        running.send_signal(number)
        assert running.wait(60) != 0
        assert time.monotonic() - begin < 10
        assert not [process for process in training if is_running(process)]
    finally:
        running.kill()
        for process in filter(is_running, training):
            os.kill(process, signal.SIGKILL)


def test_the_actions_steps_are_replaced_by_what_gets_the_signal() -> None:
    """A shell that waits for another program dies of a signal, or ignores it, and that program goes on."""
    for name in ("train", "quality-gate", "drift-report"):
        text = (ROOT / f".github/actions/{name}/action.yml").read_text()
        steps = re.findall(r'^ *run: (.*"\$GITHUB_ACTION_PATH/run\.sh".*)$', text, re.MULTILINE)
        assert steps
        assert all(step.startswith("exec ") for step in steps)
