"""Tags of a model's releases, `model-` and a semantic version, and which of an image's moving tags follow one."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import total_ordering

from github.Repository import Repository

from lockgate.config.errors import InputError
from lockgate.config.model_name import require_name, tag_prefix
from lockgate.github.client import asking

STABLE = "stable"
_NUMBER = r"(0|[1-9]\d{0,8})"
_IDENTIFIER = r"(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)"
_TAG = re.compile(rf"model-(?:([a-z0-9-]+)-)?v{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?")
_MAX_LENGTH = 100  # a registry takes tags of 128 characters


@total_ordering
@dataclass(frozen=True)
class ReleaseVersion:
    """A semantic version of a model, without build metadata, ordered as semver.org's item 11 says.

    `model` is its name where a repository has several; versions of different models are not compared.
    """

    major: int
    minor: int
    patch: int
    prerelease: str = ""
    model: str = ""

    @property
    def tag(self) -> str:
        """The tag in git and on GitHub: `model-v1.2.3`, or `model-NAME-v1.2.3`."""
        return f"{tag_prefix(self.model)}{self.image_tag}"

    @property
    def image_tag(self) -> str:
        """The tag of its image, which has a repository of its own: `v1.2.3`."""
        return f"{self.line}.{self.patch}" + (f"-{self.prerelease}" if self.prerelease else "")

    @property
    def line(self) -> str:
        """The image's moving tag of the newest patch: `v1.2`."""
        return f"v{self.major}.{self.minor}"

    def __lt__(self, other: ReleaseVersion) -> bool:
        return self._precedence() < other._precedence()

    def _precedence(self) -> tuple[int, int, int, bool, list[tuple[bool, int, str]]]:
        identifiers = self.prerelease.split(".") if self.prerelease else []
        order = [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in identifiers]
        return self.major, self.minor, self.patch, not identifiers, order


def parse_tag(tag: str) -> ReleaseVersion:
    """The version of a git tag such as `model-v1.2.3`, `model-v1.2.3-rc.1` or `model-credit-cards-v1.2.3`.

    Raises InputError for anything else, build metadata (`+...`) included, which a registry's tag cannot hold.
    """
    found = _TAG.fullmatch(tag) if len(tag) <= _MAX_LENGTH else None
    if found is None:
        raise InputError(
            f"the tag {tag[:_MAX_LENGTH]!r} is not model- and a semantic version; name it like model-v1.2.3 or "
            "model-v1.2.3-rc.1, or with a model's name like model-credit-cards-v1.2.3"
        )
    name, major, minor, patch, prerelease = found.groups()
    model = require_name(name or "", f"the name in the tag {tag}")
    return ReleaseVersion(int(major), int(minor), int(patch), prerelease or "", model)


def parse_tag_of(model: str, tag: str) -> ReleaseVersion:
    """The version of a tag of the model with this name; raises InputError where it is another's, or no name at all."""
    version = parse_tag(tag)
    if version.model != require_name(model):
        raise InputError(
            f"the tag {tag} is of the model {version.model!r}, but `name` is {model!r}; give the name that stands in the tag, "
            "or tag again"
        )
    return version


def moving_tags(
    version: ReleaseVersion, published: Collection[ReleaseVersion], stable: ReleaseVersion | None
) -> tuple[str, ...]:
    """The image's moving tags that `version` takes: its line, and `stable`.

    `stable` is the version in production now. A version that is published already takes none, so that running its
    release again undoes no rollback; a prerelease never does; an older patch does not take a tag from a newer one.
    """
    if version.prerelease or version in published:
        return ()
    newer_patch = any(one.line == version.line and not one.prerelease and one > version for one in published)
    line = () if newer_patch else (version.line,)
    return line if stable is not None and stable > version else (*line, STABLE)


def previous_version(
    version: ReleaseVersion, published: Collection[ReleaseVersion], stable: ReleaseVersion | None
) -> ReleaseVersion | None:
    """The release whose model is `version`'s champion: the one in production if older, else the newest older one.

    The same when a release runs again after it is in production itself. None where there is no older release.
    """
    if stable is not None and stable < version:
        return stable
    return max((one for one in published if one < version and not one.prerelease), default=None)


ON_BRANCH = ("identical", "behind")
_MAX_DEPTH = 5  # a tag of a tag is legal; a chain longer than this is a mistake


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
        for _ in range(_MAX_DEPTH):
            if found.type != "tag":
                return str(found.sha)
            found = repository.get_git_tag(found.sha).object
    raise InputError(f"the tag {tag} names no commit; make it again with `git tag {tag} COMMIT`")
