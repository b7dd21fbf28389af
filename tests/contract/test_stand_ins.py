"""Every third-party action is pinned, says its version, and has a stand-in that takes the inputs it is given."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from e2e.act_tree import STAND_INS, UnknownActionError, stand_ins_for
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
FILES = sorted([*ROOT.glob(".github/workflows/*.yml"), *ROOT.glob(".github/actions/*/action.yml")])
LINE = re.compile(r"\buses:\s*(?P<what>\S+)(?P<comment>.*)$", re.MULTILINE)


def load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = YAML(typ="safe", pure=True).load(path)
    return document


def steps(path: Path) -> list[dict[str, Any]]:
    document = load(path)
    jobs = document["jobs"].values() if "jobs" in document else [document["runs"]]
    return [step for job in jobs for step in job.get("steps", [])]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT / ".github")))
class TestUses:
    def test_third_party_actions_are_pinned_and_say_their_version(self, path: Path) -> None:
        for match in LINE.finditer(path.read_text()):
            if not match["what"].startswith(("$/", "./")):
                assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", match["what"]), match["what"]
                assert re.fullmatch(r"\s+# v\d+\.\d+\.\d+", match["comment"]), match[0]

    def test_a_stand_in_takes_the_inputs_that_a_step_gives(self, path: Path) -> None:
        for step in steps(path):
            uses = step.get("uses", "")
            if not uses or uses.startswith(("$/", "./")):
                continue
            name, _, version = uses.partition("@")
            owner, repository, *inner = name.split("/")
            action = load(STAND_INS / f"{owner}+{repository}@{version}" / Path(*inner) / "action.yml")
            assert set(step.get("with", {})) <= set(action["inputs"]), f"{uses}: extend its stand-in"


def test_all_third_party_actions_have_a_stand_in() -> None:
    assert stand_ins_for(ROOT)


@pytest.mark.parametrize(
    "uses",
    [
        "docker/login-action@9780b0c442fbb1117ed29e0efdff1e18412f7567",
        "actions/checkout@v7",
        "actions/cache/other@27d5ce7f107fe9357f9df03efb73ab90386fccae",
    ],
)
def test_anything_else_is_refused(tmp_path: Path, uses: str) -> None:
    workflow = tmp_path / ".github/workflows/w.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text(f"jobs:\n  one:\n    steps:\n      - uses: {uses}\n")
    with pytest.raises(UnknownActionError, match="has no stand-in"):
        stand_ins_for(tmp_path)
