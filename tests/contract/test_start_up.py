"""`lockgate --help` must be quick: it imports nothing heavy. And every command also runs as a module."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from lockgate.cli.main import COMMANDS

HEAVY = {
    "numpy",
    "pandas",
    "pyarrow",
    "scipy",
    "sklearn",
    "xgboost",
    "mlflow",
    "pydantic",
    "matplotlib",
    "pandera",
    "dvc",
}


@pytest.mark.parametrize("arguments", [["--help"], *([command, "--help"] for command in COMMANDS)])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys, json; from lockgate.cli.main import main\n"
        f"main({arguments!r}, standalone_mode=False)\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})), file=sys.stderr)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(json.loads(answer.stderr))


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_runs_as_a_module(command: str) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", f"pipeline.{command}", "--help"], capture_output=True, text=True, check=True
    )
    assert answer.stdout.startswith(f"Usage: python -m pipeline.{command}")
