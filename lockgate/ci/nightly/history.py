"""The history of the nightly runs, and whether K of the last N make an alarm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Literal

from lockgate.config.errors import InputError
from lockgate.documents.drift_json import DriftResult
from lockgate.documents.nightly_json import AlarmState, Decision, NightlyHistory, NightlyRun

AlarmOn = Literal["warn", "alert"]
ALARMS: Mapping[AlarmOn, tuple[str, ...]] = {"warn": ("warn", "alert"), "alert": ("alert",)}
MAX_NAME = 200
MAX_RUNS = 30  # that the issue shows; the decision looks at fewer
MAX_BYTES = 200_000  # of a copy of the history
CLOCK_TOLERANCE = timedelta(minutes=15)
# What the current model met a month ago says nothing about now; missed runs within it do no harm.
MAX_AGE = timedelta(days=30)


def nightly_run(result: DriftResult, run: int, attempt: int, now: datetime, reference: str | None = None) -> NightlyRun:
    """The run that measured `result`; one without a time of its own was measured `now`.

    Of two tables `reference`, the sha256 of the first, stands where a bundle's digest does: runs against another reference tell
    as little about this one as runs of another model. Raises InputError where there is neither.
    """
    compared_with = result.model or reference
    if compared_with is None:
        raise InputError(
            "the drift result is of two tables, not of a model; make it with `lockgate drift` on a bundle, or name the first "
            "table with --reference"
        )
    worst = max(result.features, key=lambda feature: feature.psi, default=None)
    return NightlyRun(
        run=run,
        attempt=attempt,
        time=result.measured_at or now,
        model=compared_with,
        status=result.status,
        rows=result.n_current,
        moved=len(result.moved),
        worst="" if worst is None else worst.name[:MAX_NAME],
        psi=None if worst is None else worst.psi,
    )


def read_history(content: bytes, now: datetime) -> tuple[NightlyRun, ...] | None:
    """The runs in a copy of the history, or None where it is no history of ours: damaged, forged or of another kind.

    All or nothing. A copy with one impossible line, or a run still to come, was written by something else, and the rest
    of it may be too.
    """
    if len(content) > MAX_BYTES:
        return None
    try:
        runs = NightlyHistory.read(content, "history").runs
    except InputError:
        return None
    return None if any(run.time > now + CLOCK_TOLERANCE for run in runs) else merge_runs(runs)


def merge_runs(runs: Iterable[NightlyRun]) -> tuple[NightlyRun, ...]:
    """Every run once, by its last attempt, oldest first; the newest `MAX_RUNS`."""
    latest: dict[int, NightlyRun] = {}
    for run in runs:
        known = latest.get(run.run)
        if known is None or (run.attempt, run.time) > (known.attempt, known.time):
            latest[run.run] = run
    return tuple(sorted(latest.values(), key=lambda run: (run.time, run.run))[-MAX_RUNS:])


def is_alarming(run: NightlyRun, alarm_on: AlarmOn) -> bool:
    """Whether this run alone would be worth an alarm."""
    return run.status in ALARMS[alarm_on]


def decide(runs: Iterable[NightlyRun], k: int, n: int, alarm_on: AlarmOn = "warn") -> Decision:
    """The decision on the newest of `runs`, which are in any order; 1 <= k <= n.

    Runs of another model than the newest's do not count, nor those with too few rows or `MAX_AGE` before it. Raises
    ValueError where there is no run at all.
    """
    ordered = merge_runs(runs)
    if not ordered:
        raise ValueError("there is no run to decide on")
    newest = ordered[-1]
    alike = [run for run in ordered if run.model == newest.model and newest.time - run.time <= MAX_AGE]
    known = [run for run in alike if run.is_judged]
    judged = known[-n:]
    alarmed = sum(is_alarming(run, alarm_on) for run in judged)
    series = list(takewhile(lambda run: is_alarming(run, alarm_on), reversed(known)))
    state: AlarmState = "alarm" if alarmed >= k else "watching"
    if not newest.is_judged:
        state = "unknown"
    elif not is_alarming(newest, alarm_on):
        state = "clear"
    began = series[-1].time if series else None
    return Decision(state=state, alarmed=alarmed, judged=len(judged), k=k, n=n, began=began)
