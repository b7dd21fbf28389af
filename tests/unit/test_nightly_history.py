"""The history and the alarm: K of the last N, whatever copies of the history are lost, doubled, foreign or broken."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.ci.nightly.history import (
    KEPT,
    Night,
    decide,
    history_document,
    merge,
    night_of,
    night_record,
    parse_night,
    read_history,
)
from lockgate.config.errors import InputError

START = datetime(2026, 11, 1, 3, 17, tzinfo=UTC)
LATER = START + timedelta(days=60)
MODEL, OTHER = "a" * 64, "b" * 64
WORDS = {"S": "stable", "W": "warn", "A": "alert", "I": "insufficient-data"}


def night(run: int, status: str = "stable", **changes: Any) -> Night:
    base = Night(run, 1, START + timedelta(days=run), MODEL, status, 5000, 1, "income", 0.3)
    return replace(base, **changes)


def nights(letters: str) -> list[Night]:
    return [night(run, WORDS[letter]) for run, letter in enumerate(letters)]


@pytest.mark.parametrize(
    ("letters", "state"),
    [
        ("A", "watching"),
        ("AA", "alarm"),
        ("ASA", "alarm"),
        ("ASSA", "watching"),
        ("AAS", "clear"),
        ("SSS", "clear"),
        ("WW", "alarm"),
        ("AIIIIA", "alarm"),  # nights with too few rows are neither for nor against
        ("AAI", "unknown"),
        ("I", "unknown"),
    ],
)
def test_two_of_the_last_three_alarm_if_the_newest_did(letters: str, state: str) -> None:
    assert decide(nights(letters), k=2, n=3).state == state


@given(st.text(alphabet="SWAI", min_size=1, max_size=KEPT), st.integers(1, 5), st.integers(0, 5))
def test_the_decision_is_what_its_definition_says(letters: str, k: int, more: int) -> None:
    n = k + more
    judged = [letter for letter in letters if letter != "I"][-n:]
    wanted = letters[-1] in "WA" and sum(letter in "WA" for letter in judged) >= k

    decision = decide(nights(letters), k, n)

    assert (decision.state == "alarm") == wanted
    assert (decision.state == "clear") == (letters[-1] == "S")


def test_only_alerts_count_where_the_alarm_is_on_alerts() -> None:
    assert decide(nights("WW"), 2, 3, "alert").state == "clear"
    assert decide(nights("AWA"), 2, 3, "alert").state == "alarm"


def test_another_models_nights_do_not_count() -> None:
    before = [night(1, "alert", model=OTHER), night(2, "alert", model=OTHER)]

    assert decide([*before, night(3, "alert")], 2, 3).state == "watching"
    assert decide([*before, night(3, "stable")], 2, 3).state == "clear"


def test_missed_nights_do_no_harm_and_a_month_is_forgotten() -> None:
    tonight = night(40, "alert")

    assert decide([night(12, "alert"), tonight], 2, 3).state == "alarm"
    assert decide([night(9, "alert"), tonight], 2, 3).state == "watching"


def test_a_run_counts_once_and_its_last_attempt_is_the_one() -> None:
    again = night(1, "alert", attempt=2, time=START + timedelta(days=1, hours=1))

    assert decide([night(1, "alert"), night(1, "alert")], 2, 3).state == "watching"
    assert decide([night(1, "alert"), again], 2, 3).alarmed == 1
    assert merge([again, night(1, "stable")]) == (again,)


@given(st.lists(st.builds(night, st.integers(0, 8), attempt=st.integers(1, 3)), max_size=20), st.data())
def test_copies_go_together_in_any_order_and_any_number(found: list[Night], data: st.DataObject) -> None:
    once = merge(found)
    parts = data.draw(st.permutations([*found, *once]))

    assert {one.run: one.attempt for one in merge(parts)} == {one.run: one.attempt for one in once}
    assert merge(once) == once


def test_the_history_keeps_the_newest() -> None:
    assert [one.run for one in merge(nights("S" * (KEPT + 5)))] == list(range(5, KEPT + 5))


def test_a_history_reads_as_it_was_written() -> None:
    kept = tuple(nights("SAWI"))

    assert read_history(json.dumps(history_document(kept)).encode(), LATER) == kept


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"[" * 100_000,
        b'{"schema": 2, "nights": []}',
        b'{"schema": 1, "nights": {}}',
        b'{"schema": 1, "nights": [7]}',
        b'{"schema": 1, "nights": []}' + b" " * 300_000,
    ],
)
def test_what_is_no_history_is_not_believed(content: bytes) -> None:
    assert read_history(content, LATER) is None


@pytest.mark.parametrize(
    "change",
    [
        {"run": "1"},
        {"run": -1},
        {"run": True},
        {"attempt": None},
        {"time": "yesterday"},
        {"time": "2026-11-01T03:17:00"},
        {"time": 20261101},
        {"time": "0001-01-01T00:00:00+23:59"},
        {"model": "a" * 63},
        {"model": None},
        {"status": "fine"},
        {"status": []},
        {"worst": "x" * 201},
        {"worst": None},
        {"psi": float("nan")},
        {"psi": "0.3"},
        {"psi": -1},
        {"rows": 1.5},
        {"moved": 2**80},
    ],
)
def test_one_impossible_night_discredits_its_copy(change: dict[str, Any]) -> None:
    record = {**night_record(night(1)), **change}

    assert parse_night(record) is None
    assert read_history(json.dumps({"schema": 1, "nights": [night_record(night(2)), record]}).encode(), LATER) is None


def test_nights_still_to_come_are_not_believed() -> None:
    copy = json.dumps(history_document(nights("AA"))).encode()

    assert read_history(copy, START) is None


def drift(**changes: Any) -> dict[str, Any]:
    features = [
        {"name": "income", "psi": 0.3, "status": "alert"},
        {"name": "age", "psi": None, "status": "warn"},
        {"name": "term", "psi": 0.01, "status": "stable"},
    ]
    return {"schema": 1, "status": "alert", "model": MODEL, "n_current": 5000, "features": features, **changes}


def test_a_night_is_read_off_the_drift_result() -> None:
    found = night_of(drift(time="2026-11-02T04:00:00Z"), 7, 2, START)

    assert found == Night(7, 2, datetime(2026, 11, 2, 4, tzinfo=UTC), MODEL, "alert", 5000, 2, "income", 0.3)
    assert night_of(drift(), 7, 2, START).time == START


@pytest.mark.parametrize("change", [{"status": "odd"}, {"model": "x"}, {"n_current": None}, {"time": "soon"}])
def test_a_drift_result_that_is_none_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="lockgate drift"):
        night_of(drift(**change), 7, 1, START)
