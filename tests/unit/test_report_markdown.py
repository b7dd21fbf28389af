"""The comment on a pull request: verdict first, honest, short, and nothing in it obeys the data."""

from __future__ import annotations

import html
import re
from dataclasses import fields, replace
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest
from drift_results import drift_result, feature_drift
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from verdicts import DIGEST, FAIRNESS, check, described_schema, training, verdict

from lockgate.ci.retrain.issue import pull_body
from lockgate.documents.curves_json import Curves
from lockgate.documents.drift_json import DriftResult, FeatureDrift
from lockgate.documents.gate_json import AcceptedException, NewData, ThresholdRow
from lockgate.documents.policy_json import PolicyChange, PolicyDifference
from lockgate.documents.train_json import Round
from lockgate.report.facts import ReportFacts
from lockgate.report.markdown import BYTE_LIMIT, render_markdown
from lockgate.report.policy import show_policy
from lockgate.report.report import render_html

HOSTILE = st.one_of(
    st.text(max_size=40),
    st.text(alphabet="|`\\*_[]()<>&~$#@:!.-{}\"' \n\r\t\u202e\u2066\u200b\x00aw1/", max_size=40),
    st.sampled_from(
        [
            "<script>alert(1)</script>",
            "</details></td></table><img src=x onerror=alert(1)>",
            "[x](http://evil.example)",
            "![x](//evil.example/x.png)",
            "@octocat @org/team",
            "#12 GH-12 owner/repo#3",
            "http://evil.example www.evil.example a@b.example",
            "a\\|b\\",
            "```\n# x",
            "x" * 5000,
        ]
    ),
)


def drift(*features: FeatureDrift, status: str = "stable", **changes: Any) -> DriftResult:
    return drift_result(*features, status=status, **{"model": DIGEST, **changes})


THRESHOLDS = (
    ThresholdRow(0.1, 0.3, 0.36, 0.95, 0.9),
    ThresholdRow(0.25, 0.7, 0.5, 0.7, 0.61),
    ThresholdRow(0.9, 1.0, None, 0.0, 2.2),
)


def everything(name: str = "income", reason: str = "so it is") -> ReportFacts:
    """Facts of every kind, with `name` and `reason` wherever text comes from outside."""
    named = check("block", name=name, slice=name, reason=reason, value=None)
    return ReportFacts(
        gate=verdict("block", check(), named, thresholds=THRESHOLDS),
        contributions={name: 0.4, f"{name}2": 0.0},
        metrics={"roc_auc": 0.78, "brier": 0.14, f"~{name}": 0.5, "n": 5000, "positives": 1103},
        drift=drift(*(feature_drift(name, 0.3 - at / 100, "alert", reason=reason) for at in range(8)), status="alert"),
        train=training(name, reason),
        schema=described_schema(name, reason),
        training_data="d4" * 32,
        params="e5" * 32,
    )


def test_an_exception_to_the_policy_stands_under_the_headline_of_comment_and_page() -> None:
    accepted = AcceptedException("<b>the</b> bureau changed its score", "the committee", "2026-12-31")
    facts = ReportFacts(gate=verdict("block", check("block"), exception=accepted))
    said = "approved by the committee until 2026-12-31: "
    headline, note, *_ = [line for line in render_markdown(facts).splitlines() if line]
    assert headline.startswith("## ❌ Gate blocked")
    assert note.startswith(f"> **An exception to the policy judged this model**, {said}")
    assert "<b>" not in note
    assert f"judged this model</strong>, {said}&lt;b&gt;the&lt;/b&gt; bureau" in render_html(facts)
    assert "exception" not in render_markdown(ReportFacts(gate=verdict("block", check("block"))))


