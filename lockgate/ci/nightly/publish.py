"""`drift.json` where a running service can read it: a branch of its own, which needs no setting and no account.

The only model's files lie in the branch's root, those of a model with a name in a folder of that name.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import requests

from lockgate.ci.nightly.history import MAX_BYTES, merge_runs, read_history
from lockgate.config.errors import InputError
from lockgate.config.model_name import require_name, suffixed
from lockgate.documents.nightly_json import NightlyRun
from lockgate.github.artifacts import newest_artifacts, read_member
from lockgate.github.branch import create_branch, head_of, make_commit, move_branch
from lockgate.github.client import GitHubError, GitHubSettings, asking
from lockgate.report.environments import markdown_templates
from lockgate.report.nights import PICTURES

if TYPE_CHECKING:
    from github.GitCommit import GitCommit
    from github.Repository import Repository

BRANCH = "lockgate-drift"
DRIFT_FILE, HISTORY_FILE, NIGHTS_FILE, README_FILE = "drift.json", "history.json", "nights.md", "README.md"
BROWSER_FILE = "nights.html"
# It is for a browser, `nights.md` for GitHub, which shows no HTML of a branch; the pictures are those of the latter.
PUBLISHED = (DRIFT_FILE, HISTORY_FILE, NIGHTS_FILE, BROWSER_FILE, *PICTURES)
# In the branch's root: ours, and what GitHub Pages puts there for a domain of one's own, or is told its ways by.
AT_THE_ROOT = (README_FILE, "CNAME", ".nojekyll")
TRIES = 5


def read_published(repository: Repository, branch: str, name: str) -> bytes | None:
    """The file as it was last published, or None where there is none. Raises GitHubError where it cannot be asked."""
    try:
        with asking(f"read {name} on branch {branch}"):
            found = repository.get_contents(name, ref=branch)
            if isinstance(found, list):
                return None
            if found.encoding == "none":  # GitHub's way to say that it is over a megabyte
                return base64.b64decode(repository.get_git_blob(found.sha).content)
        content = found.raw_data.get("content")
        return None if content is None else base64.b64decode(content)
    except GitHubError as error:
        if error.status == 404:
            return None
        raise
    except binascii.Error:
        raise GitHubError(f"{name} on branch {branch} is not what GitHub calls a file") from None


def publish(repository: Repository, branch: str, files: Mapping[str, bytes], name: str = "") -> str:
    """Put the files of the model `name`, of those in `PUBLISHED`, on the branch, beside those of others; the commit's sha.

    Publishing the same twice changes nothing. A run that overlaps with this one publishes before or after it, never
    half of each. Raises InputError where the branch holds something else, which is left alone.
    """
    readme = str(markdown_templates().get_template("drift_branch.md.j2").render()).encode()
    placed = {published_path(file, name): content for file, content in files.items()} | {README_FILE: readme}
    for _ in range(TRIES):
        head = head_of(repository, branch)
        if head is not None:
            _refuse_others(repository, branch, head)
        message = f"Publish the drift of the newest batch{f' of {name}' if name else ''}"
        commit = make_commit(repository, placed, message, head, keep_others=True)
        if head is not None and commit.sha == head.sha:
            return head.sha
        done = (
            create_branch(repository, branch, commit.sha)
            if head is None
            else move_branch(repository, branch, commit.sha)
        )
        if done:
            return commit.sha
    raise GitHubError(f"branch {branch} was moved by others {TRIES} times in a row; run the job again")


def published_path(file: str, name: str) -> str:
    """Where a file of the model `name` lies on the branch."""
    return f"{name}/{file}" if name else file


def _refuse_others(repository: Repository, branch: str, head: GitCommit) -> None:
    with asking(f"list the files of branch {branch}"):
        entries = repository.get_git_tree(head.tree.sha, recursive=True).tree
    other = next((entry.path for entry in entries if entry.type != "tree" and not _is_published(entry.path)), None)
    if other is not None:
        raise InputError(
            f"branch {branch} holds {other!r}, so it is not the one that drift is published on; "
            "name another in `publish-branch`"
        )


def _is_published(path: str) -> bool:
    folder, _, file = path.rpartition("/")
    try:
        require_name(folder)
    except InputError:
        return False
    return file in PUBLISHED or path in AT_THE_ROOT


ATTEMPTS = 3
TIMEOUT = 30


def upload(url: str, header: str, content: bytes, wait: Callable[[float], None] = time.sleep) -> None:
    """PUT the content, as storage with signed addresses takes it.

    Raises InputError, which never repeats the address or the header: both may be secrets.
    """
    if not url.startswith("https://"):
        raise InputError("put-url has to begin with https://")
    name, colon, value = header.partition(":")
    if (header and not (colon and name.strip() and value.strip())) or "\n" in header:
        raise InputError("put-header is no header; write it as `Name: value`")
    headers = {"Content-Type": "application/json", **({name.strip(): value.strip()} if header else {})}
    problem = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            wait(2.0 * attempt)
        try:
            response = requests.put(url, data=content, headers=headers, timeout=TIMEOUT, allow_redirects=False)
        except requests.RequestException as error:
            problem = type(error).__name__
            continue
        if response.ok and not response.is_redirect:
            return
        problem = f"it answered {response.status_code}"
        if response.status_code < 500:
            break
    raise InputError(f"drift.json could not be put to the address in put-url: {problem}; check the address and its age")


ARTIFACT = "drift"
# Each holds every run that its own knew of; several, for runs that overlapped or whose artifact is lost.
COPIES = 3


@dataclass(frozen=True)
class PreviousRuns:
    """The runs that were found, and a line about every copy that could not be used."""

    runs: tuple[NightlyRun, ...]
    problems: tuple[str, ...]


def read_previous_runs(
    settings: GitHubSettings,
    repository: Repository,
    default_branch: str,
    published_branch: str,
    now: datetime,
    name: str = "",
) -> PreviousRuns:
    """Every run of the model `name` that any copy knows. Never raises: a run without a past is better than no run."""
    runs: list[NightlyRun] = []
    problems: list[str] = []
    for copy, read in _copies(settings, repository, default_branch, published_branch, name, problems):
        try:
            content = read()
        except GitHubError as error:
            problems.append(f"{copy} could not be read: {error}")
            continue
        found = read_history(content, now) if content is not None else ()
        if found is None:
            problems.append(f"{copy} is no history of the nightly runs and is ignored")
        else:
            runs += found
    if not runs:
        problems.append("no previous run is known, so the count starts with this one")
    return PreviousRuns(merge_runs(runs), tuple(problems))


def _copies(
    settings: GitHubSettings,
    repository: Repository,
    default_branch: str,
    published_branch: str,
    name: str,
    problems: list[str],
) -> Iterator[tuple[str, Callable[[], bytes | None]]]:
    try:
        artifacts = newest_artifacts(repository, suffixed(ARTIFACT, name), default_branch, COPIES)
    except GitHubError as error:
        problems.append(f"artifacts of previous runs could not be listed: {error}")
        artifacts = []
    for artifact in artifacts:
        yield (
            f"artifact {artifact.number} of run {artifact.run}",
            lambda artifact=artifact: read_member(settings, artifact, HISTORY_FILE, MAX_BYTES),  # type: ignore[misc]
        )
    if published_branch:
        path = published_path(HISTORY_FILE, name)
        yield f"branch {published_branch}", lambda: read_published(repository, published_branch, path)
