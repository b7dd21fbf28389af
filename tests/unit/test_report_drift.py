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
    FeatureEffect,
    LabelDrift,
    MetricDrift,
    MetricInterval,
    ModelDrift,
    PerformanceDrift,
    SegmentDrift,
    Vintage,
)
from lockgate.report.drift import drift_table, effect_words
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
MODEL_DRIFT = ModelDrift(
    method="leaves",
    n_reference=2_909,
    statistic=0.0148,
    expected=0.0071,
    limit=0.0084,
    p_value=1e-9,
    status="warn",
    reason="Rows go otherwise; most at questions about `income`",
    features=("income",),
    unseen="what no tree asks about",
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


@FORMATS
def test_how_rows_go_through_the_model_is_said_and_what_that_does_not_see(render: Render) -> None:
    text = plain(render(facts(model_drift=MODEL_DRIFT)))
    assert re.search(r"Model\W.*Rows go otherwise; most at questions about [`']income[`']", text)
    assert ("Not seen by this: what no tree asks about." in text) == (render is render_html)


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
    model = replace(MODEL_DRIFT, reason=evil, features=(evil,), unseen=evil)
    moved = feature_drift(evil, reason=evil)
    bad = replace(PERFORMANCE, reason=evil)
    estimated = replace(ESTIMATED, assumes=evil)
    text = render(facts(moved, label=label, note=evil, performance=bad, estimated=estimated, model_drift=model))
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


def effect(score: float, error: float = 0.001) -> FeatureEffect:
    return FeatureEffect(
        score=score, score_error=error, favourable=-2 * score, favourable_error=error, events=score / 4
    )


@FORMATS
def test_what_moves_the_score_stands_above_what_moved_further_and_does_nothing(render: Render) -> None:
    text = plain(
        render(
            facts(
                feature_drift("calm", 0.9, "stable"),
                feature_drift("idle", 0.142, "warn", effect=effect(-0.0014)),
                feature_drift("costly", 0.075, "warn", effect=effect(0.02)),
                feature_drift("scored", 0.05, "warn", kind="score"),
            )
        )
    )
    places = [text.index(name) for name in ("scored", "costly", "idle", "calm")]
    assert places == sorted(places)
    said = "mean score +0.020, favourable decisions -4.0 points, events expected among them +0.50 points"
    nothing = "does nothing: mean score and decisions change by no more than chance"
    assert text.index("costly") < text.index(said) < text.index("idle") < text.index(nothing) < text.index("calm")
    assert text.count("mean score +") == 1


def segment(feature: str, value: str = "west", **changes: Any) -> SegmentDrift:
    fields: dict[str, Any] = {
        "column": "region",
        "value": value,
        "feature": feature,
        "rows": 380,
        "share": 0.076,
        "psi": 1.28,
        "psi_elsewhere": 0.003,
        "p_value": 1e-9,
        "error": 1e-5,
        "only": True,
        "status": "alert",
        "reason": "`late` and `asked`: only in `region` = west, 7.6 % of rows; elsewhere stable",
    }
    return SegmentDrift(**{**fields, **changes})


@FORMATS
def test_where_features_moved_is_said_once_for_all_that_moved_there(render: Render) -> None:
    few = segment(
        "income", "north", status="warn", reason="`income`: far more in `region` = north, 4 % of rows, than elsewhere"
    )
    text = plain(render(facts(feature_drift("late"), segments=(segment("late"), segment("asked", status="warn"), few))))
    sentence = "'late' and 'asked': only in 'region' = west, 7.6 % of rows; elsewhere stable"
    assert text.count(sentence) == 1
    assert "alert" in text[text.index(sentence) - 12 : text.index(sentence)]
    other = text.index("'income': far more in 'region' = north")
    assert "warn" in text[other - 12 : other]


def test_of_many_segments_the_comment_shows_a_few() -> None:
    many = tuple(segment(f"x{at}", f"v{at}", reason=f"`x{at}`: only there") for at in range(9))
    text = render_markdown(facts(feature_drift("late"), segments=many))
    assert ("only there" in text, "'x4': only" in text, "'x5': only" in text) == (True, True, False)
    assert "And 4 more, in `drift.json`." in text


def test_the_terminal_says_where_and_what_it_does() -> None:
    lines = drift_table(
        drift_result(
            feature_drift("idle", 0.4, "alert"),
            feature_drift("late", 0.3, "alert", effect=effect(0.03)),
            segments=(segment("late"),),
        )
    )
    assert lines[1] == f"segment: alert, {segment('late').reason}"
    assert lines[2].split()[0] == "late"
    assert lines[2].endswith(
        "mean score +0.030, favourable decisions -6.0 points, events expected among them +0.75 points"
    )
    assert lines[3].split()[0] == "idle"


@pytest.mark.parametrize(
    ("score", "words"), [(0.03, "mean score +0.030"), (0.0, "does nothing: mean score and decisions change")]
)
def test_without_decisions_the_mean_score_alone_is_told(score: float, words: str) -> None:
    assert effect_words(FeatureEffect(score=score, score_error=0.001)).startswith(words)
    assert "favourable" not in effect_words(FeatureEffect(score=score, score_error=0.001))
    assert effect_words(None) == ""
