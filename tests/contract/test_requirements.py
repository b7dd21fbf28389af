"""The lock files: hashes for everything, addresses for nothing, one version of a package in all of them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "requirements").glob("*.txt"))
NEVER_SERVED = {"mlflow", "dvc", "evidently", "pandas", "scikit-learn", "matplotlib"}


def locked(path: Path) -> dict[str, str]:
    """Name and marker to version."""
    return {
        f"{name}{marker}".strip(): version
        for name, version, marker in re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)([^\\\n]*)", path.read_text(), re.MULTILINE)
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_package_has_hashes_and_no_address(path: Path) -> None:
    text = path.read_text()
    assert "://" not in text
    for block in re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in block, block.splitlines()[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_one_version_of_a_package_in_all_environments(path: Path) -> None:
    everything = locked(ROOT / "requirements/dev.txt")
    versions = {name.split(" ")[0].split(";")[0].strip(): version for name, version in everything.items()}
    for name, version in locked(path).items():
        assert versions[name.split(" ")[0].split(";")[0].strip()] == version


def test_serving_needs_no_training_packages() -> None:
    assert not NEVER_SERVED & set(locked(ROOT / "requirements/service.txt"))


def test_no_file_of_the_project_names_a_package_index() -> None:
    found = subprocess.run(
        ["git", "grep", "-nIE", r"--(extra-)?index-url [^ ]*:|registry = \"http|\"resolved\": \"http"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert not [line for line in found.stdout.splitlines() if "test_requirements.py" not in line]
