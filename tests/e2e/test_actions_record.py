"""The stand-ins of checkout and cache do what the real ones did when `scripts/record-actions` last ran them under act."""

from __future__ import annotations

import json
from typing import Any

import pytest
from e2e.actions_record import CASES, PINNED, RECORD, Case, Observed, observe


def recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RECORD.read_text())
    return found


def test_the_record_is_of_the_pinned_commits_and_of_these_cases() -> None:
    """Otherwise run scripts/record-actions."""
    assert recorded()["actions"] == PINNED
    assert list(recorded()["cases"]) == [case.name for case in CASES]


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Observed]:
    return observe(tmp_path_factory.mktemp("actions"))


@pytest.mark.full
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_stand_in_leaves_the_same(case: Case, observed: dict[str, Observed]) -> None:
    assert observed[case.name] == recorded()["cases"][case.name]
