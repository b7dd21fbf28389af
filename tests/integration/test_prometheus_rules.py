"""The rules' unit tests under the real promtool, and that they can fail."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from support import require

PROMETHEUS = Path(__file__).parents[2] / "monitoring" / "prometheus"
RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))
UNIT_TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))


@pytest.fixture(scope="module", autouse=True)
def _programs() -> None:
    require("promtool")


def promtool(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False)


def test_rules_are_valid() -> None:
    done = promtool("check", "rules", *RULES)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.name)
def test_unit_tests_pass(path: Path) -> None:
    done = promtool("test", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("psi.yml", "lockgate:feature_bin_rows + 0.5)", "lockgate:feature_bin_rows + 0.500001)"),
        ("psi.yml", "* (lockgate:feature_rows > bool 0)", ""),
        ("psi.yml", "bin_rows_total:aligned[6h]", "bin_rows_total:aligned[1h]"),
        ("psi.yml", "sum by (job, digest, feature, bin) (increase", "max by (job, digest, feature, bin) (increase"),
    ],
)
def test_the_psi_tests_see_a_wrong_rule(name: str, right: str, wrong: str, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(PROMETHEUS, tmp_path / "prometheus"))
    rule = copy / "rules" / name
    assert right in rule.read_text()
    rule.write_text(rule.read_text().replace(right, wrong))
    assert promtool("test", "rules", copy / "tests" / "psi.yml").returncode != 0
