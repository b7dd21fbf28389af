"""Evidently's drift page, best effort: it draws, it never decides, and no failure of it stops anything.

Evidently writes names and values into the page as they are, so it gets them without any character that a page could take
for markup; and the page has a content policy, under which only the scripts run that Evidently wrote.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import os
import re
import warnings
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from lockgate.config.errors import InputError
from lockgate.config.extras import extras_named
from lockgate.config.files import write_file
from lockgate.documents.text import NO_NAME, clean_text

MAX_COLUMNS = 100  # of a page nobody asked for: one of 500 columns takes minutes, and a browser long to show
MOST_ROWS = 100_000  # of a table, of which the sample is drawn
LARGEST_SAMPLE = 20_000  # rows of each side; the page holds plots of them, and time and size grow with them
RANDOM_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}|metric_[0-9a-f]{32}")
# What could become markup, a string's end or an entity, as what looks like it.
HARMLESS = str.maketrans(
    {"<": "\u2039", ">": "\u203a", "&": "\uff06", '"': "\u201d", "'": "\u2019", "`": "\u02cb", "\\": "\u2216"}
)
SCRIPT = re.compile(r"<script[^>]*>(.*?)</script\s*>", re.DOTALL | re.IGNORECASE)
HEAD = re.compile(r"<head[^>]*>", re.IGNORECASE)
# Evidently's own styles and fonts are in the page; nothing is fetched, sent, framed or rebased.
POLICY = (
    "default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; font-src data:; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)


def why_no_page(columns: int, wanted: bool | None) -> str | None:
    """A sentence on why no page is drawn of so many columns by the setting `drift.evidently`; None where it is drawn."""
    if wanted is False:
        return "no Evidently page: drift.evidently is false"
    if wanted is None and columns > MAX_COLUMNS:
        return f"no Evidently page of {columns:,} columns, more than {MAX_COLUMNS}; drift.evidently: true draws it all the same"
    return None


def thinned(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """At most `MOST_ROWS` rows of a table that comes in parts: the first and every second, fourth, eighth ... after it."""
    kept, step, first = list[pd.DataFrame](), 1, 0
    for frame in frames:
        kept.append(frame.iloc[-first % step :: step])
        first += len(frame)
        while sum(map(len, kept)) > MOST_ROWS:
            kept, step = [pd.concat(kept, ignore_index=True).iloc[::2]], 2 * step
    return pd.concat(kept, ignore_index=True)


def write_evidently_html(
    reference: pd.DataFrame, current: pd.DataFrame, numeric: Sequence[str], categorical: Sequence[str], path: Path
) -> str | None:
    """Write Evidently's page comparing the named columns of two batches; None, or one line saying why there is none.

    Larger batches are thinned evenly to 20,000 rows. Its PSI has other bins than ours and will differ. The same input
    gives the same bytes. Whatever goes wrong, also a missing Evidently, is the returned line, and an older page goes.
    """
    try:
        with extras_named():
            page = _render(reference, current, list(numeric), list(categorical))
        write_file(path, page.encode())
    except Exception as error:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        cause = (str(error).strip().splitlines() or [type(error).__name__])[0]
        kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
        return f"no Evidently page ({kind}{cause}); drift.json does not depend on it"
    return None


def _render(reference: pd.DataFrame, current: pd.DataFrame, numeric: list[str], categorical: list[str]) -> str:
    os.environ.setdefault("DO_NOT_TRACK", "1")  # Evidently's own switch for its telemetry
    noise = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(noise), contextlib.redirect_stderr(noise):
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        frames = _harmless([_sample(frame, numeric, categorical) for frame in (reference, current)], categorical)
        names = list(frames[0].columns)
        definition = DataDefinition(numerical_columns=names[: len(numeric)], categorical_columns=names[len(numeric) :])
        before, now = (Dataset.from_pandas(frame, data_definition=definition) for frame in frames)
        report = Report([DataDriftPreset(method="psi")])
        snapshot = report.run(now, before, timestamp=datetime(1970, 1, 1, tzinfo=UTC))
        return _with_policy(_without_random_ids(snapshot.get_html_str(as_iframe=False)))


def _sample(frame: pd.DataFrame, numeric: list[str], categorical: list[str]) -> pd.DataFrame:
    rows = np.arange(len(frame))
    if len(frame) > LARGEST_SAMPLE:
        rows = np.linspace(0, len(frame) - 1, LARGEST_SAMPLE).astype(np.intp)
    thinned = frame[[*numeric, *categorical]].iloc[rows].reset_index(drop=True)
    return thinned.astype(dict.fromkeys(categorical, object))


def _harmless(frames: list[pd.DataFrame], categorical: list[str]) -> list[pd.DataFrame]:
    """The frames with names and categories that are nothing but text; those that differed still differ."""
    for column in categorical:
        shown = _distinct(value for frame in frames for value in frame[column].unique() if isinstance(value, str))
        for frame in frames:
            frame[column] = frame[column].map(lambda value, shown=shown: shown.get(value, value))
    names = _distinct(frames[0].columns)
    return [frame.rename(columns=names) for frame in frames]


def _distinct(texts: Iterable[str]) -> dict[str, str]:
    """Each text and how it is shown, with a number where two would look the same."""
    shown: dict[str, str] = {}
    taken: set[str] = set()
    for text in dict.fromkeys(texts):
        base = (clean_text(text) or NO_NAME).translate(HARMLESS)
        candidate, number = base, 2
        while candidate in taken:
            candidate, number = f"{base} ({number})", number + 1
        taken.add(candidate)
        shown[text] = candidate
    return shown


def _with_policy(page: str) -> str:
    """The page with a content policy before anything else, which allows the scripts in it by their hash."""
    page = page.replace("\r\n", "\n").replace("\r", "\n")  # as a browser reads it before it hashes
    hashes = [base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode() for found in SCRIPT.finditer(page)]
    policy = POLICY.format(scripts=" ".join(f"'sha256-{one}'" for one in dict.fromkeys(hashes)) or "'none'")
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    found = HEAD.search(page)
    if found is None:
        raise ValueError("Evidently's page has no head for a content policy")
    return page[: found.end()] + meta + page[found.end() :]


def _without_random_ids(page: str) -> str:
    """The page with its time-based and random ids numbered in order of appearance; equal ids stay equal."""
    numbers: dict[str, str] = {}

    def number(found: re.Match[str]) -> str:
        old = found[0]
        form = "metric_{:032d}" if old.startswith("metric_") else "00000000-0000-7000-8000-{:012d}"
        return numbers.setdefault(old, form.format(len(numbers)))

    return RANDOM_ID.sub(number, page)
