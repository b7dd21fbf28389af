"""`lockgate --help` must be quick: it imports nothing heavy. And the kit also runs as a module."""

from __future__ import annotations

import json
import subprocess
import sys

import click
import pytest

from lockgate.cli.main import COMMANDS, main

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
    "dvc",
}


# What only the extras bring: no command's help may need it.
EXTRAS = {
    "sklearn",
    "xgboost",
    "lightgbm",
    "mlflow",
    "matplotlib",
    "dvc",
    "evidently",
    "fastapi",
    "onnx",
    "onnxruntime",
}


def imported(arguments: list[str]) -> set[str]:
    code = (
        "import sys, json; from lockgate.cli.main import main\n"
        f"main({arguments!r}, standalone_mode=False)\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})), file=sys.stderr)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(answer.stderr))


def test_help_imports_nothing_heavy() -> None:
    assert not (HEAVY | EXTRAS) & imported(["--help"])


def test_help_of_a_command_needs_no_extra() -> None:
    """All in one process, which is asked after each command what has come."""
    code = (
        "import sys, json; from lockgate.cli.main import main\n"
        f"for command in {list(COMMANDS)!r}:\n"
        "    main([command, '--help'], standalone_mode=False)\n"
        "    print(json.dumps([command, *sorted({name.split('.')[0] for name in sys.modules})]), file=sys.stderr)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    came: dict[str, str] = {}
    for line in answer.stderr.splitlines():
        command, *modules = json.loads(line)
        came |= {module: command for module in EXTRAS & set(modules) if module not in came}
    assert came == {}, "extra and the first command whose help imports it"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_of_a_command_what_the_command_says_of_itself(command: str) -> None:
    found = main.get_command(click.Context(main), command)
    assert found is not None
    assert found.get_short_help_str(limit=200) == COMMANDS[command]


def test_it_runs_as_a_module() -> None:
    answer = subprocess.run([sys.executable, "-m", "lockgate", "--help"], capture_output=True, text=True, check=True)
    assert answer.stdout.startswith("Usage: lockgate ")
