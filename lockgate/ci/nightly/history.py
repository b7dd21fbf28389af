"""One night: what a run of the drift measurement leaves for the nights after it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeGuard

from lockgate.config.errors import InputError

AlarmOn = Literal["warn", "alert"]
STATUSES = ("stable", "insufficient-data", "warn", "alert")
_ALARMS: Mapping[AlarmOn, tuple[str, ...]] = {"warn": ("warn", "alert"), "alert": ("alert",)}
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MOST_TEXT = 200
_MOST_COUNT = 2**53


@dataclass(frozen=True)
class Night:
    """One run: `run` and `attempt` as GitHub counts them, `time` in UTC, `psi` of the feature that moved most."""

    run: int
    attempt: int
    time: datetime
    model: str
    status: str
    rows: int
    moved: int
    worst: str
    psi: float | None

    @property
    def judged(self) -> bool:
        """Whether there were rows enough to say anything."""
        return self.status != "insufficient-data"

    def alarmed(self, alarm_on: AlarmOn) -> bool:
        """Whether this night alone would have been worth an alarm."""
        return self.status in _ALARMS[alarm_on]


def night_of(drift: Mapping[str, Any], run: int, attempt: int, now: datetime) -> Night:
    """The night that `drift.json` describes; one without a time of its own was measured `now`.

    Raises InputError where it is no drift.json of Lockgate's.
    """
    features = [item for item in drift.get("features") or [] if isinstance(item, Mapping)]
    measured = [item for item in features if _is_number(item.get("psi"))]
    worst = max(measured, key=lambda item: float(item["psi"]), default={"name": "", "psi": None})
    night = _night(
        {
            "run": run,
            "attempt": attempt,
            "time": drift.get("time") or now.isoformat(),
            "model": drift.get("model"),
            "status": drift.get("status"),
            "rows": drift.get("n_current"),
            "moved": sum(item.get("status") in ("warn", "alert") for item in features),
            "worst": str(worst["name"])[:_MOST_TEXT],
            "psi": worst["psi"],
        }
    )
    if night is None:
        raise InputError("the drift result lacks a status, a model or a row count; make it with `lockgate drift`")
    return night


def parse_night(record: object) -> Night | None:
    """The night that a line of the history holds, or None: what cannot be one is not believed."""
    return _night(record) if isinstance(record, Mapping) else None


def night_record(night: Night) -> dict[str, Any]:
    """The night as JSON has it."""
    return {**asdict(night), "time": night.time.isoformat().replace("+00:00", "Z")}


def _night(record: Mapping[str, Any]) -> Night | None:
    run, attempt, rows, moved = (record.get(key) for key in ("run", "attempt", "rows", "moved"))
    time, model, worst, psi = _time(record.get("time")), record.get("model"), record.get("worst"), record.get("psi")
    if not (_is_count(run) and _is_count(attempt) and _is_count(rows) and _is_count(moved)):
        return None
    if time is None or not isinstance(model, str) or not _DIGEST.fullmatch(model):
        return None
    if record.get("status") not in STATUSES or not isinstance(worst, str) or len(worst) > _MOST_TEXT:
        return None
    if not (psi is None or _is_number(psi)):
        return None
    status = str(record["status"])
    return Night(run, attempt, time, model, status, rows, moved, worst, None if psi is None else float(psi))


def _time(value: object) -> datetime | None:
    """A moment with its zone, as UTC; one without a zone could be any hour and is none."""
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
        return None if time is None or time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_COUNT


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MOST_COUNT


SCHEMA = 1
KEPT = 30  # what the issue shows; the decision looks at fewer
MOST_BYTES = 200_000
CLOCKS_DIFFER = timedelta(minutes=15)


def read_history(content: bytes, now: datetime) -> tuple[Night, ...] | None:
    """The nights in a copy of the history, or None where it is no history of ours: damaged, forged or of another kind.

    All or nothing. A copy with one impossible line, or a night still to come, was written by something else, and the
    rest of it may be too.
    """
    try:
        document = json.loads(content) if len(content) <= MOST_BYTES else None
    except (ValueError, RecursionError):
        return None
    if (
        not isinstance(document, dict)
        or document.get("schema") != SCHEMA
        or not isinstance(document.get("nights"), list)
    ):
        return None
    nights = [parse_night(record) for record in document["nights"]]
    known = [night for night in nights if night is not None and night.time <= now + CLOCKS_DIFFER]
    return merge(known) if len(known) == len(nights) else None


def merge(nights: Iterable[Night]) -> tuple[Night, ...]:
    """Every run once, by its last attempt, oldest first; the newest `KEPT`."""
    latest: dict[int, Night] = {}
    for night in nights:
        known = latest.get(night.run)
        if known is None or (night.attempt, night.time) > (known.attempt, known.time):
            latest[night.run] = night
    return tuple(sorted(latest.values(), key=lambda night: (night.time, night.run))[-KEPT:])


def history_document(nights: Iterable[Night]) -> dict[str, Any]:
    """The history as a file holds it."""
    return {"schema": SCHEMA, "nights": [night_record(night) for night in nights]}


# What the current model met a month ago says nothing about tonight; missed nights within it do no harm.
OLDEST = timedelta(days=30)

State = Literal["alarm", "watching", "clear", "unknown"]


@dataclass(frozen=True)
class Decision:
    """`alarm`: wake somebody. `watching`: tonight alarmed, too few nights before it did. `clear`: tonight did not.

    `unknown`: tonight had too few rows, which is neither an alarm nor its end. `alarmed` of `looked` nights alarmed,
    where `k` of `n` are asked for.
    """

    state: State
    alarmed: int
    looked: int
    k: int
    n: int


def decide(nights: Iterable[Night], k: int, n: int, alarm_on: AlarmOn = "warn") -> Decision:
    """The decision on the newest of `nights`, which are in any order; 1 <= k <= n.

    Nights of another model than the newest's do not count, nor those with too few rows or `OLDEST` before it. Raises
    ValueError where there is no night at all.
    """
    ordered = merge(nights)
    if not ordered:
        raise ValueError("there is no night to decide on")
    newest = ordered[-1]
    alike = [night for night in ordered if night.model == newest.model and newest.time - night.time <= OLDEST]
    looked = [night for night in alike if night.judged][-n:]
    alarmed = sum(night.alarmed(alarm_on) for night in looked)
    return Decision(_state(newest, alarmed, k, alarm_on), alarmed, len(looked), k, n)


def _state(newest: Night, alarmed: int, k: int, alarm_on: AlarmOn) -> State:
    if not newest.judged:
        return "unknown"
    if not newest.alarmed(alarm_on):
        return "clear"
    return "alarm" if alarmed >= k else "watching"
