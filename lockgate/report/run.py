"""The run that a report is from: its own conclusion goes before anything that its files say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lockgate.report.verdict import ShownVerdict

Standing = Literal[
    "agrees", "failed-though-pass", "failed-early", "succeeded-though-not-pass", "succeeded-unjudged", "unfinished"
]


@dataclass(frozen=True)
class RunFacts:
    """A finished run, as GitHub knows it and not as its artifact tells it.

    conclusion: `success`, `failure`, `cancelled`, ... url: its page. number, attempt: its id and which try it was.
    commit: the head that it judged. refused: why its report cannot be shown, empty where it can. changed_judges, changed_rows:
    the places that the change it ran for alters although they judge it, or make the rows that it is judged on.
    """

    conclusion: str
    url: str
    number: int
    attempt: int
    commit: str
    refused: str = ""
    changed_judges: tuple[str, ...] = ()
    changed_rows: tuple[str, ...] = ()


def standing(run: RunFacts, verdict: ShownVerdict, inconclusive_passes: bool = False) -> Standing:
    """Whether the run's conclusion and the verdict in its files agree; the headline follows the run."""
    absent = verdict.outcome == "absent"
    if run.conclusion == "success":
        if absent:
            return "succeeded-unjudged"
        passes = verdict.outcome == "pass" or (verdict.outcome == "inconclusive" and inconclusive_passes)
        return "agrees" if passes else "succeeded-though-not-pass"
    if run.conclusion == "failure":
        if absent:
            return "failed-early"
        return "failed-though-pass" if verdict.outcome == "pass" else "agrees"
    return "unfinished"
