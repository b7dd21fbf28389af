"""setup-dvc's script before it installs anything: what it refuses, and what its keys are made of."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ACTION = Path(__file__).parents[2] / ".github/actions/setup-dvc"


def run(folder: Path, step: str, **inputs: str) -> subprocess.CompletedProcess[str]:
    given = {"ENVIRONMENT": "judge", "CACHE": "true", "DVC_CACHE": "false", "PYTHON": "/usr/bin/python3", **inputs}
    return subprocess.run(
        [ACTION / "run.sh", step],
        cwd=folder,
        env={
            **{f"LOCKGATE_{name}": value for name, value in given.items()},
            "PATH": os.environ["PATH"], "GITHUB_ACTION_PATH": str(ACTION), "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_STEP_SUMMARY": str(folder / "summary"), "RUNNER_TEMP": str(folder), "RUNNER_OS": "Linux", "RUNNER_ARCH": "X64",
        },
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def placed(folder: Path, name: str, **inputs: str) -> dict[str, str]:
    (folder / name).mkdir()
    assert run(folder / name, "place", **inputs).returncode == 0
    lines = (folder / name / "output").read_text().splitlines()
    return {start.split("<<")[0]: value for start, value, _ in zip(lines[::3], lines[1::3], lines[2::3], strict=True)}


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"CACHE": "false", "DVC_CACHE": "true"}, 'give `dvc-cache: "false"` as well'),
        ({"CACHE": "False"}, "one of: true false"),
        ({"ENVIRONMENT": "gate"}, "one of: measure dask pipeline judge registry github release"),
        ({"PYTHON": "/nowhere/python3"}, "there is no /nowhere/python3 on this runner; install Python 3.11"),
    ],
)
def test_it_refuses_in_one_line(tmp_path: Path, inputs: dict[str, str], words: str) -> None:
    ran = run(tmp_path, "make", **inputs)
    assert ran.returncode == 2
    assert ran.stdout.startswith("::error::")
    assert words in ran.stdout
    assert not list(tmp_path.glob("lockgate-environment.*"))


def test_the_packages_key_is_of_their_lock_and_not_of_the_interpreter(tmp_path: Path) -> None:
    (tmp_path / "python3").symlink_to("/usr/bin/python3")
    first, other = placed(tmp_path, "first"), placed(tmp_path, "other", PYTHON=str(tmp_path / "python3"))
    assert first["key"] == other["key"]
    assert placed(tmp_path, "measure", ENVIRONMENT="measure")["key"] != first["key"]
    assert first["ready"] == "false"
