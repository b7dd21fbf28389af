"""A repository on GitHub, ready to be asked: address, token, pages, retries, and errors of one line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import requests
from github import Auth, Github, GithubException
from github.Repository import Repository

from lockgate.config.credentials import safe_url
from lockgate.config.errors import InputError
from lockgate.github.retry import PATIENCE, UNNAMED_WAIT, BoundedRetry

PUBLIC_API = "https://api.github.com"
TOKENS = ("GITHUB_TOKEN", "GH_TOKEN")
WRITE_PAUSE = 1.0  # seconds between two writes, as GitHub asks
_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")


class GitHubError(InputError):
    """GitHub could not be asked, or said no. `status` is the HTTP status, or None where no answer came."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class GitHubSettings:
    """Where and as whom to ask. `repository` is OWNER/NAME; the token is kept out of what is printed.

    `patience` is how many seconds one request may spend waiting between attempts, `unnamed_wait` the wait after a rate
    limit that names none.
    """

    repository: str
    token: str = field(repr=False)
    api_url: str = PUBLIC_API
    patience: float = PATIENCE
    unnamed_wait: float = UNNAMED_WAIT

    def __post_init__(self) -> None:
        if not _REPOSITORY.fullmatch(self.repository):
            raise GitHubError(f"{self.repository!r} is no repository; give OWNER/NAME in GITHUB_REPOSITORY")
        if not self.token:
            raise GitHubError(f"there is no token; set {TOKENS[0]} (in a workflow: env: GITHUB_TOKEN: the job's token)")
        if not re.fullmatch(r"https?://[^\s/?#@]+[^\s?#@]*", self.api_url):
            raise GitHubError(
                f"GITHUB_API_URL is {safe_url(self.api_url)!r}, which is no http(s) address without a user"
            )


def settings_from_environment(
    repository: str | None = None, environment: Mapping[str, str] = os.environ
) -> GitHubSettings:
    """The settings that GitHub Actions gives every job. Raises GitHubError naming what is missing."""
    return GitHubSettings(
        repository=repository or environment.get("GITHUB_REPOSITORY", ""),
        token=next((environment[name] for name in TOKENS if environment.get(name)), ""),
        api_url=environment.get("GITHUB_API_URL", PUBLIC_API).rstrip("/"),
    )


def open_repository(settings: GitHubSettings) -> Repository:
    """PyGithub's repository object. Lists are fetched page by page, 100 entries each.

    It is lazy, and so is what it gives: `get_issue(3)` asks nothing, its first attribute does (or `complete()`).
    """
    github = Github(
        base_url=settings.api_url,
        auth=Auth.Token(settings.token),
        user_agent="lockgate",
        per_page=100,
        timeout=30,
        retry=BoundedRetry(patience=settings.patience, unnamed_wait=settings.unnamed_wait),
        seconds_between_requests=None,
        seconds_between_writes=WRITE_PAUSE,
        lazy=True,
    )
    return github.get_repo(settings.repository)


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Turns what PyGithub raises into one line: `with asking("list the comments of #12"): ...`.

    Raises GitHubError that says what was tried, what came back and what helps.
    """
    try:
        yield
    except GithubException as error:
        raise GitHubError(f"cannot {what}: {_reason(error)}", error.status) from error
    except requests.RequestException as error:
        raise GitHubError(
            f"cannot {what}: GitHub did not answer ({type(error).__name__}); run it again later"
        ) from error


def _reason(error: GithubException) -> str:
    said = error.data.get("message", "") if isinstance(error.data, dict) else str(error.data or "")
    said = " ".join(str(said).split())[:200] or "no explanation"
    return f"GitHub answered {error.status} ({said}){_mend(error.status, said.lower())}"


def _mend(status: int, said: str) -> str:
    if "rate limit" in said or status == 429:
        return "; the rate limit outlasts our patience, run it again later"
    if status == 401:
        return "; the token is wrong or has expired"
    if status in {403, 404}:
        return "; check that it exists and that the job's permissions allow it"
    return "; run it again later" if status >= 500 else ""
