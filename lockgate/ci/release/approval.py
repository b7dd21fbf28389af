"""Whether somebody has to approve before a job of an environment begins: asked of GitHub, which alone can make it wait."""

from __future__ import annotations

from github.Repository import Repository

from lockgate.github.client import GitHubError, asking

REVIEWERS = "required_reviewers"


def approval_words(repository: Repository, environment: str) -> str:
    """One sentence for people; where the token may not ask, or nobody had to approve, it says so and how to change it."""
    place = "*Settings → Environments*"
    try:
        with asking(f"read the environment {environment}"):
            rules = repository.get_environment(environment).protection_rules
            required = any(rule.type == REVIEWERS and rule.reviewers for rule in rules)
    except GitHubError:
        return (
            f"Whether the environment `{environment}` has a required reviewer is unknown: GitHub does not tell this token, "
            f"which needs `actions: read`. See {place}."
        )
    if required:
        return f"A required reviewer of the environment `{environment}` approved this."
    return (
        f"**Nobody had to approve this:** the environment `{environment}` has no required reviewer. Add one in {place}, "
        "and releases and rollbacks wait for them."
    )
