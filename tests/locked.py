"""Importing modules as where only the packages of one lock file are installed."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

REQUIREMENTS = Path(__file__).parents[1] / "requirements"
BLOCKER = """
import importlib, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {absent!r}:
            raise ModuleNotFoundError(f"{{name}} is not installed here", name=name)

sys.meta_path.insert(0, Absent())
for name in {modules!r}:
    importlib.import_module(name)
print(*sys.modules)
"""


def absent_modules(lock: str) -> set[str]:
    """The modules of every package that is installed here and not in requirements/`lock`.txt."""
    locked = re.findall(r"^([A-Za-z0-9_.-]+)==", (REQUIREMENTS / f"{lock}.txt").read_text(), re.MULTILINE)
    present = {_normal(name) for name in locked} | {"lockgate"}
    found = {module: {_normal(name) for name in names} for module, names in packages_distributions().items()}
    return {module for module, names in found.items() if not names & present}


def import_with(lock: str, *modules: str) -> subprocess.CompletedProcess[str]:
    """Import the modules; the packages that were loaded are on stdout."""
    code = BLOCKER.format(absent=absent_modules(lock), modules=modules)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def run_with(lock: str, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m module`, with its arguments."""
    run = f"import runpy; sys.argv[1:] = {arguments!r}; runpy.run_module({module!r}, run_name='__main__')"
    code = BLOCKER.format(absent=absent_modules(lock), modules=()) + run
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def loaded(ended: subprocess.CompletedProcess[str]) -> set[str]:
    """The top-level modules that were loaded."""
    assert ended.returncode == 0, ended.stderr
    return {name.split(".")[0] for name in ended.stdout.split()}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
