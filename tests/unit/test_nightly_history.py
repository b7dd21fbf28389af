"""The history and the alarm: K of the last N, whatever copies of the history are lost, doubled, foreign or broken."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from drift_results import drift_result, feature_drift, with_every_part
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lockgate.ci.nightly.history import (
    MAX_BYTES,
    MAX_RUNS,
    decide,
    history_bytes,
    merge_runs,
    nightly_run,
    read_history,
)
from lockgate.config.errors import InputError
from lockgate.documents.nightly_json import (
    MAX_FEATURES,
    MAX_NAME,
    NightFeature,
    NightlyHistory,
    NightlyRun,
    NightMetric,
    NightPerformance,
)

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


def test_an_alarm_of_months_began_with_its_first_night() -> None:
    began = [decide(runs("S" + "W" * length), 2, 3).began for length in (2, 31, 60, 399)]
    assert began == [a_run(1).time] * 4
    assert decide([a_run(0, "warn"), a_run(31, "warn"), a_run(32, "warn")], 2, 3).began == a_run(31).time


@given(st.text(alphabet="SWAI", min_size=1, max_size=30), st.integers(1, 5), st.integers(0, 5))
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


def test_four_hundred_wide_nights_fit_and_what_does_not_fit_loses_its_oldest() -> None:
    def wide(run: int, letters: int) -> NightlyRun:
        names = [f"{at:02d}{'x' * (letters - 2)}" for at in range(MAX_FEATURES)]
        metric = NightMetric(0.7773333333333333, 0.7621111111111111, 0.7924444444444444, 0.7)
        performance = NightPerformance(status="alert", n=5_000, roc_auc=metric, brier=metric)
        features = tuple(NightFeature(name, 0.1234, "warn") for name in names)
        return a_run(run, batch=OTHER, features=features, measured=performance, estimated=performance)

    usual = [wide(run, 30) for run in range(MAX_RUNS)]
    assert NightlyHistory.read(history_bytes(usual), "history").runs == tuple(usual)

    longest = [wide(run, MAX_NAME) for run in range(MAX_RUNS)]
    kept = history_bytes(longest)
    assert len(kept) <= MAX_BYTES
    runs_kept = NightlyHistory.read(kept, "history").runs
    assert runs_kept == tuple(longest[-len(runs_kept) :])
    assert len(runs_kept) > 200


def labelled(run: int, status: Any, **changes: Any) -> NightlyRun:
    """A night with known labels, whose performance has this status."""
    value = {"stable": 0.79, "warn": 0.73, "alert": 0.577}.get(status)
    metric = NightMetric(value, None, None, 0.7)
    measured = NightPerformance(status=status, n=5_000, roc_auc=metric, brier=NightMetric(None))
    overall = status if status in ("warn", "alert") else "stable"
    return a_run(run, **{"status": overall, "measured": measured, **changes})


def test_an_alert_of_the_performance_needs_no_second_night() -> None:
    before = runs("SSS")

    assert decide([*before, labelled(4, "alert")], 2, 3).state == "alarm"
    assert decide([*before, labelled(4, "alert")], 2, 3, "alert").retrain
    assert decide([*before, labelled(4, "warn")], 2, 3).state == "watching"
    assert decide([*before, labelled(4, "warn"), labelled(5, "warn")], 2, 3).state == "alarm"


def test_nothing_is_clear_before_labels_show_the_performance_to_be_good_again() -> None:
    bad = [labelled(1, "alert"), labelled(2, "alert")]

    unlabelled = decide([*bad, a_run(3)], 2, 3)
    assert (unlabelled.state, unlabelled.last_bad) == ("watching", bad[1].time)
    assert decide([*bad, labelled(3, "insufficient-data")], 2, 3).state == "watching"
    assert decide([*bad, labelled(90, "stable")], 2, 3).state == "clear"
    assert decide([*bad, a_run(3, model=OTHER)], 2, 3).state == "clear"


def test_a_warning_of_the_performance_is_not_clear_where_only_alerts_alarm() -> None:
    assert decide([labelled(1, "warn")], 2, 3, "alert").state == "watching"
    estimated = NightPerformance(status="warn", n=5_000, roc_auc=NightMetric(0.65), brier=NightMetric(None))
    assert decide([a_run(1, "warn", estimated=estimated)], 2, 3, "alert").state == "watching"


@pytest.mark.parametrize(
    ("batches", "state", "kind"),
    [
        ("ab", "clear", None),
        ("aa", "alarm", "earlier-batch"),
        ("aba", "alarm", "earlier-batch"),
        ("--", "clear", None),  # of synthetic applicants, or of the test rows: they are no feed
    ],
)
def test_a_batch_that_an_earlier_night_had_alarms_at_once(batches: str, state: str, kind: str | None) -> None:
    found = decide([a_run(run, batch=None if one == "-" else one * 64) for run, one in enumerate(batches)], 2, 3)

    assert found.state == state
    assert [one.kind for one in found.stale] == ([kind] if kind else [])
    assert not found.retrain  # newer training data would answer something else
    if found.stale:
        assert (found.stale[0].run, found.stale[0].since) == (0, START.date())
        assert "the night of 2026-11-01 (run 0), unchanged" in found.stale[0].reason


def test_a_night_that_is_repeated_is_not_stale() -> None:
    first = a_run(1, batch=OTHER)
    for again in (a_run(1, batch=OTHER, attempt=2), a_run(2, batch=OTHER, time=first.time + timedelta(hours=20))):
        assert decide([first, again], 2, 3).state == "clear"


@pytest.mark.parametrize(
    ("days", "since"),
    [("12", None), ("121", 0), ("11", 0), ("2-1", 0), ("3211", 0), ("1-", None), ("-1", None), ("1312", None)],
)
def test_a_batch_that_is_no_newer_than_the_one_before_is_stale(days: str, since: int | None) -> None:
    found = decide(
        [a_run(run, newest=None if one == "-" else date(2026, 10, int(one))) for run, one in enumerate(days)], 2, 3
    )

    assert [(one.kind, one.run) for one in found.stale] == ([] if since is None else [("no-newer-day", since)])
    assert found.state == ("clear" if since is None else "alarm")


def test_a_weekly_feed_is_stale_after_a_week() -> None:
    def state(nights: int) -> str:
        return decide(
            [a_run(run, batch=OTHER, newest=date(2026, 10, 1)) for run in range(nights)], 2, 3, stale_days=7
        ).state

    assert [state(nights) for nights in range(1, 10)] == ["clear"] * 7 + ["alarm"] * 2


def test_a_stale_batch_does_not_open_where_only_alerts_alarm_but_closes_nothing() -> None:
    assert decide([a_run(1, batch=OTHER), a_run(2, batch=OTHER)], 2, 3, "alert").state == "watching"


def test_a_batch_that_was_measured_twice_counts_once() -> None:
    same_day = a_run(2, "warn", batch=OTHER, time=a_run(1).time + timedelta(hours=3))

    twice = decide([a_run(1, "warn", batch=OTHER), same_day], 2, 3)
    assert (twice.state, twice.alarmed, twice.judged) == ("watching", 1, 1)
    assert decide([a_run(1, "warn", batch=OTHER), a_run(2, "warn", batch=MODEL)], 2, 3).state == "alarm"


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
        b'{"schema": 2, "runs": []}' + b" " * MAX_BYTES,
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
        features=(NightFeature("income", 0.3, "alert"), NightFeature("age", 0.1, "warn"), NightFeature("term", 0.01, "stable")),
    )  # fmt: skip
    assert nightly_run(drift_result(), 7, 2, START).time == START


def test_what_a_night_knows_of_the_performance_goes_into_the_history() -> None:
    result = with_every_part(drift_result(feature_drift("income", 0.3), batch=OTHER))
    found = nightly_run(result, 7, 1, START, thresholds={"roc_auc": 0.7, "brier": 0.2})

    assert found.measured
    assert found.estimated
    assert found.measured.status == "alert"
    assert found.measured.n == 5_071
    assert found.measured.roc_auc == NightMetric(0.577, 0.577 - 0.02, 0.577 + 0.02, 0.7)
    assert (found.estimated.refuted, found.estimated.roc_auc.threshold, found.estimated.brier.threshold) == (
        True,
        0.7,
        0.2,
    )
    assert (found.batch, found.newest, found.model_drift) == (OTHER, result.newest, "warn")


def test_the_features_that_matter_are_kept_and_the_score_always() -> None:
    features = [feature_drift(f"f{at:02d}", at / 100, "stable") for at in range(MAX_FEATURES + 5)]
    moved, score = feature_drift("moved", 0.001, "warn"), feature_drift("score", 0.0, "stable", kind="score")
    kept = [one.name for one in nightly_run(drift_result(*features, moved, score), 7, 1, START).features]

    assert kept[:3] == ["score", "moved", f"f{MAX_FEATURES + 4:02d}"]
    assert len(kept) == MAX_FEATURES


def test_a_result_of_two_tables_is_no_nightly_run() -> None:
    with pytest.raises(InputError, match="of two tables"):
        nightly_run(drift_result(model=None), 7, 1, START)


def test_of_two_tables_the_reference_stands_for_the_model() -> None:
    assert nightly_run(drift_result(model=None), 7, 1, START, reference="b" * 64).model == "b" * 64
    assert nightly_run(drift_result(), 7, 1, START, reference="b" * 64).model == MODEL
