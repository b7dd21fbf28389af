"""The one issue that tells of drift: opened, rewritten, reopened and closed through GitHub's API."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from lockgate.ci.nightly.issue_text import Links, duplicate_body, issue_body, issue_title, read_mark
from lockgate.documents.drift_json import DriftResult
from lockgate.documents.nightly_json import AlarmState, Decision, IssueAction, IssueUpdate, NightlyRun
from lockgate.github.client import GitHubError, asking

if TYPE_CHECKING:
    from github.Repository import Repository

LABEL = "drift"
LABEL_COLOUR, LABEL_MEANING = "b60205", "The data has moved away from what the model was trained on"
ATTEMPTS = 3
WAIT = 2.0
# Anybody may open an issue and paste our mark into it, and an issue's author may close it: theirs must not count.
_TRUSTED = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})


def update_issue(
    repository: Repository,
    decision: Decision,
    drift: DriftResult,
    runs: Sequence[NightlyRun],
    links: Links,
    now: datetime,
    name: str = "",
    wait: Callable[[float], None] = time.sleep,
) -> IssueUpdate:
    """Bring the issue of the model `name` into the state that the newest of `runs` (in order of time, not empty) asks for.

    A request whose answer was lost may have worked, so what failed is not sent again: the issues are looked at anew.
    Raises GitHubError where GitHub stays away, or the token may not.
    """
    model = runs[-1].model
    for attempt in range(1, ATTEMPTS + 1):
        try:
            found = plan_issue(own_issues(repository, name), decision.state, model, now)
            text = issue_body(decision, drift, runs, links, name, found.alarm_model)
            number = _carry_out(repository, found, issue_title(name), text)
            if found.action == "create":
                # Another run may have opened one in the meantime: both look again, and both keep the older.
                after = plan_issue(own_issues(repository, name), decision.state, model, now)
                _close_duplicates(repository, after)
                if after.number not in (None, number):
                    _edit(repository, after.number, body=text)
                    number = after.number
            return IssueUpdate(found.action, number)
        except GitHubError as error:
            if attempt == ATTEMPTS or (error.status is not None and error.status < 500):
                raise
            wait(WAIT * attempt)
    raise AssertionError("unreachable")


def own_issues(repository: Repository, name: str) -> list[KnownIssue]:
    """The model's own issues, open and closed: with the label, the mark, and an author who may be believed."""
    with asking(f"list the issues labelled {LABEL}"):
        return [
            known
            for issue in repository.get_issues(state="all", labels=[LABEL])
            if (known := _known(issue.raw_data, name)) is not None
        ]


def _known(issue: Mapping[str, Any], name: str) -> KnownIssue | None:
    marked, alarm_model = read_mark(issue.get("body"), name)
    author = issue.get("user") or {}
    if not marked or "pull_request" in issue:
        return None
    if author.get("type") != "Bot" and issue.get("author_association") not in _TRUSTED:
        return None
    closed_at = issue.get("closed_at")
    return KnownIssue(
        number=int(issue["number"]),
        open=issue.get("state") == "open",
        alarm_model=alarm_model,
        closed_at=datetime.fromisoformat(closed_at) if closed_at else None,
        dismissed=issue.get("state_reason") == "not_planned",
    )


def _carry_out(repository: Repository, found: IssuePlan, title: str, text: str) -> int | None:
    _close_duplicates(repository, found)
    if found.action == "create":
        _make_label(repository)
        with asking("open the issue about drift"):
            return int(repository.create_issue(title, text, labels=[LABEL]).number)
    if found.number is None or found.action in ("none", "dismissed"):
        return found.number
    state = {"close": {"state": "closed", "state_reason": "completed"}, "reopen": {"state": "open"}}
    _edit(repository, found.number, title=title, body=text, **state.get(found.action, {}))
    return found.number


def _close_duplicates(repository: Repository, found: IssuePlan) -> None:
    if found.number is not None:
        for duplicate in found.duplicates:
            body = duplicate_body(found.number)
            _edit(repository, duplicate, body=body, state="closed", state_reason="not_planned")


def _edit(repository: Repository, number: int | None, **changes: Any) -> None:
    with asking(f"change issue #{number}"):
        repository.get_issue(int(number or 0)).edit(**changes)


def _make_label(repository: Repository) -> None:
    """The label with its colour and meaning; one that is there already stays as it is."""
    try:
        with asking(f"create the label {LABEL}"):
            repository.create_label(LABEL, LABEL_COLOUR, LABEL_MEANING)
    except GitHubError as error:
        if error.status != 422:
            raise


# An alarm that comes back within a month is the same story; later it is a new one.
REOPEN_WITHIN = timedelta(days=30)


@dataclass(frozen=True)
class KnownIssue:
    """An issue of the nightly run's own. `dismissed`: somebody closed it as not planned."""

    number: int
    open: bool
    alarm_model: str | None
    closed_at: datetime | None = None
    dismissed: bool = False


@dataclass(frozen=True)
class IssuePlan:
    """One action, on issue `number` unless it creates one, and the open issues that are one too many.

    `alarm_model` goes into the issue's mark.
    """

    action: IssueAction
    number: int | None
    alarm_model: str | None
    duplicates: tuple[int, ...] = ()


def plan_issue(issues: Iterable[KnownIssue], state: AlarmState, model: str, now: datetime) -> IssuePlan:
    """What to do after a run that measured `model`.

    The oldest open issue is kept, because that is where people have answered, and because of two runs that each open
    one both come to the same choice.
    """
    known = sorted(issues, key=lambda issue: issue.number)
    opened = [issue for issue in known if issue.open]
    if opened:
        kept, duplicates = opened[0], tuple(issue.number for issue in opened[1:])
        told = kept.alarm_model or next((issue.alarm_model for issue in opened if issue.alarm_model), None)
        alarm_model = model if state == "alarm" else told
        return IssuePlan(
            "close" if state == "clear" else "update",
            kept.number,
            alarm_model,
            duplicates,
        )
    if state != "alarm":
        return IssuePlan("none", None, None)
    last = max(
        (issue for issue in known if issue.closed_at), key=lambda issue: (issue.closed_at, issue.number), default=None
    )
    if last is None or last.closed_at is None:
        return IssuePlan("create", None, model)
    if last.dismissed and last.alarm_model == model:
        return IssuePlan("dismissed", last.number, model)
    if not last.dismissed and now - last.closed_at <= REOPEN_WITHIN:
        return IssuePlan("reopen", last.number, model)
    return IssuePlan("create", None, model)