@pytest.mark.parametrize(
    ("stated", "rule", "headline"),
    [
        ("pass", "thresholds", "## ✅ Gate passed: all 4 checks hold, by the thresholds alone on data defined anew"),
        ("block", "block", "## ❌ Gate blocked: ROC-AUC 0.7800, must be ≥ 0.7000 (on data defined anew)"),
    ],
)
def test_data_defined_anew_are_announced_in_the_headline_and_explained(stated: str, rule: str, headline: str) -> None:
    new_data = NewData(DIGEST, "c3" * 32, True, ("the target is `<b>`, the champion's was `default`",))
    facts = ReportFacts(gate=verdict(stated, check(stated), new_data=new_data, new_data_rule=rule))
    first, note, *_ = [line for line in render_markdown(facts).splitlines() if line]
    assert first == headline
    assert note.startswith("> **The data are defined anew**, so no champion is comparable: the target is '")
    assert "<b>" not in note
    assert "<strong>The data are defined anew</strong>" in render_html(facts)
    assert "anew" not in render_markdown(ReportFacts(gate=verdict("pass", check())))


def test_a_retrains_pull_request_says_against_what_its_model_passed() -> None:
    new_data = NewData(DIGEST, "c3" * 32, True, ("the target is `bad`",))
    for facts, words in (
        (ReportFacts(gate=verdict("pass", check())), "against the default branch's policy and model in [this run]"),
        (
            ReportFacts(gate=verdict("pass", check(), new_data=new_data, new_data_rule="thresholds")),
            "by the thresholds of the default branch's policy alone, as the data are defined anew, in [this run]",
        ),
    ):
        body = pull_body(facts, DIGEST, "https://github.com/o/r/actions/runs/7", None)
        assert f"A retrained model, which passed the gate {words}" in body


@pytest.mark.parametrize(
    ("base", "head", "effect"),
    [(None, "thresholds", "loosens"), ("thresholds", "block", "tightens"), ("block", None, "changes")],
)
def test_letting_thresholds_decide_on_new_data_is_looser(base: str | None, head: str | None, effect: str) -> None:
    change = PolicyChange("gate.champion.new_data", base, head, base, "policy")
    shown = show_policy(PolicyDifference(changed=True, first=False, changes=(change,)))
    assert [one.effect for one in shown.judging] == [effect]


def test_other_thresholds_are_shown_with_what_they_come_to() -> None:
    text = render_markdown(everything())
    assert "Other thresholds: approval rate, precision and recall, cost" in text
    assert "| **0.25**, the model's | 70.0\u00a0% | 50.0\u00a0% | 70.0\u00a0% | 0.61 |" in text
    assert "| 0.9 | 100.0\u00a0% | n/a | 0.0\u00a0% | 2.2 |" in text
    free = tuple(msgspec.structs.replace(row, cost=None) for row in THRESHOLDS)
    text = render_markdown(ReportFacts(gate=verdict("pass", check(), thresholds=free)))
    assert "Other thresholds: approval rate, precision and recall</summary>" in text
    assert "| Threshold | Approved | Precision | Recall |\n" in text


def test_what_moves_the_score_is_shown() -> None:
    assert "| Feature | Mean absolute contribution to the log-odds (SHAP) |" in render_markdown(everything())
    assert "| `income` | 0.400 |" in render_markdown(everything())
    assert "<h3>What moves the score</h3>" in render_html(everything())


def test_a_training_that_ended_too_early_is_announced() -> None:
    history = tuple(Round(at, 0.6, 0.7 - at / 100) for at in range(1, 10))
    too_early = msgspec.structs.replace(training(), history=history, best_iteration=8)
    assert "stopped by 3,000 validation rows at round 7 of 9" in render_markdown(ReportFacts(train=training()))
    text = render_markdown(ReportFacts(train=too_early))
    assert "⚠️ The last of 9 rounds was the best on 3,000 validation rows: the loss still fell" in text
    assert "stopped by" not in text
    assert "The last of 9 rounds was the best" in render_html(ReportFacts(train=too_early))


