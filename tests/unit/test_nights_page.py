"""The page of the nights: what it shows of a history, what it leaves out, and that it is one file that asks for nothing."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import pytest
from drift_results import drift_result, feature_drift
from msgspec.structs import replace

from lockgate.documents.drift_json import MetricInterval, Vintage
from lockgate.documents.nightly_json import (
    NightFeature,
    NightlyRun,
    NightMetric,
    NightPerformance,
    RetrainRun,
)
from lockgate.report.night_drawings import NARROW, WIDE, performance_picture, psi_picture
from lockgate.report.nights import find_alarms, nights_files

START = datetime(2026, 9, 1, 3, 17, tzinfo=UTC)
DRIFT = drift_result(feature_drift("income", 0.01, "stable"), status="stable")
NUMBER = re.compile(r'(?:x|y|cx|cy|x1|y1|x2|y2|width|height)="(-?[\d.]+)"')


def performance(value: float, status: Any = "stable", threshold: float | None = 0.7) -> NightPerformance:
    metric = NightMetric(value, value - 0.02, value + 0.02, threshold)
    return NightPerformance(status=status, n=1_200, roc_auc=metric, brier=NightMetric(0.12))


def a_night(run: int, state: Any = "clear", **changes: Any) -> NightlyRun:
    features = (NightFeature("score", 0.002, "stable"), NightFeature("income", 0.004, "stable"))
    base = NightlyRun(
        run=run, attempt=1, time=START + timedelta(days=run), model="a" * 64, status="stable", rows=5_000, moved=0,
        worst="income", psi=0.004, estimated=performance(0.78, threshold=None), features=features, state=state,
    )  # fmt: skip
    return replace(base, **changes)


def nights(letters: str) -> list[NightlyRun]:
    """A night a letter: Alarm, Watching, Clear, Unknown; small for another model."""
    states = {"A": "alarm", "W": "watching", "C": "clear", "U": "unknown"}
    return [
        a_night(run, states[letter.upper()], model=("b" if letter.islower() else "a") * 64, fact=f"fact {run}")
        for run, letter in enumerate(letters)
    ]


def page(runs: list[NightlyRun], **changes: Any) -> dict[str, str]:
    files = nights_files(runs, replace(DRIFT, **changes), lambda run: f"https://github.com/o/r/actions/runs/{run}")
    return {name: content.decode() for name, content in files.items()}


@pytest.mark.parametrize(
    ("letters", "alarms"),
    [
        ("CCC", []),
        ("CWA", [(2, 1, None)]),
        ("AAC", [(0, 2, 2)]),
        ("AWUAC", [(0, 4, 4)]),
        ("ACAAC", [(0, 1, 1), (2, 2, 4)]),
        ("AAaac", [(0, 4, 4)]),
    ],
)
def test_an_alarm_goes_on_until_a_night_is_clear(letters: str, alarms: list[tuple[int, int, int | None]]) -> None:
    runs = nights(letters)
    found = find_alarms(runs)

    assert [(alarm.began.run, alarm.nights, alarm.ended) for alarm in found] == [
        (began, length, None if ended is None else runs[ended].time) for began, length, ended in alarms
    ]


def test_an_alarm_names_its_fact_its_retrains_and_the_model_that_came() -> None:
    runs = nights("CAAaac")
    retrain = RetrainRun(77, runs[3].time - timedelta(hours=2), "success")
    runs[3] = replace(runs[3], retrains=(retrain,))
    runs[0] = replace(runs[0], retrains=(RetrainRun(66, runs[0].time, "failure"),))
    (alarm,) = find_alarms(runs)

    assert (alarm.fact, alarm.retrains, alarm.new_model) == ("fact 1", (retrain,), "b" * 64)
    for text in (page(runs)["nights.html"], page(runs)["nights.md"]):
        assert "fact 1" in text
        assert "actions/runs/77" in text
        assert "b" * 12 in text
    assert "success" in page(runs)["nights.html"]


def test_an_alarm_says_what_its_gravest_night_found() -> None:
    runs = nights("CAAAC")
    runs[2] = replace(runs[2], status="alert", measured=performance(0.577, "alert"))
    runs[3] = replace(runs[3], status="alert")
    assert [alarm.fact for alarm in find_alarms(runs)] == ["fact 2"]
    assert [alarm.fact for alarm in find_alarms([*runs[:2], runs[3], runs[4]])] == ["fact 3"]


def test_the_page_leads_with_the_newest_night_and_names_the_last_measured_one() -> None:
    runs = nights("CA")
    runs[0] = replace(runs[0], measured=performance(0.5771, "alert"))
    html = page(runs)["nights.html"]

    assert "<h1>Alarm</h1>\n<p>fact 1</p>" in html
    assert "ROC-AUC, measured 2026-09-01</dt><dd>0.5771" in html
    assert html.index("2026-09-02 03:17<") < html.index("2026-09-01 03:17<")


def test_months_of_decisions_stand_on_the_page_with_what_can_be_said_of_them() -> None:
    months = [
        Vintage(
            month=f"2026-0{at}", decisions=4_000, matured=4_000 if at < 8 else 0, known=3_900 if at < 8 else 0,
            missing=100 if at < 8 else 0, events=780 if at < 8 else 0, expected_rate=0.105 if at < 8 else None,
            roc_auc=MetricInterval(0.66, 0.63, 0.69) if at < 8 else MetricInterval(None, None, None),
            brier=MetricInterval(None, None, None), mature_on="2026-11-29", evidence="ok" if at < 8 else "immature",
            status="alert" if at < 8 else "insufficient-data",
            reason="" if at < 8 else "nothing can be said before 2026-11-29",
        )
        for at in (7, 8)
    ]  # fmt: skip
    found = page(nights("C"), vintages=tuple(months), selection="only approved applicants have outcomes")
    for text in (found["nights.html"], found["nights.md"]):
        assert "nothing can be said before 2026-11-29" in text
        assert "20.0" in text  # of events, where 10.5 % were expected
        assert "0.6600" in text
        assert "only approved applicants have outcomes" in text
    assert "Months of decisions" not in page(nights("C"))["nights.html"]


def test_the_page_is_one_file_that_asks_for_nothing_and_runs_nothing() -> None:
    html = page(nights("CAAC"))["nights.html"]

    assert "default-src 'none'" in html
    assert not re.search(r"<script|<link|<img|@import|url\(|src=", html)
    assert set(re.findall(r'href="([^"]+)"', html)) == {
        f"https://github.com/o/r/actions/runs/{run}" for run in range(4)
    }
    assert page(nights("CAAC"))["nights.html"] == html


def test_pictures_stand_alone_in_light_and_dark() -> None:
    found = page(nights("CAAC"))
    for name in ("nights-performance.svg", "nights-psi.svg"):
        root = ElementTree.fromstring(found[name])  # noqa: S314
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "prefers-color-scheme: dark" in found[name]
        assert f"]({name})" in found["nights.md"]


@pytest.mark.parametrize("width", [NARROW, WIDE])
@pytest.mark.parametrize("count", [1, 2, 45, 400])
def test_everything_that_is_drawn_is_inside_of_the_picture(width: int, count: int) -> None:
    runs = [
        a_night(
            run,
            "alarm" if run % 3 == 0 else "clear",
            measured=performance(0.55 + 0.4 * (run % 7) / 7, "warn") if run % 2 else None,
            estimated=performance(0.78, threshold=None) if run % 5 else None,
            features=tuple(NightFeature(f"a feature with the number {at}", 0.1 * at, "warn") for at in range(30)),
        )
        for run in range(1, count + 1)
    ]
    for picture in (performance_picture(runs, width), psi_picture(runs, width)):
        assert picture is not None
        positions = [float(value) for value in NUMBER.findall(picture.body)]
        assert min(positions) >= -1
        assert max(positions) <= max(picture.width, picture.height)


def test_a_night_without_labels_has_no_point_and_one_without_an_estimate_parts_the_band() -> None:
    runs = [a_night(run) for run in range(7)]
    runs[2] = replace(runs[2], estimated=None, measured=performance(0.6, "alert"))
    drawn = str(getattr(performance_picture(runs, WIDE), "body", ""))

    assert drawn.count("measured 0.6000 [0.5800, 0.6200] on 1,200 labels, alert") == 1
    assert (
        drawn.count('stroke="var(--series-2)" stroke-width="1.6" opacity="1"') == 2
    )  # the two stretches of the estimate
    assert drawn.count('stroke-dasharray="4 3"') == 1  # the floor, from the night on that names one


def test_what_is_not_known_is_not_drawn() -> None:
    bare = [a_night(run, estimated=None, features=()) for run in range(3)]

    assert performance_picture(bare, WIDE) is None
    assert psi_picture(bare, WIDE) is None
    found = page(bare)
    assert "No night knows any performance" in found["nights.html"]
    assert "No night has a feature" in found["nights.md"]
    ElementTree.fromstring(found["nights-psi.svg"])  # noqa: S314 -- a picture of before must not stay


def test_the_worst_features_come_first_and_a_cell_says_what_it_is() -> None:
    runs = [
        a_night(run, features=(NightFeature("age", 0.01, "stable"), NightFeature("income", 0.4 * run, "alert")))
        for run in range(2)
    ]
    drawn = str(getattr(psi_picture(runs, WIDE), "body", ""))

    assert drawn.index(">income<") < drawn.index(">age<")
    assert "income, 2026-09-02: PSI 0.400, alert" in drawn
