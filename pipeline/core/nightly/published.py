"""`drift.json` where a running service can read it: a branch of its own, which needs no setting and no account."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.core.common.errors import InputError
from pipeline.core.github.branch import create_branch, head_of, make_commit, move_branch
from pipeline.core.github.client import GitHubError, asking
from pipeline.core.report.environments import markdown_templates

if TYPE_CHECKING:
    from github.GitCommit import GitCommit
    from github.Repository import Repository

BRANCH = "lockgate-drift"
DRIFT_FILE, HISTORY_FILE, README_FILE = "drift.json", "history.json", "README.md"
FILES = frozenset({DRIFT_FILE, HISTORY_FILE, README_FILE})
TRIES = 5


def read_published(repository: Repository, branch: str, name: str) -> bytes | None:
    """The file as it was last published, or None where there is none. Raises GitHubError where it cannot be asked."""
    try:
        with asking(f"read {name} on branch {branch}"):
            found = repository.get_contents(name, ref=branch)
        content = found.raw_data.get("content") if not isinstance(found, list) else None
        return None if content is None else base64.b64decode(content)
    except GitHubError as error:
        if error.status == 404:
            return None
        raise
    except binascii.Error:
        raise GitHubError(f"{name} on branch {branch} is not what GitHub calls a file") from None


def publish(repository: Repository, branch: str, drift: bytes, history: bytes) -> str:
    """Put both files on the branch, after whatever was published before; the commit's sha.

    Publishing the same twice changes nothing. A run that overlaps with this one publishes before or after it, never
    half of each. Raises InputError where the branch holds something else, which is left alone.
    """
    readme = str(markdown_templates().get_template("drift_branch.md.j2").render()).encode()
    files: Mapping[str, bytes] = {DRIFT_FILE: drift, HISTORY_FILE: history, README_FILE: readme}
    for _ in range(TRIES):
        head = head_of(repository, branch)
        if head is not None:
            _refuse_others(repository, branch, head)
        commit = make_commit(repository, files, "Publish the drift of the newest batch", head, keep_others=False)
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


def _refuse_others(repository: Repository, branch: str, head: GitCommit) -> None:
    with asking(f"list the files of branch {branch}"):
        names = {element.path for element in repository.get_git_tree(head.tree.sha).tree}
    if not names <= FILES:
        other = sorted(names - FILES)[0]
        raise InputError(
            f"branch {branch} holds {other!r}, so it is not the one that drift is published on; "
            "name another in `publish-branch`"
        )
