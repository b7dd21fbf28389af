"""One night: what a run of the drift measurement leaves for the nights after it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeGuard

from pipeline.core.common.errors import InputError

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
