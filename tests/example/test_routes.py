"""The three routes of README.md, line by line, each from an empty folder.

`scripts/check-clean-clone` runs the third, whose environment takes a minute.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from documents.tables import ROOT
from packaging.requirements import Requirement
from support import WITHOUT_EVIDENTLY

pytestmark = pytest.mark.example

README = (ROOT / "README.md").read_text()
# In place of pip: the kit of this checkout is installed already, so it notes what was asked for.
PIP = """#!/bin/sh
[ "$1" = install ] || exit 2
printf '%s' "$2" >asked-for
"""


def block(route: int) -> str:
    """The shell lines of a route."""
    section = README.partition(f"\n### {route}. ")[2].partition("\n### ")[0].partition("\n## ")[0]
    (lines,) = re.findall(r"^```sh\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
    return str(lines)


def run(route: int, folder: Path) -> subprocess.CompletedProcess[str]:
    tools = folder.parent / "tools"
    tools.mkdir()
    (tools / "pip").write_text(PIP)
    (tools / "pip").chmod(0o755)
    path = os.pathsep.join([str(tools), str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block(route)],
        cwd=folder,
        env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", "PYTHONPATH": WITHOUT_EVIDENTLY},
        capture_output=True,
        text=True,
        check=False,
    )


def installed(folder: Path) -> Requirement:
    """What the route asked pip for: the kit, with extras that it has."""
    asked_for = Requirement((folder / "asked-for").read_text())
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert asked_for.name == "lockgate"
    assert asked_for.extras <= extras.keys()
    return asked_for


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def scores(rows: int, shuffled: bool) -> pd.DataFrame:
    random = np.random.default_rng(5)
    chance = random.beta(1.2, 2.5, rows)
    outcome = (random.random(rows) < chance).astype(int)
    return pd.DataFrame({"y_true": random.permutation(outcome) if shuffled else outcome, "y_score": chance})


@pytest.mark.parametrize("route", [1, 2, 3])
def test_a_route_has_under_ten_lines(route: int) -> None:
    assert len(block(route).splitlines()) < 10


def test_the_readme_has_two_screens() -> None:
    assert len(README.splitlines()) <= 120


def test_predictions_of_any_model(empty: Path) -> None:
    scores(3000, shuffled=False).to_csv(empty / "scores.csv", index=False)
    ran = run(1, empty)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.startswith("gate: pass")
    assert (empty / "reports/report.html").stat().st_size > 0
    assert installed(empty).extras == set()


def test_predictions_that_are_no_better_than_chance(empty: Path) -> None:
    scores(3000, shuffled=True).to_csv(empty / "scores.csv", index=False)
    ran = run(1, empty)
    assert ran.returncode == 3, ran.stdout + ran.stderr
    assert "Error: the gate says block: " in ran.stderr


def test_a_table(empty: Path) -> None:
    random = np.random.default_rng(6)
    rows = 3000
    income = random.lognormal(10, 0.5, rows).round()
    grade = random.choice(["A", "B", "C", "D"], rows)
    risk = 3 * (11.0 - np.log(income)) - 3 + 1.5 * (grade == "D")
    loans = pd.DataFrame(
        {
            "loan_id": random.permutation(rows) + 100_000,
            "income": np.where(random.random(rows) < 0.05, np.nan, income),
            "grade": grade,
            "defaulted": np.where(random.random(rows) < 1 / (1 + np.exp(-risk)), "yes", "no"),
        }
    )
    loans.to_csv(empty / "loans.csv", index=False)
    ran = run(2, empty)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "gate: pass" in ran.stdout
    assert "champion" in ran.stdout
    assert (empty / "reports/report.html").stat().st_size > 0
    assert installed(empty).extras == {"all"}
