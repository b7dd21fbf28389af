"""Telling whoever asked what the retrain came to, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.core.github.client import asking
from pipeline.core.retrain.words import Answer, answer_mark, answer_text, by_hand_title

if TYPE_CHECKING:
    from github.Repository import Repository

LABEL = "retrain"


def answer_issue(repository: Repository, number: int, outcome: str, answer: Answer) -> bool:
    """Comment on the issue, unless it has this answer already; whether it was news. Raises GitHubError."""
    mark = answer_mark(outcome, answer.model)
    with asking(f"answer in issue #{number}"):
        issue = repository.get_issue(number)
        if any(mark in (comment.body or "") for comment in issue.get_comments()):
            return False
        issue.create_comment(answer_text(outcome, answer))
        return True


def issue_in_place_of_a_pull_request(repository: Repository, answer: Answer) -> int:
    """The open issue that carries the compare link; there is one for each model. Raises GitHubError."""
    mark = answer_mark("branch", answer.model)
    with asking("open an issue with the compare link"):
        for issue in repository.get_issues(state="open", labels=[LABEL]):
            if mark in (issue.body or ""):
                return issue.number
        made = repository.create_issue(by_hand_title(answer.model), answer_text("branch", answer), labels=[LABEL])
        return made.number
