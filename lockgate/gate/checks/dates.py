"""Dates: no row can be of a day that has not come yet."""

from __future__ import annotations

import pandas as pd

from lockgate.data.stage_rows import frames_of
from lockgate.documents.gate_check import FUTURE_DATES, Check, Kind
from lockgate.gate.evidence import Evidence, Policy

KIND: Kind = "dates"


def date_checks(evidence: Evidence, policy: Policy) -> list[Check]:
    """Block where the time column of the test rows has days after the latest that a row may be of.

    Such a row leads a test set that is split by time, and is then what a model is judged on.
    """
    features = evidence.features
    if evidence.stale or features is None:
        return []
    column = features.schema.time_column
    if column is None or features.latest is None:
        why = "there is no time column" if column is None else "rows may be of any day (prepare.future_times)"
        return [Check(FUTURE_DATES, KIND, reason=why)]
    count, last = 0, features.latest
    for frame in frames_of(features.test, [column]):
        if pd.api.types.is_numeric_dtype(frame[column]):
            return [Check(FUTURE_DATES, KIND, reason=f"`{column}` holds numbers, not dates")]
        days = pd.to_datetime(frame[column], errors="coerce", format="ISO8601", utc=True).dt.date
        late = days[days > features.latest]
        count, last = count + len(late), max([last, *late])
    if not count:
        reason = f"no `{column}` lies in the future"
        return [Check(FUTURE_DATES, KIND, value=0.0, op="<=", threshold=0.0, status="pass", reason=reason)]
    reason = (
        f"`{column}` of {count:,} test rows lies after {features.latest}, the latest is {last}; correct these dates "
        "and prepare again"
    )
    return [Check(FUTURE_DATES, KIND, value=float(count), op="<=", threshold=0.0, status="block", reason=reason)]
