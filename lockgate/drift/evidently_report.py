"""Evidently's drift page, best effort: it draws, it never decides, and no failure of it stops anything."""

from __future__ import annotations

import contextlib
import io
import os
import re
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from lockgate.config.errors import InputError
from lockgate.config.extras import extras_named
from lockgate.config.files import write_file

LARGEST_SAMPLE = 20_000  # rows of each side; the page holds plots of them, and time and size grow with them
RANDOM_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}|metric_[0-9a-f]{32}")


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

        definition = DataDefinition(numerical_columns=numeric, categorical_columns=categorical)
        before, now = (
            Dataset.from_pandas(_sample(frame, numeric, categorical), data_definition=definition)
            for frame in (reference, current)
        )
        report = Report([DataDriftPreset(method="psi")])
        snapshot = report.run(now, before, timestamp=datetime(1970, 1, 1, tzinfo=UTC))
        return _without_random_ids(snapshot.get_html_str(as_iframe=False))


def _sample(frame: pd.DataFrame, numeric: list[str], categorical: list[str]) -> pd.DataFrame:
    rows = np.arange(len(frame))
    if len(frame) > LARGEST_SAMPLE:
        rows = np.linspace(0, len(frame) - 1, LARGEST_SAMPLE).astype(np.intp)
    thinned = frame[[*numeric, *categorical]].iloc[rows].reset_index(drop=True)
    return thinned.astype(dict.fromkeys(categorical, object))


def _without_random_ids(page: str) -> str:
    """The page with its time-based and random ids numbered in order of appearance; equal ids stay equal."""
    numbers: dict[str, str] = {}

    def number(found: re.Match[str]) -> str:
        old = found[0]
        form = "metric_{:032d}" if old.startswith("metric_") else "00000000-0000-7000-8000-{:012d}"
        return numbers.setdefault(old, form.format(len(numbers)))

    return RANDOM_ID.sub(number, page)
