"""The rolling issue's words, and the mark by which the nightly run of a model knows its own issue again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lockgate.ci.nightly.publish import BROWSER_FILE, NIGHTS_FILE, published_path
from lockgate.config.model_name import suffixed
from lockgate.documents.drift_json import DriftResult
from lockgate.documents.nightly_json import Decision, NightlyRun
from lockgate.report.drift import shown_drift
from lockgate.report.environments import markdown_templates

TEMPLATE = "drift_issue.md.j2"
# The last line, since names from the data stand before it.
MARK = "lockgate:drift-issue"
_MARK = re.compile(rf"^<!-- ({MARK}(?:-[a-z0-9-]+)?)(?: alarm=([0-9a-f]{{64}}))? -->\s*\Z", re.MULTILINE)
_SERVER = re.compile(r"https?://[A-Za-z0-9.:-]+")
_BRANCH = re.compile(r"[A-Za-z0-9._/-]+")


@dataclass(frozen=True)
class Links:
    """Addresses of runs and of the page of nights; none where the server's address is not one, or there is no page."""

    server: str
    repository: str
    branch: str = ""
    name: str = ""

    def run(self, number: int) -> str:
        """The run's page, or nothing."""
        return f"{self.server}/{self.repository}/actions/runs/{number}" if _SERVER.fullmatch(self.server) else ""

    @property
    def page(self) -> str:
        """The page of nights as GitHub shows it, or nothing."""
        return self._published(NIGHTS_FILE)

    @property
    def browser_page(self) -> str:
        """The same as one file for a browser, which GitHub offers for download, or nothing."""
        return self._published(BROWSER_FILE)

    def _published(self, file: str) -> str:
        if not _SERVER.fullmatch(self.server) or not _BRANCH.fullmatch(self.branch):
            return ""
        return f"{self.server}/{self.repository}/blob/{self.branch}/{published_path(file, self.name)}"


def drift_summary(drift: DriftResult) -> str:
    """One measurement by itself: status, rows, and the features that moved most."""
    template = markdown_templates().get_template("drift_summary.md.j2")
    return template.render(drift=shown_drift(drift)).strip() + "\n"


def issue_title(name: str) -> str:
    """The same for every run of the model `name`, so that mail threads and searches hold together."""
    return str(_macro("title")(name)).strip()


def run_text(decision: Decision, drift: DriftResult, runs: Iterable[NightlyRun], links: Links) -> str:
    """Headline, PSI table and the runs, newest first; names and reasons are escaped.

    Far below GitHub's limit of 65,536 characters, since rows are counted and names cut.
    """
    newest_first = sorted(runs, key=lambda run: (run.time, run.run), reverse=True)
    return str(_macro("body")(decision, shown_drift(drift), newest_first, links)).strip() + "\n"


def issue_body(
    decision: Decision, drift: DriftResult, runs: Iterable[NightlyRun], links: Links, name: str, alarm_model: str | None
) -> str:
    """The issue's text: the run's, what to do, and the mark with the model's name and the digest that the alarm is about."""
    text = f"{run_text(decision, drift, runs, links)}\n{str(_macro('what_now')(decision, drift)).strip()}"
    alarm = f" alarm={alarm_model}" if alarm_model else ""
    return f"{text}\n\n<!-- {suffixed(MARK, name)}{alarm} -->\n"


def duplicate_body(number: int) -> str:
    """What is left in an issue that should not have been opened; without the mark, so that nothing finds it again."""
    return str(_macro("duplicate")(number)).strip() + "\n"


def read_mark(body: str | None, name: str) -> tuple[bool, str | None]:
    """Whether the nightly run of the model `name` wrote this body, and the digest that its alarm is about."""
    found = _MARK.search(body or "")
    is_ours = found is not None and found[1] == suffixed(MARK, name)
    return is_ours, found[2] if found and is_ours else None


def _macro(name: str) -> Callable[..., str]:
    macro: Callable[..., str] = getattr(markdown_templates().get_template(TEMPLATE).module, name)
    return macro
