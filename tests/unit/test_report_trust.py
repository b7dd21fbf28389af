"""What the report says about the verdict's own error rates, the slices and the wear of the test set."""

from __future__ import annotations

from typing import Any

import pytest

from lockgate.report.facts import ReportFacts
from lockgate.report.markdown import render_markdown
from lockgate.report.plots import render_html

FLOOR = {"name": "roc_auc floor", "kind": "floor", "metric": "roc_auc", "value": 0.78, "low": 0.77, "high": 0.79,
         "op": ">=", "threshold": 0.7, "status": "pass", "reason": ""}  # fmt: skip
SLICE = {"value": 0.71, "low": 0.66, "high": 0.76, "interval": "ok"}
GATE: dict[str, Any] = {
    "schema": 1, "verdict": "pass", "model": "a" * 64, "n": 6000, "positives": 1300, "confidence": 0.95, "checks": [FLOOR],
    "champion": "b" * 64,
    "slices": {"worst": "sex = f", "confidence_each": 0.975,
               "rows": [{"slice": "sex = f", "n": 3000, "positives": 600, "metrics": {"roc_auc": SLICE}},
                        {"slice": "sex = x", "n": 3, "positives": 0, "metrics": {}, "note": "one class only"}]},
    "operating": [{"rule": "champion", "metric": "roc_auc", "blocks_good": 0.017, "passes_worse": 0.04, "worse_by": 0.01,
                   "score_correlation": 0.953}],
    "test_set": {"models": 3, "supported": 7, "tolerance": 0.01, "worn": False},
}  # fmt: skip


def both(**changes: Any) -> list[str]:
    facts = ReportFacts(gate={**GATE, **changes})
    return [render_markdown(facts), render_html(facts)]


def test_error_rates_stand_with_the_correlation_they_depend_on() -> None:
    for text in both():
        text = text.replace("\u00a0", " ")
        assert "blocks an equally good model in 1.7 % and passes one 0.01 worse in 4.0 %" in text
        assert "score correlation 0.953" in text


def test_the_worst_slice_is_named_and_a_small_one_says_why_it_is_not_judged() -> None:
    for text in both():
        assert "sex = f" in text
        assert "one class only" in text


def test_the_champion_is_among_the_hashes() -> None:
    assert all("b" * 64 in text for text in both())


@pytest.mark.parametrize(
    ("wear", "words"),
    [
        ({"models": 1, "supported": 7, "worn": False}, "has judged 1 model, of 7"),
        ({"models": 9, "supported": 7, "worn": True}, "it is good for 7"),
        (
            {"models": 1, "supported": 0, "tolerance": 0.02, "worn": True},
            "too small to vouch for even one to within 0.02",
        ),
        ({"models": 2, "supported": None, "worn": False}, "has judged 2 models."),
    ],
)
def test_wear(wear: dict[str, Any], words: str) -> None:
    for text in both(test_set=wear):
        assert words in text
        assert ("worn" in text) == wear["worn"]


def test_an_interval_of_another_confidence_says_so() -> None:
    for text in both(checks=[FLOOR, {**FLOOR, "name": "roc_auc champion", "kind": "champion", "confidence": 0.92}]):
        assert text.count("at 92 %") == 1


@pytest.mark.parametrize("kind", ["calibration", "slice", "fairness", "leakage"])
def test_a_pass_that_rests_on_descriptions_is_none(kind: str) -> None:
    assert "No valid verdict" in both(checks=[{**FLOOR, "kind": kind}])[0]


def test_descriptions_that_pass_stand_below_the_fold() -> None:
    quiet = [{**FLOOR, "name": f"slice {i}", "kind": "slice", "metric": None} for i in range(3)]
    text = both(checks=[*quiet, FLOOR, {**FLOOR, "name": "leak", "kind": "leakage", "status": "warn"}])[0]
    assert text.index("leak |") < text.index("ROC-AUC floor") < text.index("<details>") < text.index("slice 0")


@pytest.mark.parametrize("junk", [None, 1, "x", [], [1], {"rows": 3}, {"worst": {}, "rows": [{"metrics": []}, 4]}])
@pytest.mark.parametrize("key", ["slices", "operating", "test_set", "champion"])
def test_facts_of_the_wrong_shape_are_no_crash(key: str, junk: Any) -> None:
    assert all("Gate passed" in text for text in both(**{key: junk}))


def test_what_is_before_the_first_fold_does_not_grow_with_slices() -> None:
    rows = [{**GATE["slices"]["rows"][0], "slice": f"region = {i}"} for i in range(300)]
    few, many = (both(slices={**GATE["slices"], "rows": part})[0] for part in (rows[:2], rows))
    assert few.split("<details>")[0].count("\n") == many.split("<details>")[0].count("\n")
