"""Why a retrain was called: the gravest fact of the newest night that asked for one, as that night's own judge wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lockgate.ci.nightly.publish import ARTIFACT, COPIES
from lockgate.config.errors import InputError
from lockgate.config.model_name import suffixed
from lockgate.documents.nightly_json import MAX_FACT, NightlyDecision
from lockgate.documents.text import clean_reason
from lockgate.github.artifacts import newest_artifacts, read_member
from lockgate.github.client import GitHubSettings

if TYPE_CHECKING:
    from github.Repository import Repository

DECISION_FILE = "nightly.json"
MAX_BYTES = 100_000


def read_reason(settings: GitHubSettings, repository: Repository, branch: str, name: str) -> str:
    """The sentence, on one line, from the artifacts of the newest nights on the branch; empty where none of them asked.

    It holds names from the data: whoever shows it escapes it. Raises GitHubError where GitHub stays away, or the token may not.
    """
    for artifact in newest_artifacts(repository, suffixed(ARTIFACT, name), branch, COPIES):
        try:
            content = read_member(settings, artifact, DECISION_FILE, MAX_BYTES)
            decision = NightlyDecision.read(content, DECISION_FILE).decision
        except InputError:  # no decision of ours: an older night may have one
            continue
        if decision.retrain:
            return clean_reason(decision.fact, MAX_FACT)
    return ""
