"""Asking GitHub: pages, what is repeated and what is not, how long it waits, and what it says when it gives up."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from fake_github import FakeGitHub
from fake_github.faults import PRIMARY_LIMIT, SECONDARY_LIMIT, Fault
from github.Repository import Repository
from urllib3.exceptions import ProtocolError

from lockgate.github.client import GitHubError, asking, open_repository, settings_from_environment
from lockgate.github.retry import BoundedRetry

Connect = Callable[..., Repository]


@pytest.fixture
def repository(fake_github: FakeGitHub) -> Repository:
    fake_github.state["issues"] = [{"id": n, "number": n, "title": f"issue {n}"} for n in range(1, 251)]
    return open_repository(settings_from_environment())


def bodies(fake: FakeGitHub) -> list[str]:
    return [comment["body"] for comment in fake.state.get("comments", [])]


def test_lists_are_read_to_their_last_page(fake_github: FakeGitHub, repository: Repository) -> None:
    assert len(list(repository.get_issues(state="open"))) == 250
    assert len(fake_github.asked("issues/list-for-repo")) == 3


@pytest.mark.parametrize(
    "fault",
    [
        Fault(500),
        Fault(503),
        Fault(429, {"Retry-After": "0"}),
        Fault(403, {"Retry-After": "0"}, SECONDARY_LIMIT),
        Fault(403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}, PRIMARY_LIMIT),
    ],
    ids=lambda fault: f"{fault.status} {dict(fault.headers)}",
)
def test_a_bad_moment_is_waited_out(fake_github: FakeGitHub, repository: Repository, fault: Fault) -> None:
    fake_github.faults.plan("issues/get", fault, fault)
    assert repository.get_issue(3).title == "issue 3"
    assert not fake_github.faults.left()


def test_jobs_that_failed_at_once_do_not_come_back_at_once() -> None:
    def third_wait() -> float | None:
        once = BoundedRetry().increment("GET", "/", error=ProtocolError("reset"))
        return once.increment("GET", "/", error=ProtocolError("reset"))._next_wait

    waits = {third_wait() for _ in range(20)}
    assert len(waits) > 10
    assert all(wait is not None and 1.0 <= wait <= 1.5 for wait in waits)


@pytest.mark.parametrize("status", [403, 429])
def test_a_rate_limited_post_is_repeated_for_it_did_nothing(
    fake_github: FakeGitHub, repository: Repository, status: int
) -> None:
    fake_github.faults.plan("issues/create-comment", Fault(status, {"Retry-After": "0"}))
    repository.get_issue(3).create_comment("once")
    assert bodies(fake_github) == ["once"]


@pytest.mark.parametrize("performed", [False, True])
def test_a_failed_post_is_not_repeated_for_it_may_have_done_its_work(
    fake_github: FakeGitHub, repository: Repository, performed: bool
) -> None:
    issue = repository.get_issue(3)
    fake_github.faults.plan("issues/create-comment", Fault(502, performed=performed))
    with (
        pytest.raises(GitHubError, match=r"cannot comment: GitHub answered 502 .* run it again later"),
        asking("comment"),
    ):
        issue.create_comment("once")
    assert len(fake_github.asked("issues/create-comment")) == 1
    assert bodies(fake_github) == ["once"] * performed


@pytest.mark.parametrize("says", ["seconds", "time"])
def test_a_limit_that_outlasts_our_patience_is_an_error_at_once(
    fake_github: FakeGitHub, repository: Repository, says: str
) -> None:
    reset = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 3600)}
    headers = {"Retry-After": "4000"} if says == "seconds" else reset
    fake_github.faults.plan("issues/get", Fault(403, headers, PRIMARY_LIMIT))
    with pytest.raises(GitHubError, match=r"403 \(API rate limit exceeded.* outlasts our patience"), asking("look"):
        repository.get_issue(3).complete()
    assert len(fake_github.asked("issues/get")) == 1


def test_an_endless_outage_ends(
    fake_github: FakeGitHub, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    fake_github.faults.plan("issues/get", Fault(500), times=50)
    with pytest.raises(GitHubError, match="GitHub answered 500") as caught, asking("look"):
        repository.get_issue(3).complete()
    assert caught.value.status == 500
    assert len(fake_github.asked("issues/get")) == 6


def test_a_plain_refusal_is_not_repeated(fake_github: FakeGitHub, repository: Repository) -> None:
    fake_github.faults.plan("issues/get", Fault(403, message="Resource not accessible by integration"))
    with pytest.raises(GitHubError, match=r"not accessible by integration.*permissions"), asking("look"):
        repository.get_issue(3).complete()
    assert len(fake_github.asked("issues/get")) == 1


def test_nobody_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    environment = {"GITHUB_REPOSITORY": "acme/credit", "GITHUB_TOKEN": "x", "GITHUB_API_URL": "http://127.0.0.1:9"}
    with pytest.raises(GitHubError, match="cannot look: GitHub did not answer") as caught, asking("look"):
        open_repository(settings_from_environment(environment=environment)).get_issue(3).complete()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"GITHUB_TOKEN": ""}, "no token"),
        ({"GITHUB_REPOSITORY": "credit"}, "OWNER/NAME"),
        ({"GITHUB_REPOSITORY": "acme/credit/../x"}, "OWNER/NAME"),
        ({"GITHUB_API_URL": "ftp://example.org"}, "GITHUB_API_URL"),
    ],
)
def test_bad_settings_are_refused(changes: dict[str, str], message: str) -> None:
    environment = {"GITHUB_REPOSITORY": "acme/credit", "GITHUB_TOKEN": "x", **changes}
    with pytest.raises(GitHubError, match=message):
        settings_from_environment(environment=environment)


def test_the_token_is_not_printed() -> None:
    settings = settings_from_environment(environment={"GITHUB_REPOSITORY": "a/b", "GITHUB_TOKEN": "secret"})
    assert "secret" not in repr(settings)
