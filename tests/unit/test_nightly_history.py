"""The history and the alarm: K of the last N, whatever copies of the history are lost, doubled, foreign or broken."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from drift_results import drift_result, feature_drift
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lockgate.ci.nightly.history import MAX_RUNS, decide, merge_runs, nightly_run, read_history
from lockgate.config.errors import InputError
from lockgate.documents.nightly_json import NightlyHistory, NightlyRun

START = datetime(2026, 11, 1, 3, 17, tzinfo=UTC)
LATER = START + timedelta(days=60)
MODEL, OTHER = "a" * 64, "b" * 64
WORDS = {"S": "stable", "W": "warn", "A": "alert", "I": "insufficient-data"}


def a_run(run: int, status: Any = "stable", **changes: Any) -> NightlyRun:
    base = NightlyRun(
        run=run, attempt=1, time=START + timedelta(days=run), model=MODEL, status=status, rows=5000, moved=1,
        worst="income", psi=0.3,
    )  # fmt: skip
    return replace(base, **changes)


def runs(letters: str) -> list[NightlyRun]:
    return [a_run(run, WORDS[letter]) for run, letter in enumerate(letters)]


def content(*records: Any) -> bytes:
    return json.dumps({"schema": 2, "runs": records}).encode()


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
        ("AIIIIA", "alarm"),  # runs with too few rows are neither for nor against
        ("AAI", "unknown"),
        ("I", "unknown"),
    ],
)
def test_two_of_the_last_three_alarm_if_the_newest_did(letters: str, state: str) -> None:
    assert decide(runs(letters), k=2, n=3).state == state


@pytest.mark.parametrize(
    ("letters", "first"),
    [("SAWA", 1), ("AA", 0), ("ASA", 2), ("AIIA", 0), ("AAS", None), ("I", None), ("SAI", 1)],
)
def test_an_alarm_began_with_the_first_run_since_one_that_did_not_drift(letters: str, first: int | None) -> None:
    began = decide(runs(letters), k=2, n=3).began
    assert began == (None if first is None else a_run(first).time)


@given(st.text(alphabet="SWAI", min_size=1, max_size=MAX_RUNS), st.integers(1, 5), st.integers(0, 5))
def test_the_decision_is_what_its_definition_says(letters: str, k: int, more: int) -> None:
    n = k + more
    judged = [letter for letter in letters if letter != "I"][-n:]
    wanted = letters[-1] in "WA" and sum(letter in "WA" for letter in judged) >= k

    decision = decide(runs(letters), k, n)

    assert (decision.state == "alarm") == wanted
    assert (decision.state == "clear") == (letters[-1] == "S")


def test_only_alerts_count_where_the_alarm_is_on_alerts() -> None:
    assert decide(runs("WW"), 2, 3, "alert").state == "clear"
    assert decide(runs("AWA"), 2, 3, "alert").state == "alarm"


def test_another_models_runs_do_not_count() -> None:
    before = [a_run(1, "alert", model=OTHER), a_run(2, "alert", model=OTHER)]

    assert decide([*before, a_run(3, "alert")], 2, 3).state == "watching"
    assert decide([*before, a_run(3, "stable")], 2, 3).state == "clear"


def test_missed_runs_do_no_harm_and_a_month_is_forgotten() -> None:
    newest = a_run(40, "alert")

    assert decide([a_run(12, "alert"), newest], 2, 3).state == "alarm"
    assert decide([a_run(9, "alert"), newest], 2, 3).state == "watching"


def test_a_run_counts_once_and_its_last_attempt_is_the_one() -> None:
    again = a_run(1, "alert", attempt=2, time=START + timedelta(days=1, hours=1))

    assert decide([a_run(1, "alert"), a_run(1, "alert")], 2, 3).state == "watching"
    assert decide([a_run(1, "alert"), again], 2, 3).alarmed == 1
    assert merge_runs([again, a_run(1, "stable")]) == (again,)


@given(st.lists(st.builds(a_run, st.integers(0, 8), attempt=st.integers(1, 3)), max_size=20), st.data())
def test_copies_go_together_in_any_order_and_any_number(found: list[NightlyRun], data: st.DataObject) -> None:
    once = merge_runs(found)
    parts = data.draw(st.permutations([*found, *once]))

    assert {one.run: one.attempt for one in merge_runs(parts)} == {one.run: one.attempt for one in once}
    assert merge_runs(once) == once


def test_the_history_keeps_the_newest() -> None:
    assert [one.run for one in merge_runs(runs("S" * (MAX_RUNS + 5)))] == list(range(5, MAX_RUNS + 5))


def test_a_history_reads_as_it_was_written() -> None:
    kept = tuple(runs("SAWI"))

    assert read_history(NightlyHistory(runs=kept).to_bytes(), LATER) == kept


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"[" * 100_000,
        b'{"schema": 1, "runs": []}',
        b'{"schema": 2, "runs": {}}',
        b'{"schema": 2, "runs": [7]}',
        b'{"schema": 2, "runs": []}' + b" " * 300_000,
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
        {"time": "2026-11-01T03:17:00+01:00"},
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
def test_one_impossible_run_discredits_its_copy(change: dict[str, Any]) -> None:
    good = msgspec.to_builtins(a_run(2))

    assert read_history(content(good), LATER) == (a_run(2),)
    assert read_history(content(good, {**msgspec.to_builtins(a_run(1)), **change}), LATER) is None


def test_runs_still_to_come_are_not_believed() -> None:
    copy = NightlyHistory(runs=tuple(runs("AA"))).to_bytes()

    assert read_history(copy, START) is None


def test_a_run_is_read_off_the_drift_result() -> None:
    features = [feature_drift("income", 0.3), feature_drift("age", 0.1, "warn"), feature_drift("term", 0.01, "stable")]
    found = nightly_run(drift_result(*features, time="2026-11-02T04:00:00Z"), 7, 2, START)

    assert found == NightlyRun(
        run=7, attempt=2, time=datetime(2026, 11, 2, 4, tzinfo=UTC), model=MODEL, status="alert", rows=5000, moved=2,
        worst="income", psi=0.3,
    )  # fmt: skip
    assert nightly_run(drift_result(), 7, 2, START).time == START


def test_a_result_of_two_tables_is_no_nightly_run() -> None:
    with pytest.raises(InputError, match="of two tables"):
        nightly_run(drift_result(model=None), 7, 1, START)


def test_of_two_tables_the_reference_stands_for_the_model() -> None:
    assert nightly_run(drift_result(model=None), 7, 1, START, reference="b" * 64).model == "b" * 64
    assert nightly_run(drift_result(), 7, 1, START, reference="b" * 64).model == MODEL
