"""The history of the nightly runs, and whether K of the last N make an alarm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Literal

from lockgate.config.errors import InputError
from lockgate.documents.drift_json import MOVED, DriftResult, MetricDrift, PerformanceDrift
from lockgate.documents.nightly_json import (
    MAX_FEATURES,
    MAX_NAME,
    AlarmState,
    Decision,
    NightFeature,
    NightlyHistory,
    NightlyRun,
    NightMetric,
    NightPerformance,
    StaleBatch,
)
from lockgate.documents.profile_json import SCORE

AlarmOn = Literal["warn", "alert"]
ALARMS: Mapping[AlarmOn, tuple[str, ...]] = {"warn": ("warn", "alert"), "alert": ("alert",)}
MAX_RUNS = 400
MAX_BYTES = 2_000_000  # of a copy of the history
PSI_DIGITS = 4
CLOCK_TOLERANCE = timedelta(minutes=15)
# What the current model met a month ago says nothing about now; missed runs within it do no harm.
MAX_AGE = timedelta(days=30)


def nightly_run(
    result: DriftResult,
    run: int,
    attempt: int,
    now: datetime,
    reference: str | None = None,
    thresholds: Mapping[str, float] | None = None,
) -> NightlyRun:
    """The run that measured `result`; one without a time of its own was measured `now`.

    `thresholds` are the gate's floors and ceilings by metric, which an estimate is shown beside. Of two tables `reference`, the
    sha256 of the first, stands where a bundle's digest does: runs against another reference tell as little about this one as runs
    of another model. Raises InputError where there is neither.
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
        batch=result.batch,
        newest=result.newest,
        measured=_measured(result.performance),
        estimated=_estimated(result, thresholds or {}),
        model_drift=result.model_drift.status if result.model_drift else None,
        features=_features(result),
    )


def _features(result: DriftResult) -> tuple[NightFeature, ...]:
    """Those that matter most: the score, then what moved, by what it does, then the largest PSI."""
    by_weight = sorted(result.by_effect, key=lambda one: one.kind != SCORE)
    return tuple(
        NightFeature(one.name[:MAX_NAME], round(one.psi, PSI_DIGITS), one.status) for one in by_weight[:MAX_FEATURES]
    )


def _measured(found: PerformanceDrift | None) -> NightPerformance | None:
    if found is None:
        return None
    roc_auc, brier = (_night_metric(found.metric(name)) for name in ("roc_auc", "brier"))
    return NightPerformance(status=found.status, n=found.n, roc_auc=roc_auc, brier=brier)


def _night_metric(found: MetricDrift | None) -> NightMetric:
    return NightMetric(None) if found is None else NightMetric(found.value, found.low, found.high, found.threshold)


def _estimated(result: DriftResult, thresholds: Mapping[str, float]) -> NightPerformance | None:
    found = result.estimated
    if found is None:
        return None
    roc_auc, brier = (
        NightMetric(one.value, one.low, one.high, thresholds.get(name))
        for name, one in (("roc_auc", found.roc_auc), ("brier", found.brier))
    )
    return NightPerformance(status=found.status, n=found.n, roc_auc=roc_auc, brier=brier, refuted=found.refuted)


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


