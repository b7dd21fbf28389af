"""Commits and branches through the API: no work tree beside a token, nothing forced, and GitHub signs what it makes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lockgate.github.client import GitHubError, asking

if TYPE_CHECKING:
    from github.GitCommit import GitCommit
    from github.Repository import Repository


def head_of(repository: Repository, branch: str) -> GitCommit | None:
    """The branch's newest commit, or None where there is no such branch."""
    try:
        with asking(f"look at branch {branch}"):
            sha = repository.get_git_ref(f"heads/{branch}").object.sha
            return repository.get_git_commit(sha)
    except GitHubError as error:
        if error.status == 404:
            return None
        raise


def make_commit(
    repository: Repository, files: Mapping[str, bytes], message: str, parent: GitCommit | None, keep_others: bool
) -> GitCommit:
    """A commit of text files (path to UTF-8 content) that no branch points to yet.

    With `keep_others` the parent's other files stay, without it these are all there is. Where nothing changes the
    parent is returned.
    """
    from github.InputGitTreeElement import InputGitTreeElement

    with asking("make a commit"):
        base = {"base_tree": parent.tree} if parent is not None and keep_others else {}
        tree = repository.create_git_tree(
            [
                InputGitTreeElement(path, "100644", "blob", content=content.decode())
                for path, content in sorted(files.items())
            ],
            **base,
        )
        if parent is not None and tree.sha == parent.tree.sha:
            return parent
        return repository.create_git_commit(message, tree, [parent] if parent is not None else [])


def create_branch(repository: Repository, branch: str, commit: str) -> bool:
    """Make the branch at this commit; False where there is one of this name already, which stays as it is."""
    try:
        with asking(f"make branch {branch}"):
            repository.create_git_ref(f"refs/heads/{branch}", commit)
    except GitHubError as error:
        if error.status == 422 and head_of(repository, branch) is not None:
            return False
        raise
    return True


def move_branch(repository: Repository, branch: str, commit: str) -> bool:
    """Move the branch forward to this commit; False where somebody else moved it in the meantime."""
    try:
        with asking(f"move branch {branch}"):
            found = repository.get_git_ref(f"heads/{branch}")
            found.complete()  # its own address, which is another than the one it is asked for by
            found.edit(commit, force=False)
    except GitHubError as error:
        if error.status in (409, 422):
            return False
        raise
    return True
