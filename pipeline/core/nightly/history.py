"""The nights that were, put together from whatever copies of the history can be had.

The history is a set of nights keyed by run, so putting copies together is a union: it does not matter which copy is
the newest, whether two runs overlapped and neither saw the other, or how often a run is repeated.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from pipeline.core.nightly.night import Night, night_record, parse_night

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
