"""`scripts/system-packages`: quick where the commands are there, one clear line where it cannot install."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "system-packages"


def run(*names: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = None if path is None else {"PATH": path}
    return subprocess.run(
        ["/bin/bash", str(SCRIPT), *names], env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def folder_of_commands(tmp_path: Path) -> Path:
    for name in ("prometheus", "promtool"):
        command = tmp_path / name
        command.write_text("#!/bin/sh\n")
        command.chmod(0o755)
    return tmp_path


def test_commands_count_whatever_package_they_came_from(folder_of_commands: Path) -> None:
    done = run("prometheus", path=str(folder_of_commands))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_apt_one_line_says_what_to_install(folder_of_commands: Path) -> None:
    (folder_of_commands / "promtool").unlink()
    done = run("prometheus", "no-such-package", path=str(folder_of_commands))
    assert done.returncode == 2
    assert done.stderr == (
        "error: not found: prometheus no-such-package, and there is no apt-get here; "
        "install what has their commands on PATH\n"
    )


@pytest.mark.parametrize("names", [(), ("-o",), ("jq;id",), ("",)])
def test_only_names_of_packages_are_taken(names: tuple[str, ...]) -> None:
    done = run(*names)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
