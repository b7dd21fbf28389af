"""The thirteen packages and the top-level names that the project is known by: each is there, and each is used."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMES = (
    ".github/workflows", ".github/actions", "scripts", "pipeline", "app", "monitoring", "tests", "dvc.yaml", "params.yaml",
    "README.md",
)  # fmt: skip
# Package to the module that Python imports.
IMPORTED = {
    "mlflow": "mlflow", "xgboost": "xgboost", "scikit-learn": "sklearn", "pandas": "pandas", "numpy": "numpy",
    "evidently": "evidently", "fastapi": "fastapi", "uvicorn": "uvicorn", "prometheus-client": "prometheus_client",
    "click": "click", "pytest": "pytest",
}  # fmt: skip
# Package to the file that declares it and the file that runs it, with what stands there.
RUN = {
    "dvc": (("pyproject.toml", '"dvc>='), ("lockgate/dvc/reproduce.py", '"-m", "dvc"')),
    "cml": (
        (".github/actions/setup-cml/run.sh", "https://github.com/iterative/cml"),
        ("lockgate/github/cml.py", '"comment", verb'),
    ),
}


@cache
def files() -> list[str]:
    """What git has or would have."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


@cache
def imported() -> set[str]:
    """Every top-level module that a Python file of this repository imports, at its top or inside a function."""
    found = set()
    for name in files():
        if name.endswith(".py") and (ROOT / name).is_file():
            for node in ast.walk(ast.parse((ROOT / name).read_text())):
                if isinstance(node, ast.Import):
                    found |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                    found.add(node.module.split(".")[0])
    return found


@cache
def declared() -> set[str]:
    """The packages that pyproject.toml asks for, in whatever extra or group."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = [*document["project"]["optional-dependencies"].values(), *document["dependency-groups"].values()]
    wanted = [*document["project"]["dependencies"], *(package for group in groups for package in group)]
    return {re.split(r"[^\w.-]", package)[0] for package in wanted}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_there_and_holds_something(name: str) -> None:
    assert [file for file in files() if file == name or file.startswith(f"{name}/")], f"{name} is not in the repository"


@pytest.mark.parametrize("package", IMPORTED)
def test_a_package_is_declared_and_imported(package: str) -> None:
    assert package in declared(), f"pyproject.toml does not ask for {package}"
    assert IMPORTED[package] in imported(), f"nothing imports {IMPORTED[package]}"


@pytest.mark.parametrize("package", RUN)
def test_a_package_that_nothing_imports_is_declared_and_run(package: str) -> None:
    for file, text in RUN[package]:
        assert text in (ROOT / file).read_text(), f"{package} is not in {file}"


def test_thirteen_they_are() -> None:
    assert len(IMPORTED | RUN) == 13
