"""Gate and drift decide on fixed evidence what they decided before, in every number and every word."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import isclose
from typing import Any

import pytest
from decisions import DRIFTS, GATES, RECORD, decision

RECORDED: dict[str, Any] = json.loads(RECORD.read_text())


def differences(found: Any, recorded: Any, place: str = "") -> Iterator[str]:
    """Where the two differ; numbers are equal that differ as adding up in another order makes them."""
    if isinstance(found, dict) and isinstance(recorded, dict) and found.keys() == recorded.keys():
        for key in found:
            yield from differences(found[key], recorded[key], f"{place}.{key}")
    elif isinstance(found, list) and isinstance(recorded, list) and len(found) == len(recorded):
        for index, pair in enumerate(zip(found, recorded, strict=True)):
            yield from differences(*pair, f"{place}[{index}]")
    elif isinstance(found, float) and isinstance(recorded, float):
        if not isclose(found, recorded, rel_tol=1e-7, abs_tol=1e-12):
            yield f"{place}: {found}, recorded as {recorded}"
    elif (type(found), found) != (type(recorded), recorded):
        yield f"{place}: {found!r}, recorded as {recorded!r}"


@pytest.mark.parametrize("name", [*GATES, *DRIFTS])
def test_the_decision_is_the_recorded_one(name: str) -> None:
    changed = list(differences(decision(name), RECORDED[name]))
    assert not changed, "if that is meant, run `python tests/decisions.py` and look at the difference: " + "; ".join(
        changed
    )


def test_the_record_holds_these_decisions_and_every_kind_of_status() -> None:
    assert RECORDED.keys() == GATES.keys() | DRIFTS.keys()
    statuses = {(check["kind"], check["status"]) for name in GATES for check in RECORDED[name]["checks"]}
    for kind, found in {
        "floor": {"pass", "block", "inconclusive"},
        "ceiling": {"pass", "block", "inconclusive"},
        "champion": {"pass", "block", "inconclusive", "not-applicable"},
        "slice": {"pass", "warn", "block", "inconclusive", "not-applicable"},
        "fairness": {"pass", "warn", "block", "inconclusive", "not-applicable"},
        "leakage": {"pass", "warn", "block", "not-applicable"},
    }.items():
        assert {status for of_kind, status in statuses if of_kind == kind} >= found, kind
