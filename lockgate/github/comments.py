"""The comments of one pull request (or issue)."""

from __future__ import annotations

from dataclasses import dataclass

from github.Issue import Issue
from github.IssueComment import IssueComment
from github.Repository import Repository

from lockgate.github.client import GitHubError, asking

# What GitHub calls the owner of the token that every job gets; it refuses to tell the token itself.
ACTIONS = "github-actions[bot]"


@dataclass(frozen=True)
class Comment:
    """A comment as GitHub lists it; a pull request's come oldest first."""

    id: int
    login: str
    body: str
    url: str = ""


@dataclass(frozen=True)
class Conversation:
    """Comments as they stand on GitHub. Every method raises GitHubError where GitHub refuses or does not answer."""

    issue: Issue

    def comments(self) -> list[Comment]:
        """All of them, oldest first."""
        with asking(f"list the comments of #{self.issue.number}"):
            return [_comment(found) for found in self.issue.get_comments()]

    def create(self, body: str) -> Comment:
        """A new comment; after a lost answer it may exist nevertheless."""
        with asking(f"comment on #{self.issue.number}"):
            return _comment(self.issue.create_comment(body))

    def update(self, comment: Comment, body: str) -> None:
        """Another body for an existing comment."""
        with asking(f"update comment {comment.id}"):
            self.issue.get_comment(comment.id).edit(body)

    def delete(self, comment: Comment) -> None:
        """Gone for good."""
        with asking(f"delete comment {comment.id}"):
            self.issue.get_comment(comment.id).delete()


def conversation(repository: Repository, number: int) -> Conversation:
    """The comments of pull request or issue `number`; asks nothing yet."""
    return Conversation(repository.get_issue(number))


def token_owner(repository: Repository) -> str:
    """Login of the token's owner. Tokens of Actions and of Apps may not ask, and count as Actions'."""
    try:
        with asking("see whose token this is"):
            _, data = repository.requester.requestJsonAndCheck("GET", "/user")
    except GitHubError as error:
        if error.status != 403:
            raise
        return ACTIONS
    return str(data["login"])


def _comment(found: IssueComment) -> Comment:
    return Comment(found.id, found.user.login if found.user else "ghost", found.body or "", found.html_url)
