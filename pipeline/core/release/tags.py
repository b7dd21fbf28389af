"""Whether a tag may be released: it is where it was when the run began, and its commit is on the default branch."""

from __future__ import annotations

from github.Repository import Repository

from pipeline.core.common.errors import InputError
from pipeline.core.github.client import asking
from pipeline.core.release.version import ReleaseVersion

ON_BRANCH = ("identical", "behind")
_DEEPEST = 5  # a tag of a tag is legal; a chain longer than this is a mistake


def require_releasable(repository: Repository, version: ReleaseVersion, commit: str, default_branch: str) -> None:
    """Raises InputError unless the tag still names `commit`, and `commit` is the default branch's."""
    now = _tagged_commit(repository, version.tag)
    if now != commit:
        raise InputError(
            f"the tag {version.tag} is at {now[:12]} now, but this run is of {commit[:12]}; "
            "a release's tag never moves: release under a new version"
        )
    with asking(f"compare {commit[:12]} with {default_branch}"):
        status = repository.compare(default_branch, commit).status
    if status not in ON_BRANCH:
        raise InputError(
            f"the tag {version.tag} ({commit[:12]}) is not on {default_branch}, but {status}; "
            f"merge it first, then tag the commit on {default_branch}"
        )


def _tagged_commit(repository: Repository, tag: str) -> str:
    with asking(f"look up the tag {tag}"):
        found = repository.get_git_ref(f"tags/{tag}").object
        for _ in range(_DEEPEST):
            if found.type != "tag":
                return str(found.sha)
            found = repository.get_git_tag(found.sha).object
    raise InputError(f"the tag {tag} names no commit; make it again with `git tag {tag} COMMIT`")
