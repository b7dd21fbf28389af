"""What becomes of the rolling issue, from the issues there are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.ci.nightly.issue import KnownIssue, plan_issue

NOW = datetime(2026, 11, 25, tzinfo=UTC)
MODEL, OTHER = "a" * 64, "b" * 64


def issue(number: int, days_closed: float | None = None, **changes: Any) -> KnownIssue:
    closed = None if days_closed is None else NOW - timedelta(days=days_closed)
    return KnownIssue(
        **{"number": number, "open": closed is None, "alarm_model": MODEL, "closed_at": closed, **changes}
    )


@pytest.mark.parametrize(
    ("issues", "state", "action", "number"),
    [
        ([], "alarm", "create", None),
        ([], "watching", "none", None),
        ([], "clear", "none", None),
        ([], "unknown", "none", None),
        ([issue(1)], "alarm", "update", 1),
        ([issue(1)], "watching", "update", 1),
        ([issue(1)], "unknown", "update", 1),
        ([issue(1)], "clear", "close", 1),
        ([issue(1, 3)], "watching", "none", None),
        ([issue(1, 3)], "clear", "none", None),
        ([issue(1, 9), issue(2, 3)], "alarm", "reopen", 2),
        ([issue(1, 31)], "alarm", "create", None),
        ([issue(1, alarm_model=OTHER)], "alarm", "update", 1),
        ([issue(1, 3, dismissed=True)], "alarm", "dismissed", 1),
        ([issue(1, 3, dismissed=True, alarm_model=OTHER)], "alarm", "create", None),
        ([issue(1, 300, dismissed=True)], "alarm", "dismissed", 1),
    ],
)
def test_one_issue_open_while_the_alarm_is_on(
    issues: list[KnownIssue], state: Any, action: str, number: int | None
) -> None:
    found = plan_issue(issues, state, MODEL, NOW)

    assert (found.action, found.number) == (action, number)


def test_the_oldest_open_issue_is_kept_and_the_others_are_duplicates() -> None:
    found = plan_issue([issue(9), issue(4), issue(2, 1), issue(7)], "alarm", MODEL, NOW)

    assert (found.action, found.number, found.duplicates) == ("update", 4, (7, 9))


def test_another_models_alarm_stays_in_the_mark_until_this_model_has_one() -> None:
    assert plan_issue([issue(1, alarm_model=OTHER)], "watching", MODEL, NOW).alarm_model == OTHER
    assert plan_issue([issue(1, alarm_model=OTHER)], "alarm", MODEL, NOW).alarm_model == MODEL


@given(
    st.lists(
        st.builds(issue, st.integers(1, 99), st.one_of(st.none(), st.floats(0, 90))), unique_by=lambda one: one.number
    ),
    st.sampled_from(["alarm", "watching", "clear", "unknown"]),
)
def test_after_the_plan_at_most_one_issue_is_open(issues: list[KnownIssue], state: Any) -> None:
    found = plan_issue(issues, state, MODEL, NOW)

    still = {one.number for one in issues if one.open} - set(found.duplicates)
    assert still <= {found.number}
