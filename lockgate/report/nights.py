"""The page of the nights: what `history.json` and the newest `drift.json` say, in the order of time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lockgate.documents.drift_json import DRIFT_STATUSES, DriftResult
from lockgate.documents.nightly_json import NightlyRun, RetrainRun
from lockgate.documents.text import REASON_LIMIT, clean_reason
from lockgate.report.environments import html_templates, markdown_templates
from lockgate.report.night_drawings import (
    NARROW,
    NARROW_NIGHTS,
    WIDE,
    Picture,
    performance_picture,
    psi_picture,
)

PICTURES = ("nights-performance.svg", "nights-psi.svg")
NO_PICTURE = b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"><title>Nothing is known yet</title></svg>\n'


@dataclass(frozen=True)
class Alarm:
    """Nights of an alarm, from the first to the one that was clear: `ended` is None while it lasts.

    `worst` is the first of its gravest nights, `retrains` were started meanwhile; `new_model` is the digest of the model that came
    in its time, if one did.
    """

    began: NightlyRun
    worst: NightlyRun
    nights: int = 1
    ended: datetime | None = None
    retrains: tuple[RetrainRun, ...] = ()
    new_model: str = ""

    @property
    def fact(self) -> str:
        """What was found in the gravest night, as a line."""
        return clean_reason(self.worst.fact, REASON_LIMIT)


@dataclass(frozen=True)
class NightsView:
    """What both forms of the page say; `alarms` and `newest_first` begin with the newest."""

    name: str
    newest: NightlyRun
    newest_first: tuple[NightlyRun, ...]
    alarms: tuple[Alarm, ...]
    drift: DriftResult

    @property
    def fact(self) -> str:
        """The gravest fact of the newest night, as a line."""
        return clean_reason(self.newest.fact, REASON_LIMIT)

    @property
    def last_measured(self) -> NightlyRun | None:
        """The newest night whose labels show how well the model does."""
        return next((run for run in self.newest_first if run.is_performance_known), None)


def nights_files(
    runs: Sequence[NightlyRun], drift: DriftResult, run_address: Callable[[int], str], name: str = ""
) -> Mapping[str, bytes]:
    """The page in both forms with its pictures, by their files' names.

    `runs` are in order of time and not empty, `drift` is the newest result, whose months of decisions are shown; `run_address` is
    where a run's page is, or nothing. Equal runs give equal bytes.
    """
    view = NightsView(name, runs[-1], tuple(reversed(runs)), tuple(reversed(find_alarms(runs))), drift)
    drawn: dict[str, tuple[Picture | None, Picture | None]] = {
        "performance": (performance_picture(runs[-NARROW_NIGHTS:], NARROW), performance_picture(runs, WIDE)),
        "psi": (psi_picture(runs[-NARROW_NIGHTS:], NARROW), psi_picture(runs, WIDE)),
    }
    html = html_templates().get_template("nights.html.j2").render(view=view, pictures=drawn, address=run_address)
    markdown = markdown_templates().get_template("nights.md.j2").render(view=view, pictures=drawn, run=run_address)
    alone = (wide.standalone if wide else NO_PICTURE for _, wide in drawn.values())
    return {
        "nights.html": html.encode(),
        "nights.md": (markdown.strip() + "\n").encode(),
        **dict(zip(PICTURES, alone, strict=True)),
    }


def find_alarms(runs: Sequence[NightlyRun]) -> list[Alarm]:
    """The alarms in `runs`, which are in order of time: each goes on until a night is clear."""
    found: list[Alarm] = []
    for before, run in zip([None, *runs], runs, strict=False):
        if not found or found[-1].ended is not None:
            if run.state == "alarm":
                found.append(Alarm(run, run))
            continue
        last = found[-1]
        is_clear = run.state == "clear"
        is_new = before is not None and before.model != run.model
        found[-1] = replace(
            last,
            worst=max(last.worst, run, key=_gravity),  # the first of equal ones
            nights=last.nights + (not is_clear),
            ended=run.time if is_clear else None,
            retrains=(*last.retrains, *run.retrains),
            new_model=run.model if is_new else last.new_model,
        )
    return found


def _gravity(run: NightlyRun) -> tuple[bool, int]:
    """What labels show before everything else, as in an issue."""
    return run.measured is not None and run.measured.status == "alert", DRIFT_STATUSES.index(run.status)
