"""What the report says about the verdict's own error rates, the slices and the reuse of the test set."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from verdicts import COMPARED, check, verdict

from lockgate.documents.gate_check import Check
from lockgate.documents.gate_json import ErrorRates, Estimate, Reuse, SliceRow, Slices
from lockgate.report.facts import ReportFacts
from lockgate.report.markdown import render_markdown
from lockgate.report.report import render_html

ESTIMATE = Estimate(0.71, 0.66, 0.76, "ok")
WOMEN = SliceRow("sex = f", 3000, 600, 0.2, 0.21, None, {"roc_auc": ESTIMATE})
OTHERS = SliceRow("sex = x", 3, 0, 0.0, 0.2, "one class only", {})
SLICES = Slices(30, 1, 0.95, "sex = f", (WOMEN, OTHERS))
RATES = ErrorRates("champion", "roc_auc", 0.002, 0.953, 0.01, 0.017, 0.04, 0.01)


def reuse(models: int = 3, supported: int | None = 7, exhausted: bool = False, tolerance: float = 0.01) -> Reuse:
    return Reuse("e5" * 32, models, supported, tolerance, exhausted)


def both(*checks: Check, **changes: Any) -> list[str]:
    about: dict[str, Any] = {"champion": "b" * 64, "slices": SLICES, "operating": (RATES,), "test_set": reuse()}
    facts = ReportFacts(gate=verdict("pass", *(checks or (check(), *COMPARED)), **{**about, **changes}))
    return [render_markdown(facts), render_html(facts)]


def test_error_rates_stand_with_the_correlation_they_depend_on() -> None:
    for text in both():
        text = text.replace("\u00a0", " ")
        assert "blocks an equally good model in 1.7 % and passes one 0.01 worse in 4.0 %" in text
        assert "score correlation 0.953" in text


def test_the_weight_and_the_features_expected_to_be_strong_are_named() -> None:
    strong = Check(
        "feature expected to be strong",
        "leakage",
        "roc_auc",
        "bureau_score",
        0.991,
        op="<=",
        threshold=0.98,
        reason="named",
    )
    for text in both(check(), strong, champion=None, operating=(), weight="exposure"):
        assert "Each row counts by its weight" in text
        assert "exposure" in text
        assert "Expected to be strong by the policy" in text
        assert "0.9910" in text
    assert all("counts by its weight" not in text and "Expected to be strong" not in text for text in both())


def test_the_worst_slice_is_named_and_a_small_one_says_why_it_is_not_judged() -> None:
    for text in both():
        assert "sex = f" in text
        assert "one class only" in text


def test_the_champion_is_among_the_hashes() -> None:
    assert all("b" * 64 in text for text in both())


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (reuse(1), "has judged 1 model, of 7"),
        (reuse(9, exhausted=True), "it is good for 7"),
        (reuse(1, 0, True, 0.02), "too small to vouch for even one to within 0.02"),
        (reuse(2, None), "has judged 2 models."),
    ],
)
def test_reuse_of_the_test_set(found: Reuse, words: str) -> None:
    for text in both(test_set=found):
        assert words in text
        assert ("exhausted" in text) == found.exhausted


def test_an_interval_of_another_confidence_says_so() -> None:
    for text in both():
        assert text.replace("&nbsp;", " ").replace("\u00a0", " ").count("at 92 %") == 1


@pytest.mark.parametrize("kind", ["calibration", "slice", "fairness", "leakage"])
def test_a_pass_that_rests_on_descriptions_is_none(kind: str) -> None:
    assert all("No verdict is believed" in text for text in both(check(kind=kind), champion=None))


def test_descriptions_that_pass_stand_below_the_fold() -> None:
    leak = Check(
        "rows shared by train and test", "leakage", value=0.1, op="<=", threshold=0.0, status="warn", reason="leaks"
    )
    quiet = [
        Check("adverse impact ratio", "fairness", "adverse_impact_ratio", f"g{i}", op=">=", threshold=0.8)
        for i in range(3)
    ]
    text = both(*quiet, check(), leak, champion=None, operating=())[0]
    assert (
        text.index("rows shared by train and test |")
        < text.index("ROC-AUC floor")
        < text.index("<details>")
        < text.index("`g0`")
    )


def test_what_is_before_the_first_fold_does_not_grow_with_slices() -> None:
    rows = [replace(WOMEN, slice=f"region = {i}") for i in range(300)]
    few, many = (
        both(slices=Slices(30, n, 1 - (1 - 0.95) / n, "region = 0", tuple(rows[:n])))[0].split("<details>")[0]
        for n in (2, 300)
    )
    assert "✅ Gate passed" in few
    assert few.count("\n") == many.count("\n")
