"""What the service knows of the last nightly drift run."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lockgate.documents.profile_json import Profile

STATUSES = ("stable", "warn", "alert", "insufficient-data")
NAN = float("nan")


@dataclass(frozen=True)
class Nightly:
    """The content of drift.json, once more as JSON, and its numbers in the profile's order, NaN where there are none."""

    document: bytes | None
    problem: str | None  # why there is none, or why it is old
    status: str | None
    psi: tuple[float, ...]
    thresholds: tuple[float, ...]
    time: float  # seconds since 1970
    matches_model: float
    up: float  # 1 or 0; NaN where no source was named


def no_nightly(profile: Profile, problem: str, up: float) -> Nightly:
    """Nothing is known yet."""
    nothing = (NAN,) * len(profile.features)
    return Nightly(None, problem, None, nothing, nothing, NAN, NAN, up)


def parse_nightly(content: bytes, modified: float, profile: Profile, digest: str) -> Nightly:
    """The drift.json in `content`, whose time is its own, else `modified`; ValueError saying what is wrong with it."""
    try:
        document = json.loads(content, parse_constant=_no_constant)
        shown = json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise ValueError("it is not valid JSON") from None
    if not isinstance(document, dict) or document.get("schema") != 1 or document.get("status") not in STATUSES:
        raise ValueError("it is not a drift.json of version 1")
    features = document.get("features")
    if not isinstance(features, list) or not all(isinstance(one, dict) for one in features):
        raise ValueError("its features are not a list of objects")
    by_name = {str(one.get("name")): one for one in features}
    found = [by_name.get(feature.name, {}) for feature in profile.features]
    return Nightly(
        document=shown,
        problem=None,
        status=document["status"],
        psi=tuple(_number(one.get("psi")) for one in found),
        thresholds=tuple(_number(one.get("threshold")) for one in found),
        time=_time(document.get("time"), modified),
        matches_model=float(document.get("model") == digest),
        up=1.0,
    )


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return NAN
    try:
        number = float(value)
    except OverflowError:  # an integer of hundreds of digits
        return NAN
    return number if math.isfinite(number) else NAN


def _time(value: Any, modified: float) -> float:
    if value is None:
        return modified
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError("its time is not an ISO 8601 time") from None
    if time.tzinfo is None:
        raise ValueError("its time has no zone")
    return time.timestamp()


def _no_constant(name: str) -> float:
    raise ValueError(name)