class Reader(HTMLParser):
    """Counts the cells of each row, and the tags."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.tables: list[list[int]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append(0)
        elif tag in {"td", "th"}:
            self.tables[-1][-1] += 1


def read(markdown: str) -> Reader:
    reader = Reader()
    reader.feed(MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(markdown))
    return reader


PLAIN = render_markdown(everything())


@example("-", "")
@example("1)", "+ x")
@example("2. x", "##")
@example("--- ", "===")
@given(name=HOSTILE, reason=HOSTILE)
def test_hostile_text_neither_breaks_a_table_nor_formats_anything(name: str, reason: str) -> None:
    plain, hostile = read(PLAIN), read(render_markdown(everything(name, reason)))

    structure = [[len(rows), *rows] for rows in plain.tables]
    assert [[len(rows), *rows] for rows in hostile.tables] == structure
    assert set(hostile.tags) <= set(plain.tags) | {
        "span"
    }  # <span>$</span> is how a dollar sign is kept from being mathematics
    for tag in ("h2", "h3", "details", "strong", "pre", "ul", "blockquote"):
        assert hostile.tags.count(tag) == plain.tags.count(tag), tag


@given(name=HOSTILE, reason=HOSTILE)
def test_hostile_text_has_nothing_that_github_links_or_notifies(name: str, reason: str) -> None:
    outside_code = re.sub(
        r"`[^`\n]+`", "", re.sub(r"```.*?```", "", render_markdown(everything(name, reason)), flags=re.DOTALL)
    )

    assert not re.search(r"@[a-z0-9]|#[0-9](?![0-9]*;)|\bgh-[0-9]|www\.|:/|:\w+:", outside_code, re.IGNORECASE)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b-\u200f\x00-\x09\x0b-\x1f]", outside_code)


@given(names=st.lists(HOSTILE, min_size=1, max_size=12))
def test_no_name_leaves_its_label_in_the_chart(names: list[str]) -> None:
    text = render_markdown(ReportFacts(drift=drift(*(feature_drift(name, 0.1, "stable") for name in names))))

    chart = text.split("```mermaid\n")[1].split("```")[0].splitlines()
    labels = re.fullmatch(r'  x-axis \[("[\w .…-]+"(?:, "[\w .…-]+")*)\]', chart[2])
    assert labels, chart[2]
    shown = re.findall(r'"([^"]+)"', labels[1])
    assert len(shown) == len(set(shown)) == len(names)
    assert len(chart) == 7


@pytest.mark.parametrize(
    ("facts", "headline"),
    [
        (ReportFacts(), "## ⚪ No verdict: the gate has not run"),
        (ReportFacts(gate=verdict("pass", check())), "## ✅ Gate passed: all 4 checks hold"),
        (
            ReportFacts(gate=verdict("pass", check(), FAIRNESS)),
            "## ✅ Gate passed: 4 of 5 checks hold, the others do not block",
        ),
        (
            ReportFacts(gate=verdict("block", check(), check("block", value=0.6512345))),
            "## ❌ Gate blocked: ROC-AUC 0.6512, must be ≥ 0.7000",
        ),
        (
            ReportFacts(gate=verdict("block", check("block", value=None, reason="the metric is not a number"))),
            "## ❌ Gate blocked: ROC-AUC: the metric is not a number",
        ),
        (
            ReportFacts(gate=verdict("inconclusive", check("inconclusive", low=0.69), decide_on="bound")),
            "## ❔ Gate inconclusive: ROC-AUC 0.7800, must be ≥ 0.7000",
        ),
        (
            ReportFacts(gate=verdict("pass")),
            "## ❌ No verdict is believed: it says pass, but holds no check that could decide and passed",
        ),
        (
            ReportFacts(gate=verdict("pass", check("not-applicable"))),
            "## ❌ No verdict is believed: its check 'roc&#95;auc floor' says not-applicable with numbers that do not",
        ),
        (
            ReportFacts(gate=verdict("pass", check(), check("block", value=0.6))),
            "## ❌ No verdict is believed: it says pass beside the check 'roc&#95;auc floor', which says block",
        ),
        (
            ReportFacts(gate_problem="gate.json is not valid JSON; make it again"),
            "## ❌ No verdict is believed: gate.json is not valid JSON; make it again",
        ),
    ],
)
def test_the_verdict_is_the_first_line_and_never_better_than_its_checks(facts: ReportFacts, headline: str) -> None:
    assert render_markdown(facts).splitlines()[0].startswith(headline)


@pytest.mark.parametrize("absent", [field.name for field in fields(ReportFacts) if field.name != "gate_problem"])
def test_a_report_is_made_without_any_one_fact(absent: str) -> None:
    default = Curves() if absent == "curves" else None
    text = render_markdown(replace(everything(), **{absent: default}))

    assert text.startswith("## ")
    assert "None" not in text


def test_numbers_that_are_none_never_reach_the_text() -> None:
    facts = ReportFacts(
        gate=verdict("block", check("block", value=None, low=None, high=None, threshold=None)),
        metrics={"roc_auc": None, "brier": None},
    )

    assert not re.search(r"\b(nan|inf|infinity|none)\b", render_markdown(facts), re.IGNORECASE)


def test_features_stand_in_the_order_of_their_psi() -> None:
    names = [("calm", 0.001), ("wild", 1.5), ("middle", 0.2)]
    text = render_markdown(ReportFacts(drift=drift(*(feature_drift(name, psi, "stable") for name, psi in names))))

    rows = re.findall(r"^\| `(\w+)` \| (\S+)", text, re.MULTILINE)
    assert rows == [("wild", "1.500"), ("middle", "0.200"), ("calm", "0.001")]


def test_what_stands_before_the_first_fold_fits_a_screen() -> None:
    facts = replace(
        everything(),
        gate=verdict("block", *(check("block", slice=f"region={at}", value=0.6) for at in range(400))),
        drift=drift(*(feature_drift(f"x{at}", 0.5, "alert") for at in range(300)), status="alert"),
    )

    assert len(render_markdown(facts).partition("<details>")[0].splitlines()) <= 40


def test_a_report_too_long_for_a_comment_is_cut_at_a_section_and_says_so() -> None:
    name = "|<&" * 40
    facts = replace(
        everything(name),
        gate=verdict("block", *(check("block", name=name, reason=name * 9, slice=f"{at}") for at in range(300))),
        drift=drift(*(feature_drift(name, 0.5, "alert", reason=name * 9) for _ in range(300))),
    )

    text = render_markdown(facts)
    assert len(text.encode()) <= BYTE_LIMIT
    assert "**Cut:**" in text
    assert text.count("<details>") == text.count("</details>")
    assert "Hashes, and how to reproduce" in text


def test_a_check_that_chance_could_turn_is_flagged() -> None:
    assert "straddles" in render_markdown(ReportFacts(gate=verdict("pass", check(low=0.69))))
    assert "straddles" not in render_markdown(ReportFacts(gate=verdict("pass", check())))


def test_numbers_of_another_model_or_run_are_announced() -> None:
    text = render_markdown(
        ReportFacts(
            gate=verdict("pass", check()),
            metrics={"roc_auc": 0.9, "brier": 0.0123},
            drift=drift(feature_drift("income", 0.1, "stable"), model="f" * 64),
        )
    )

    assert "drift was measured for another model, `ffffffffffff`" in text
    assert "do not agree on ROC-AUC" in text
    assert "0.9000" not in text
    assert "0.0123" not in text
    fewer = render_markdown(ReportFacts(gate=verdict("pass", check()), metrics={"n": 7, "brier": 0.0123}))
    assert "do not agree on rows" in fewer
    assert "0.0123" not in fewer


def test_each_column_is_shown_with_what_it_was_read_as() -> None:
    text = render_markdown(everything("util", "n/a"))
    row = "| `util` | numeric | inferred | 12 | 3,400 | "
    (line,) = (line for line in text.splitlines() if line.startswith(row))
    assert "file&#39;s util" in line or "file's util" in line
    assert "missing: 8 'n/a', 4 empty" in html.unescape(line)
    assert "41% is 0.41" in html.unescape(line)
    assert "| `util2` | dropped | declared |  | 1 | n/a |" in text


def test_a_foreign_table_of_predictions_is_named_as_such() -> None:
    judged = verdict("pass", check(), predictions="scores/mine.parquet")
    text = render_markdown(replace(everything(), gate=judged))

    assert "Predictions `scores/mine.parquet`" in text
    assert "| Predictions file | `a1a1" in text
    assert "dvc repro" not in text
    assert "Training data |" not in text


def test_equal_facts_give_equal_text() -> None:
    assert render_markdown(everything()) == render_markdown(everything())
