"""A retrain's words, with the marks by which it knows its own again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lockgate.github.client import asking
from lockgate.report.environments import markdown_templates
from lockgate.report.facts import ReportFacts
from lockgate.report.markdown import render_markdown

if TYPE_CHECKING:
    from github.Repository import Repository

MAX_CHARACTERS = 65_000


@dataclass(frozen=True)
class Answer:
    """What a retrain came to: the model's digest, the verdict, the run's page, what it made, and why it was called."""

    model: str
    verdict: str
    run: str
    pull: int | None = None
    compare: str = ""
    reason: str = ""


def pull_title(model: str, name: str) -> str:
    """Of the pull request for a model, with its name where the repository has several."""
    return _render("title", model, name)


def pull_body(facts: ReportFacts, model: str, run: str, issue: int | None, reason: str = "") -> str:
    """Of the pull request: where it comes from and why, then the report. Far below GitHub's limit."""
    report, is_new_data = render_markdown(facts), bool(facts.gate and facts.gate.new_data)
    body = f"{_render('body', run, issue, is_new_data, reason)}\n\n{report}\n"
    return f"{body[:MAX_CHARACTERS]}\n{pull_mark(model)}\n"


def commit_message(model: str, name: str, run: str) -> str:
    """Of the one commit."""
    return _render("commit", model, name, run) + "\n"


def answer_text(outcome: str, answer: Answer) -> str:
    """The comment on the issue that asked, or the issue that stands in for a pull request."""
    return f"{_render('answer', outcome, answer)}\n\n{answer_mark(outcome, answer.model)}\n"


def by_hand_title(model: str) -> str:
    """Of the issue that stands in for a pull request."""
    return _render("by_hand_title", model)


def pull_mark(model: str) -> str:
    """In the pull request of this model."""
    return f"<!-- lockgate:retrain {model} -->"


def answer_mark(outcome: str, model: str) -> str:
    """In the answer with this outcome about this model."""
    return f"<!-- lockgate:retrain-answer {outcome} {model} -->"


def _render(name: str, *values: object) -> str:
    macro: Callable[..., str] = getattr(markdown_templates().get_template("retrain.md.j2").module, name)
    return str(macro(*values)).strip()


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
