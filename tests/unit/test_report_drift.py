"""Drift in the report: the note, the label and the model's quality today, in Markdown and HTML."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from drift_results import MEASURED, drift_result, feature_drift
from msgspec.structs import replace

from lockgate.documents.drift_json import (
    EstimatedPerformance,
    FeatureDrift,
    LabelDrift,
    MetricDrift,
    MetricInterval,
    PerformanceDrift,
    Vintage,
)
from lockgate.report.facts import ReportFacts
from lockgate.report.markdown import render_markdown
from lockgate.report.report import render_html

FORMATS = pytest.mark.parametrize("render", [render_markdown, render_html])
Render = Callable[[ReportFacts], str]
ESTIMATED = EstimatedPerformance(
    n=5_000,
    expected_positives=1_100.0,
    confidence=0.95,
    evidence="ok",
    roc_auc=MetricInterval(0.8, 0.78, 0.82),
    brier=MetricInterval(None, None, None),
    assumes="it holds",
)
RANKING = MetricDrift(
    metric="roc_auc",
    value=MEASURED.value,
    low=MEASURED.low,
    high=MEASURED.high,
    threshold=0.8,
    reference=0.81,
    change=-0.0327,
    change_low=-0.05,
    change_high=-0.01,
    p_value=0.0002,
    expected=0.805,
    p_expected=0.001,
    error=0.0016,
    status="alert",
    rule="both",
    reason="The model no longer ranks: `so` it is",
)
PERFORMANCE = PerformanceDrift(
    n=4_000, positives=900, confidence=0.95, status="alert", reason=RANKING.reason, metrics=(RANKING,)
)
LABEL = LabelDrift(
    name="default",
    status="warn",
    rule="rate",
    reason="32 % of 5,000 known labels are positive, 22 % before",
    p_value=0.0,
    error=0.002,
    confidence=0.95,
    reference=None,
    current=None,
)


def facts(*features: FeatureDrift, **changes: Any) -> ReportFacts:
    return ReportFacts(drift=drift_result(*features, status="warn", **changes))


def plain(text: str) -> str:
    """What a reader sees: without tags, entities, joiners and line breaks."""
    body = re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", body)).replace("\u2060", "").split())


@FORMATS
def test_the_estimate_its_assumption_and_the_measured_metrics_are_one_line_each(render: Render) -> None:
    text = plain(render(facts(estimated=ESTIMATED, performance=PERFORMANCE)))
    assert "Estimated without labels: ROC-AUC 0.8000 [0.7800, 0.8200], if it holds." in text
    reason, numbers = (
        "The model no longer ranks: 'so' it is",
        r"0\.7773 \[0\.7628, 0\.7911\].*0\.8100.*0\.8050.*0\.8000.*alert",
    )
    assert text.index(reason) < text.index("Estimated without labels")
    assert re.search(numbers, text)


@FORMATS
def test_an_estimate_that_warns_or_is_refuted_says_why(render: Render) -> None:
    warned = replace(ESTIMATED, status="warn", reason="estimated at 0.6")
    assert re.search(r"warn\W+estimated at 0\.6\.", plain(render(facts(estimated=warned))))
    refuted = replace(ESTIMATED, refuted=True, reason="refuted: it is 0.6")
    text = plain(render(facts(estimated=refuted)))
    assert "ROC-AUC 0.8000 [0.7800, 0.8200]; refuted: it is 0.6." in text
    assert "it holds" not in text


@FORMATS
def test_an_estimate_from_hardly_any_row_of_a_class_is_said_to_be(render: Render) -> None:
    text = plain(render(facts(estimated=replace(ESTIMATED, evidence="small-class"))))
    assert "0.8200] (hardly any row of one class), if it holds." in text


@FORMATS
def test_labels_of_one_class_have_a_sentence_and_no_table(render: Render) -> None:
    text = plain(render(facts(performance=replace(PERFORMANCE, reason="all of one class", metrics=()))))
    assert "all of one class" in text
    assert "Expected of these rows" not in text


@FORMATS
def test_the_label_and_the_note_are_shown_with_their_words(render: Render) -> None:
    text = plain(render(facts(label=LABEL, note="the current batch is the test split")))
    assert "32 % of 5,000 known labels are positive, 22 % before" in text
    assert re.search(r"Label `?default", text)
    assert "the current batch is the test split" in text


def test_the_configured_grades_are_the_lines_of_the_chart() -> None:
    moved = feature_drift("income", 0.3, "warn")
    text = render_markdown(facts(moved, warn=0.15, alert=0.4))
    assert "The lines mark 0.150 (a moderate shift) and 0.400 (a large one)." in text
    assert "Dashed: 0.150 and 0.400." in render_html(facts(moved, warn=0.15, alert=0.4))


@FORMATS
def test_what_was_not_measured_leaves_no_trace(render: Render) -> None:
    undefined = MetricInterval(None, None, None)
    nothing = replace(ESTIMATED, roc_auc=undefined, brier=undefined)
    for estimated in (None, nothing):
        text = plain(render(facts(estimated=estimated)))
        assert not re.search(r"Estimated|Performance:|Label|Note:|None", text)


@FORMATS
def test_text_from_the_data_is_escaped(render: Render) -> None:
    evil = "<img src=x onerror=alert(1)>"
    label = replace(LABEL, name=evil, reason=evil)
    moved = feature_drift(evil, reason=evil)
    bad = replace(PERFORMANCE, reason=evil)
    text = render(facts(moved, label=label, note=evil, performance=bad, estimated=replace(ESTIMATED, assumes=evil)))
    assert "<img" not in text.replace("`<img src=x onerror=alert(1)>`", "")  # a code span shows it as it is


@FORMATS
def test_months_of_decisions_have_their_numbers_or_say_why_not(render: Render) -> None:
    undefined = MetricInterval(None, None, None)
    old = Vintage(
        month="2026-03",
        decisions=1_300,
        matured=1_300,
        known=1_200,
        missing=100,
        events=300,
        expected_rate=0.21,
        roc_auc=MEASURED,
        brier=undefined,
        mature_on="2026-06-29",
        evidence="ok",
        status="warn",
        reason="The model ranks worse than it did",
    )
    young = replace(
        old, month="2026-08", matured=0, known=0, missing=0, events=0, expected_rate=None, roc_auc=undefined
    )
    young = replace(
        young, evidence="immature", status="insufficient-data", reason="nothing can be said before 2026-10-30"
    )
    text = plain(render(facts(vintages=(old, young), selection="known of favourable decisions alone")))
    assert re.search(r"2026-03.*1,300.*1,200.*25\.0 ?%.*0\.7773 \[0\.7628, 0\.7911\].*warn", text)
    assert re.search(r"2026-08.*1,300.*nothing can be said before 2026-10-30|2026-08.*nothing can be said.*1,300", text)
    assert "known of favourable decisions alone" in text