def history_bytes(runs: Sequence[NightlyRun]) -> bytes:
    """The history as `read_history` takes it: of runs that are too large together, the oldest are left out."""
    content = NightlyHistory(runs=tuple(runs)).to_bytes()
    while len(content) > MAX_BYTES:
        runs = runs[len(runs) // 20 + 1 :]
        content = NightlyHistory(runs=tuple(runs)).to_bytes()
    return content


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


def decide(runs: Iterable[NightlyRun], k: int, n: int, alarm_on: AlarmOn = "warn", stale_days: int = 1) -> Decision:
    """The decision on the newest of `runs`, which are in any order; 1 <= k <= n.

    Runs of another model than the newest's do not count, nor those with too few rows or `MAX_AGE` before it, and a batch that
    was measured several times counts once. A stale batch and an alert of the performance that labels show alarm at once: the
    one is certain, and the other is rarer than once in many years of nights where nothing is wrong. Raises ValueError where there
    is no run at all.
    """
    ordered = merge_runs(runs)
    if not ordered:
        raise ValueError("there is no run to decide on")
    newest = ordered[-1]
    of_model = [run for run in ordered if run.model == newest.model]
    known = [run for run in of_model if newest.time - run.time <= MAX_AGE and run.is_judged]
    judged = _once_a_batch(known)[-n:]
    alarmed = sum(is_alarming(run, alarm_on) for run in judged)
    series = _alarming_in_a_row([run for run in of_model if run.is_judged], newest.time, alarm_on)
    performance = next((run for run in reversed(of_model) if run.is_performance_known), None)
    last_bad = performance.time if performance and performance.is_performance_bad else None
    stale = stale_batch(ordered, stale_days)
    is_alarm = is_alarming(newest, alarm_on) and (alarmed >= k or _alerts_by_labels(newest))
    state: AlarmState = "clear"
    if is_alarm or (stale and alarm_on == "warn"):
        state = "alarm"
    elif not newest.is_judged:
        state = "unknown"
    elif is_alarming(newest, alarm_on) or last_bad or stale or _is_estimate_bad(newest):
        state = "watching"
    return Decision(
        state=state,
        alarmed=alarmed,
        judged=len(judged),
        k=k,
        n=n,
        began=series[-1].time if series else None,
        stale=stale,
        last_bad=last_bad,
        retrain=is_alarm,
    )


def _alarming_in_a_row(runs: Sequence[NightlyRun], until: datetime, alarm_on: AlarmOn) -> list[NightlyRun]:
    """The runs that alarmed one after the other up to `until`, the newest first, none more than `MAX_AGE` before the next.

    However long that is: a retrain of its first days was an answer to the whole of it.
    """
    found: list[NightlyRun] = []
    for run in reversed(runs):
        if not is_alarming(run, alarm_on) or until - run.time > MAX_AGE:
            break
        found.append(run)
        until = run.time
    return found


def _once_a_batch(runs: Sequence[NightlyRun]) -> list[NightlyRun]:
    """Of the runs of one batch the newest, the rest as they are, in their order."""
    last = {run.batch: run.run for run in runs if run.batch}
    return [run for run in runs if run.batch is None or last[run.batch] == run.run]


def _alerts_by_labels(run: NightlyRun) -> bool:
    return run.measured is not None and run.measured.status == "alert"


def _is_estimate_bad(run: NightlyRun) -> bool:
    return run.estimated is not None and run.estimated.status in MOVED


def stale_batch(runs: Sequence[NightlyRun], stale_days: int) -> tuple[StaleBatch, ...]:
    """Why the batch of the last of `runs`, which are in order of time, is no new one; nothing where it is, or where nothing says.

    Runs of the same date (UTC) are not held against each other: they may be one night that was repeated.
    """
    newest = runs[-1]
    earlier = [run for run in runs if run.time.date() < newest.time.date()]

    def is_old(run: NightlyRun | None) -> bool:
        return run is not None and (newest.time.date() - run.time.date()).days >= stale_days

    same = next((run for run in earlier if newest.batch and run.batch == newest.batch), None)
    if same is not None and is_old(same):
        reason = (
            f"the batch is that of the night of {same.time.date()} (run {same.run}), unchanged: nothing new has arrived since, or "
            "an old file is read"
        )
        return (StaleBatch("earlier-batch", same.run, same.time.date(), reason),)
    day = newest.newest
    if day is None:
        return ()
    dated = [(run, run.newest) for run in reversed(earlier) if run.newest is not None]
    as_new = list(takewhile(lambda pair: pair[1] >= day, dated))
    if as_new and is_old(as_new[-1][0]):
        first, newest_then = as_new[-1]
        reason = (
            f"the newest row is of {day}, and in the night of {first.time.date()} (run {first.run}) it was of {newest_then}: "
            "nothing newer has arrived since, or old rows are read"
        )
        return (StaleBatch("no-newer-day", first.run, first.time.date(), reason),)
    return ()
