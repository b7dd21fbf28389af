"""Moments as the kit writes them: ISO 8601, UTC, to the second, such as 2026-11-25T03:00:00Z."""

from __future__ import annotations

from datetime import UTC, datetime

from pipeline.core.common.errors import InputError


def utc_moment(text: str, option: str) -> str:
    """`text` in that form: `now`, or an ISO 8601 time with its zone; InputError naming `option` where it is neither."""
    try:
        moment = datetime.now(UTC) if text == "now" else datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError(text)
        return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError):
        raise InputError(
            f"{option} is {text[:40]!r}; give `now`, or a time with its zone such as 2026-11-25T03:00:00Z"
        ) from None
