"""The rolling issue on a GitHub: one, whatever runs overlap, answers get lost, or strangers write."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from drift_results import drift_result, feature_drift
from fake_github import FakeGitHub
from fake_github.faults import Fault
from markdown_it import MarkdownIt

from lockgate.ci.nightly import issue as issue_module
from lockgate.ci.nightly.history import decide, nightly_run
from lockgate.ci.nightly.issue import update_issue
from lockgate.ci.nightly.issue_text import Links, read_mark
from lockgate.documents.drift_json import DriftResult
from lockgate.documents.nightly_json import IssueUpdate, NightlyRun
from lockgate.github.client import GitHubError, open_repository, settings_from_environment

NOW = datetime.now(UTC)
MODEL, OTHER = "a" * 64, "b" * 64
MARK = f"<!-- lockgate:drift-issue alarm={MODEL} -->"
LINKS = Links("https://github.com", "acme/credit")


def drift(status: Any = "alert", name: str = "income", **changes: Any) -> DriftResult:
    return drift_result(feature_drift(name, status=status, reason=f"as {name} moved"), status=status, **changes)


def a_run(result: DriftResult, run: int) -> NightlyRun:
    return nightly_run(result, run, 1, NOW - timedelta(days=30 - run))


def keep(*statuses: str, **changes: Any) -> IssueUpdate:
    results = [drift(status, **changes) for status in statuses]
    runs = [a_run(result, run) for run, result in enumerate(results)]
    repository = open_repository(settings_from_environment())
    decision = decide(runs, 2, 3)
    return update_issue(repository, decision, results[-1], runs, LINKS, NOW, wait=lambda _: None)


def opened(fake: FakeGitHub) -> list[dict[str, Any]]:
    return [issue for issue in fake.state["issues"] if issue["state"] == "open"]


def test_an_alarm_opens_one_issue_that_the_next_night_rewrites_and_a_clean_one_closes(fake_github: FakeGitHub) -> None:
    assert keep("alert").action == "none"
    assert keep("alert", "alert") == IssueUpdate("create", 1)
    assert keep("alert", "alert", "warn") == IssueUpdate("update", 1)
    assert keep("alert", "warn", "stable") == IssueUpdate("close", 1)
    (issue,) = fake_github.state["issues"]
    assert issue["state"] == "closed"
    assert issue["body"].startswith("## ✅ Recovered")
    assert keep("warn", "stable", "alert") == IssueUpdate("reopen", 1)
    assert len(fake_github.state["issues"]) == 1
    assert fake_github.state["labels"][0]["description"].startswith("The data has moved")


def test_a_repeated_run_changes_nothing(fake_github: FakeGitHub) -> None:
    keep("alert", "alert")
    before = [dict(issue) for issue in fake_github.state["issues"]]
    keep("alert", "alert")

    assert fake_github.state["issues"] == before


def test_it_is_found_behind_a_hundred_others(fake_github: FakeGitHub) -> None:
    keep("alert", "alert")
    ours = fake_github.state["issues"][0]
    others = [
        {"id": 5000 + at, "number": 10 + at, "title": "mine", "body": "x", "labels": ["drift"], "state": "open"}
        for at in range(105)
    ]
    fake_github.state["issues"] = [ours, *others]

    assert keep("alert", "alert", "alert") == IssueUpdate("update", ours["number"])


def test_somebody_elses_issue_is_left_alone_also_with_our_mark(fake_github: FakeGitHub) -> None:
    theirs = [
        {"id": 1, "number": 1, "title": "a", "body": "I saw drift", "labels": ["drift"], "state": "open"},
        {"id": 2, "number": 2, "title": "b", "body": MARK, "labels": ["drift"], "state": "open", "login": "mallory"},
        {"id": 3, "number": 3, "title": "c", "body": MARK, "labels": [], "state": "open"},
    ]
    fake_github.state["issues"] = [dict(issue) for issue in theirs]

    assert keep("alert", "alert") == IssueUpdate("create", 4)
    assert fake_github.state["issues"][:3] == theirs


@pytest.mark.parametrize(
    "mark", [f"lockgate:drift-issue-loans alarm={MODEL}", "lockgate:drift-issue-loans", "lockgate:drift-issue-"]
)
def test_the_issue_of_another_model_is_left_alone(fake_github: FakeGitHub, mark: str) -> None:
    theirs = {"id": 1, "number": 1, "title": "a", "body": f"<!-- {mark} -->", "labels": ["drift"], "state": "open"}
    fake_github.state["issues"] = [dict(theirs)]

    assert keep("alert", "alert") == IssueUpdate("create", 2)
    assert keep("stable", "stable") == IssueUpdate("close", 2)
    assert fake_github.state["issues"][0] == theirs


def test_of_two_that_overlapping_runs_opened_the_older_is_kept(fake_github: FakeGitHub) -> None:
    for number in (1, 2, 3):
        mine = {"id": number, "number": number, "title": "t", "body": MARK, "labels": ["drift"], "state": "open"}
        fake_github.state.setdefault("issues", []).append(mine)

    assert keep("alert", "alert") == IssueUpdate("update", 1)
    assert [issue["number"] for issue in opened(fake_github)] == [1]
    assert fake_github.state["issues"][2]["body"].startswith("Continued in #1")
    assert keep("alert", "alert") == IssueUpdate("update", 1)


def test_a_run_that_finds_it_was_slower_gives_up_its_own_issue(fake_github: FakeGitHub, monkeypatch: Any) -> None:
    looked = issue_module.own_issues
    first = {"id": 1, "number": 1, "title": "t", "body": MARK, "labels": ["drift"], "state": "open"}
    fake_github.state["issues"] = [first]
    calls = iter([[]])  # the other run's issue is not there yet at the first look

    def own(repository: Any, name: str) -> Any:
        empty = next(calls, None)
        return looked(repository, name) if empty is None else empty

    monkeypatch.setattr(issue_module, "own_issues", own)
    assert keep("alert", "alert").number == 1
    assert [issue["number"] for issue in opened(fake_github)] == [1]


def test_a_lost_answer_opens_no_second_issue(fake_github: FakeGitHub) -> None:
    fake_github.faults.plan("issues/create", Fault(502, performed=True))

    kept = keep("alert", "alert")

    assert kept.number == 1
    assert len(fake_github.state["issues"]) == 1


def test_a_token_that_may_not_is_one_clear_error(fake_github: FakeGitHub) -> None:
    fake_github.faults.plan("issues/create", Fault(403, message="Resource not accessible by integration"))

    with pytest.raises(GitHubError, match=r"open the issue about drift.*permissions"):
        keep("alert", "alert")


def test_what_somebody_dismissed_stays_closed_for_this_model(fake_github: FakeGitHub) -> None:
    keep("alert", "alert")
    fake_github.state["issues"][0] |= {"state": "closed", "state_reason": "not_planned", "closed_at": NOW.isoformat()}

    assert keep("alert", "alert", "alert").action == "dismissed"
    assert keep("alert", "alert", "alert", model=OTHER) == IssueUpdate("create", 2)


@pytest.mark.parametrize(
    "name",
    ["@octocat", "a|b", "<img src=x onerror=alert(1)>", "--> <!-- lockgate:drift-issue -->", "[x](http://e.example)"],
)
def test_names_from_the_data_stay_text(fake_github: FakeGitHub, name: str) -> None:
    keep("alert", "alert", name=name)

    body = fake_github.state["issues"][0]["body"]
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(body)
    assert "<img" not in html
    assert 'e.example"' not in html
    assert not re.search(r"@[a-z]", re.sub(r"`[^`]*`", "", body))
    assert read_mark(body, "") == (True, MODEL)
    assert {row.count("</td>") for row in html.split("<tr>")[1:] if "<td" in row} == {5, 8}
