"""Texts that stand for times: ISO 8601, and the other ways in which files write days."""

from __future__ import annotations

import warnings
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from lockgate.data.text_cells import all_true

UTC = pa.timestamp("us", "UTC")
_ISO = r"^\d{4}-\d{2}(?:-\d{2}(?:[T ]\d{2}(?::?\d{2}(?::?\d{2}(?:[.,]\d{1,9})?)?)?(?:\s?(?:Z|UTC|[+-]\d{2}(?::?\d{2})?))?)?)?$"
_DAYS = (
    *(
        "%Y/%m/%d",
        "%Y.%m.%d",
        "%d/%m/%Y",
        "%m/%d/%Y",
        "%d.%m.%Y",
        "%d-%m-%Y",
        "%m-%d-%Y",
        "%d/%m/%y",
        "%m/%d/%y",
        "%d.%m.%y",
    ),
    *(
        "%d-%b-%Y",
        "%d-%b-%y",
        "%d %b %Y",
        "%d %B %Y",
        "%b %d, %Y",
        "%B %d, %Y",
        "%d%b%Y",
        "%b-%Y",
        "%b-%y",
        "%b %Y",
        "%B %Y",
    ),
    *("%m/%Y", "%Y/%m"),
)
_MAY_BE_A_DATE = r"^[0-9A-Za-z].*\d(?: ?[AaPp][Mm])?$"
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", " %H:%M:%S.%f")


def are_iso(texts: pa.Array) -> pa.Array:
    """Which of the texts are days or times as ISO 8601 writes them, such as 2026-01, 2026-01-31 and 2026-01-31T12:00Z."""
    return pc.match_substring_regex(texts, _ISO)


def times(texts: pa.Array, dates: str | None) -> pa.Array:
    """The texts as times in UTC, to the microsecond, null where one is none; those that name no zone are taken to be in it.

    `dates` is a format of strptime, None for ISO 8601.
    """
    column = texts.to_pandas()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is no time is null
        parsed = pd.to_datetime(column, format=dates or "ISO8601", errors="coerce", utc=True)
    found = pa.array(parsed.to_numpy(dtype="datetime64[us]")).cast(UTC)
    return found if dates else pc.if_else(are_iso(texts), found, pa.scalar(None, UTC))


def formats_of(texts: pa.Array) -> list[str | None]:
    """The formats in which all of these different texts are times, None among them for ISO 8601; none where there is no such.

    Formats in which they are the same times count once.
    """
    if not len(texts):
        return []
    if all_true(are_iso(texts)):
        return [None] if times(texts, None).null_count == 0 else []
    if not all_true(pc.match_substring_regex(texts, _MAY_BE_A_DATE)):
        return []
    first = texts[0].as_py()
    clocks = _CLOCKS[1:] if ":" in first else _CLOCKS[:1]
    found: dict[bytes, str | None] = {}
    for one in (day + clock for clock in clocks for day in _DAYS):
        if _fits(first, one) and (parsed := times(texts, one)).null_count == 0:
            found.setdefault(np.asarray(parsed.to_numpy(zero_copy_only=False)).tobytes(), one)
    return list(found.values())


def nearest_format(texts: pa.Array) -> str | None:
    """The format in which most of these different texts are times, of those of the first text; None for ISO 8601."""
    first = texts[0].as_py()
    formats = [None, *(day + clock for clock in _CLOCKS for day in _DAYS if _fits(first, day + clock))]
    return min(formats, key=lambda one: times(texts, one).null_count)


def _fits(text: str, dates: str) -> bool:
    try:
        datetime.strptime(text, dates)
    except ValueError:
        return False
    return True
