"""The model card: every fact in it, what is unknown said, and nothing hostile taken for markup."""

from __future__ import annotations

import json
from typing import Any

from msgspec.structs import replace
from releasing import COMMIT, blocked_gate, passed_gate
from verdicts import schema_of

from lockgate.ci.release.model_card import Card, render_card
from lockgate.ci.release.version import parse_tag
from lockgate.documents.gate_check import EXCEPTION, Check
from lockgate.documents.gate_json import AcceptedException, GateResult
from lockgate.documents.release_json import ImageRecord
from lockgate.report.facts import ReportFacts

RECORD = ImageRecord(image="ghcr.io/acme/credit", digest="sha256:" + "a" * 64, model="b" * 64, commit=COMMIT)
SIGNER = "acme/kit/.github/workflows/attest.yml"
SCHEMA = schema_of("default", income=(), housing=("own", "rent"))


def read_gate(content: dict[str, Any]) -> GateResult:
    return GateResult.read(json.dumps(content).encode(), "gate.json")


def card(**facts: Any) -> str:
    found = ReportFacts(**{"gate": read_gate(passed_gate("b" * 64)), "schema": SCHEMA, **facts})
    return render_card(Card("credit", "acme/credit", parse_tag("model-v1.2.3"), RECORD, SIGNER, found))


def test_a_card_says_data_metrics_fairness_limits_and_digests() -> None:
    text = card(metrics={"roc_auc": 0.78, "brier": 0.13}, training_data="e" * 64)
    for words in (
        "# `credit` v1.2.3", "✅ Gate passed", "`default`", "2 features", "0.7800 [0.7700, 0.7900]", "5,000", "`sex`",
        "## Slices", "## Fairness", "below 0.8", "Drift: not measured", "## Limits", RECORD.reference, COMMIT, "e" * 64,
        "gh attestation verify oci://ghcr.io/acme/credit@sha256:", f"--repo acme/credit --signer-workflow {SIGNER}",
    ):  # fmt: skip
        assert words in text, words


def test_what_was_not_measured_is_said() -> None:
    gate = passed_gate("b" * 64)
    gate["checks"] = [check for check in gate["checks"] if check["kind"] != "fairness"]
    text = card(gate=read_gate(gate))
    assert "Training rows | unknown" in text
    assert "`evaluate.slices` names no column" in text
    assert "That is not the same as fair" in text


def test_equal_facts_give_equal_text() -> None:
    assert card() == card()


def test_names_from_data_are_text() -> None:
    hostile = "x<img src=x> @someone [a](http://b)"
    text = card(schema=schema_of(hostile, **{hostile: ()}))
    spans = text.count(f"`{hostile}`")
    assert spans == 2  # the target, and the feature
    assert text.count("<img") == text.count("[a](http") == spans


def test_a_card_never_calls_a_blocked_model_good() -> None:
    assert "❌ Gate blocked" in card(gate=read_gate(blocked_gate("b" * 64)))


def test_a_card_says_under_which_exception_to_the_policy_its_model_passed() -> None:
    gate = read_gate(passed_gate("b" * 64))
    accepted = AcceptedException("the bureau changed [its](http://evil.example) score", "the committee", "2026-12-31")
    text = card(
        gate=replace(gate, exception=accepted, checks=(*gate.checks, Check(EXCEPTION, "exception", status="pass")))
    )
    assert (
        "> **An exception to the policy judged this model**, approved by the committee until 2026-12-31: the bureau"
        in text
    )
    assert "[its]" not in text
    assert "exception" not in card()
