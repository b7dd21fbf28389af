"""Annotated tags, and comparing commits, over the bare repository of git_data.py."""

from __future__ import annotations

from typing import Any

from fake_github.areas.git_data import git
from fake_github.call import NOT_FOUND, Answer, Call, operation


@operation("git/get-tag")
def get_tag(call: Call) -> Answer:
    """An annotated tag, and what it names."""
    target = git(call, "rev-parse", "--verify", "--quiet", f"{call.path['tag_sha']}^{{commit}}")
    if target is None:
        return NOT_FOUND
    found: dict[str, Any] = call.description.example("git-tag")
    sha = target.decode().strip()
    target_object = {"type": "commit", "sha": sha, "url": call.repository_url(f"/git/commits/{sha}")}
    return Answer(200, {**found, "sha": call.path["tag_sha"], "object": target_object})


@operation("repos/compare-commits-with-basehead")
def compare(call: Call) -> Answer:
    """How the head lies to the base: identical, behind, ahead or diverged."""
    base, _, head = call.path["basehead"].partition("...")
    commits = [git(call, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}") for name in (base, head)]
    if None in commits:
        return NOT_FOUND
    first, second = (commit.decode().strip() for commit in commits if commit is not None)
    if first == second:
        status = "identical"
    elif git(call, "merge-base", "--is-ancestor", second, first) is not None:
        status = "behind"
    else:
        status = "diverged" if git(call, "merge-base", "--is-ancestor", first, second) is None else "ahead"
    found: dict[str, Any] = call.description.example("commit-comparison")
    return Answer(200, {**found, "status": status, "commits": [], "files": [], "ahead_by": 0, "total_commits": 0})


@operation("repos/get-commit")
def get_commit(call: Call) -> Answer:
    """The commit that a branch, a tag or a SHA names."""
    sha = git(call, "rev-parse", "--verify", "--quiet", f"{call.path['ref']}^{{commit}}")
    if sha is None:
        return NOT_FOUND
    return Answer(200, {**call.example("commit"), "sha": sha.decode().strip(), "files": []})
