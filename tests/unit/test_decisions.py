"""Gate and drift decide on fixed evidence what they decided before, in every number and every word."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import isclose
from typing import Any, get_args

import pytest
from decided_checks import CHECKS
from decisions import DRIFTS, GATES, READ, READING, RECORD, decision
from read_verdicts import reading

from lockgate.documents.gate_check import Kind

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


def assert_recorded(found: Any, name: str) -> None:
    changed = list(differences(found, RECORDED[name]))
    assert not changed, "if that is meant, run `python tests/decisions.py` and look at the difference: " + "; ".join(
        changed
    )


@pytest.mark.parametrize("name", [*CHECKS, *GATES, *DRIFTS])
def test_the_decision_is_the_recorded_one(name: str) -> None:
    assert_recorded(decision(name), name)


@pytest.mark.parametrize("name", READ)
def test_a_verdict_with_one_change_is_read_as_it_was_recorded(name: str) -> None:
    assert_recorded(reading(RECORDED[name]), f"{READING}{name}")


def test_the_record_holds_these_decisions_and_every_kind_of_status() -> None:
    assert list(RECORDED) == [*GATES, *DRIFTS, *CHECKS, *(f"{READING}{name}" for name in READ)]
    whole = {(check["kind"], check["status"]) for name in GATES for check in RECORDED[name]["checks"]}
    alone = {(check[1], check[9]) for name in CHECKS for check in RECORDED[name]["checks"] if isinstance(check, list)}
    for kind, found in {
        "sample": {"pass", "block"},
        "floor": {"pass", "block", "inconclusive"},
        "ceiling": {"pass", "block", "inconclusive"},
        "champion": {"pass", "block", "inconclusive", "not-applicable"},
        "slice": {"pass", "warn", "block", "inconclusive", "not-applicable"},
        "calibration": {"pass", "warn", "not-applicable"},
        "fairness": {"pass", "warn", "block", "inconclusive", "not-applicable"},
        "leakage": {"pass", "warn", "block", "not-applicable"},
        "direction": {"pass", "block"},
        "event-rate": {"pass", "block", "not-applicable"},
        "dates": {"pass", "block", "not-applicable"},
        "exception": {"pass", "block"},
    }.items():
        assert {status for of_kind, status in whole | alone if of_kind == kind} == found, kind
    assert {kind for kind, _ in whole | alone} == set(get_args(Kind))
