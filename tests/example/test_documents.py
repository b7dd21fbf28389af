"""README.md and CONTRIBUTING.md of the kit, in whose place a copy has its own."""

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
from documents.references import documents, tracked
from documents.tables import ROOT

pytestmark = pytest.mark.example


def test_their_names_are_checked_like_those_of_all_documents() -> None:
    assert {ROOT / "README.md", ROOT / "CONTRIBUTING.md"} <= set(documents())


class TestTheMap:
    """CONTRIBUTING.md says of every folder what is in it."""

    folders = re.findall(r"^\| `(lockgate/[\w/]*)` \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)

    def test_every_folder_of_the_kit_has_its_line(self) -> None:
        there = {f"{Path(file).parent}/" for file in tracked() if file.startswith("lockgate/")}
        assert sorted(self.folders) == sorted(there)

    def test_the_floors_stand_as_import_linter_has_them(self) -> None:
        layers = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]["layers"]
        floor = {room: at for at, layer in enumerate(layers) for room in re.findall(r"\w+", layer)}
        shown = [floor[folder.split("/")[1]] for folder in self.folders if folder != "lockgate/"]
        assert shown == sorted(shown)


def test_the_python_of_the_documents_runs(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    for name in ("loans.csv", "this_month.csv"):
        income = random.normal(50, 10, 1200)
        defaulted = random.random(1200) < 1 / (1 + np.exp((income - 40) / 4))
        pd.DataFrame({"income": income, "defaulted": defaulted.astype(int)}).to_csv(tmp_path / name, index=False)
    (block,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/python.md").read_text(), re.DOTALL | re.MULTILINE)
    command, one_thread = [sys.executable, "-c", block], {**os.environ, "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(command, cwd=tmp_path, env=one_thread, capture_output=True, text=True, check=False)
    assert ran.stdout == "pass stable\n", ran.stderr


def test_the_page_of_installing_names_every_extra() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    rows = re.findall(r"^\| (`[^|]*) \|", (ROOT / "docs/install.md").read_text(), re.MULTILINE)
    assert sorted(re.findall(r"`([\w-]+)`", " ".join(rows))) == sorted(extras)
