"""Drift in the report: the note, the label and the model's quality today, in Markdown and HTML."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest

from lockgate.report.facts import ReportFacts
from lockgate.report.markdown import render_markdown
from lockgate.report.plots import render_html

FORMATS = pytest.mark.parametrize("render", [render_markdown, render_html])
Render = Callable[[ReportFacts], str]
MEASURED = {"value": 0.7773, "low": 0.7628, "high": 0.7911}


def facts(**changes: Any) -> ReportFacts:
    return ReportFacts(drift={"status": "warn", "n_reference": 9_000, "n_current": 5_000, "features": [], **changes})


def plain(text: str) -> str:
    """What a reader sees: without tags, entities, joiners and line breaks."""
    body = re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", body)).replace("\u2060", "").split())


@FORMATS
def test_the_estimate_its_assumption_and_the_measured_metrics_are_one_line_each(render: Render) -> None:
    estimated = {
        "n": 5_000,
        "status": "ok",
        "roc_auc": {"value": 0.8, "low": 0.78, "high": 0.82},
        "assumes": "it holds",
    }
    actual = {"n": 4_000, "status": "ok", "roc_auc": MEASURED, "brier": {"value": 0.17, "low": 0.16, "high": 0.18}}
    text = plain(render(facts(estimated=estimated, actual=actual)))
    assert "Estimated without labels: ROC-AUC 0.8000 [0.7800, 0.8200], if it holds." in text
    assert (
        "Measured on 4,000 known labels: ROC-AUC 0.7773 [0.7628, 0.7911], Brier score 0.1700 [0.1600, 0.1800]." in text
    )


@FORMATS
def test_thin_labels_are_said_to_be(render: Render) -> None:
    text = plain(render(facts(actual={"n": 12, "status": "small-class", "roc_auc": MEASURED})))
    assert "0.7911] (hardly any row of one class)." in text


@FORMATS
def test_the_label_and_the_note_are_shown_with_their_words(render: Render) -> None:
    label = {"name": "default", "status": "warn", "reason": "32 % of 5,000 known labels are positive, 22 % before"}
    text = plain(render(facts(label=label, note="the current batch is the test split")))
    assert "32 % of 5,000 known labels are positive, 22 % before" in text
    assert re.search(r"Label `?default", text)
    assert "the current batch is the test split" in text


def test_the_configured_grades_are_the_lines_of_the_chart() -> None:
    bins = [{"label": "(-inf, 1.0]", "expected": 0.4, "actual": 0.6}]
    moved = {"name": "income", "kind": "numeric", "psi": 0.3, "threshold": 0.02, "status": "warn", "bins": bins}
    text = render_markdown(facts(features=[moved], warn=0.15, alert=0.4))
    assert "The lines mark 0.150 (a moderate shift) and 0.400 (a large one)." in text
    assert "Dashed: 0.150 and 0.400." in render_html(facts(features=[moved], warn=0.15, alert=0.4))


@FORMATS
@pytest.mark.parametrize("nothing", [None, 7, "x", [], {}, {"roc_auc": 7}, {"roc_auc": {"value": None}, "n": "many"}])
def test_what_is_absent_or_of_the_wrong_shape_leaves_no_trace(render: Render, nothing: Any) -> None:
    text = plain(render(facts(estimated=nothing, actual=nothing, label=None, note=None)))
    assert not re.search(r"Estimated|Measured|Label|Note:|None", text)


@FORMATS
def test_text_from_the_data_is_escaped(render: Render) -> None:
    evil = "<img src=x onerror=alert(1)>"
    label = {"name": evil, "status": evil, "reason": evil}
    text = render(facts(label=label, note=evil, estimated={"roc_auc": MEASURED, "assumes": evil}))
    assert "<img" not in text.replace("`<img src=x onerror=alert(1)>`", "")  # a code span shows it as it is
