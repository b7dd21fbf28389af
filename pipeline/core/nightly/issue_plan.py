"""What to do with the rolling issue, decided from the issues there are. No state of its own: deciding again is safe."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pipeline.core.nightly.alarm import State

# An alarm that comes back within a month is the same story; later it is a new one.
REOPEN_WITHIN = timedelta(days=30)

Action = Literal["none", "create", "update", "reopen", "close", "dismissed"]


@dataclass(frozen=True)
class KnownIssue:
    """An issue of the nightly run's own. `dismissed`: somebody closed it as not planned."""

    number: int
    open: bool
    alarm_model: str | None
    closed_at: datetime | None = None
    dismissed: bool = False


@dataclass(frozen=True)
class Plan:
    """One action, on issue `number` unless it creates one, and the open issues that are one too many.

    `new_alarm`: nobody was told yet of an alarm of this model. `alarm_model` goes into the issue's mark.
    """

    action: Action
    number: int | None
    alarm_model: str | None
    new_alarm: bool
    duplicates: tuple[int, ...] = ()


def plan(issues: Iterable[KnownIssue], state: State, model: str, now: datetime) -> Plan:
    """The plan for `model`'s night.

    The oldest open issue is kept, because that is where people have answered, and because of two runs that each open
    one both come to the same choice.
    """
    known = sorted(issues, key=lambda issue: issue.number)
    opened = [issue for issue in known if issue.open]
    if opened:
        kept, duplicates = opened[0], tuple(issue.number for issue in opened[1:])
        told = kept.alarm_model or next((issue.alarm_model for issue in opened if issue.alarm_model), None)
        alarm_model = model if state == "alarm" else told
        return Plan(
            "close" if state == "clear" else "update",
            kept.number,
            alarm_model,
            state == "alarm" and told != model,
            duplicates,
        )
    if state != "alarm":
        return Plan("none", None, None, False)
    last = max(
        (issue for issue in known if issue.closed_at), key=lambda issue: (issue.closed_at, issue.number), default=None
    )
    if last is None or last.closed_at is None:
        return Plan("create", None, model, True)
    if last.dismissed and last.alarm_model == model:
        return Plan("dismissed", last.number, model, False)
    if not last.dismissed and now - last.closed_at <= REOPEN_WITHIN:
        return Plan("reopen", last.number, model, True)
    return Plan("create", None, model, True)
