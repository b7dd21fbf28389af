"""Where earlier nights are found: the artifacts of earlier runs, and the published copy.

Artifacts are the lasting place. They need no setting and no right to write, live for 90 days (a month counts), and
unlike a cache are neither evicted nor immutable by key. A lost one costs a night and not the history: those before it
have the other nights, and so has the copy that is published beside drift.json.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.core.github.artifacts import newest_artifacts, read_member
from pipeline.core.github.client import GitHubError, GitHubSettings
from pipeline.core.nightly.history import MOST_BYTES, merge, read_history
from pipeline.core.nightly.night import Night
from pipeline.core.nightly.published import HISTORY_FILE, read_published

if TYPE_CHECKING:
    from github.Repository import Repository

ARTIFACT = "drift-history"
# Each holds every night its run knew of; several, for the nights of runs that overlapped or whose artifact is lost.
COPIES = 3


@dataclass(frozen=True)
class Earlier:
    """The nights that were found, and a line about every copy that could not be used."""

    nights: tuple[Night, ...]
    problems: tuple[str, ...]


def earlier_nights(
    settings: GitHubSettings, repository: Repository, default_branch: str, published_branch: str, now: datetime
) -> Earlier:
    """Every night that any copy knows. Never raises: a night without a past is better than no night."""
    nights: list[Night] = []
    problems: list[str] = []
    for name, read in _copies(settings, repository, default_branch, published_branch, problems):
        try:
            content = read()
        except GitHubError as error:
            problems.append(f"{name} could not be read: {error}")
            continue
        found = read_history(content, now) if content is not None else ()
        if found is None:
            problems.append(f"{name} is no history of the nightly runs and is ignored")
        else:
            nights += found
    if not nights:
        problems.append("no earlier night is known, so the count starts with this one")
    return Earlier(merge(nights), tuple(problems))


def _copies(
    settings: GitHubSettings, repository: Repository, default_branch: str, published_branch: str, problems: list[str]
) -> Iterator[tuple[str, Callable[[], bytes | None]]]:
    try:
        artifacts = newest_artifacts(repository, ARTIFACT, default_branch, COPIES)
    except GitHubError as error:
        problems.append(f"earlier artifacts could not be listed: {error}")
        artifacts = []
    for artifact in artifacts:
        yield (
            f"artifact {artifact.number} of run {artifact.run}",
            lambda artifact=artifact: read_member(settings, artifact, HISTORY_FILE, MOST_BYTES),  # type: ignore[misc]
        )
    if published_branch:
        yield f"branch {published_branch}", lambda: read_published(repository, published_branch, HISTORY_FILE)
