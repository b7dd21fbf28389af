"""The one rule by which a pass is believed: every way to say pass without one is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from verdicts import DIGEST, check, verdict

from lockgate.config.errors import GateBlockedError, InputError
from lockgate.documents.gate_json import Check, GateResult

CHAMPION = "d4" * 32
COMPARED = check(
    name="roc_auc champion", kind="champion", value=0.001, low=-0.004, high=0.006, threshold=-0.01, confidence=0.92
)


def test_a_pass_for_this_model_is_believed() -> None:
    fine = verdict("pass", check(), check("warn", kind="fairness"), check("not-applicable", kind="slice"))
    fine.require_pass(DIGEST, "gate.json")
    verdict("pass", check(), COMPARED, champion=CHAMPION).require_pass(DIGEST, "gate.json")
    verdict("pass", check(), first_model=True).require_pass(DIGEST, "gate.json")


def test_a_pass_for_another_model_is_refused() -> None:
    with pytest.raises(InputError, match=r"gate\.json is a verdict on another model than ffffffffffff"):
        verdict("pass", check()).require_pass("f" * 64, "gate.json")


@pytest.mark.parametrize("stated", ["block", "inconclusive"])
def test_what_is_no_pass_is_refused(stated: str) -> None:
    with pytest.raises(GateBlockedError, match=rf"^gate\.json says {stated}, not pass; run `lockgate gate` again$"):
        verdict(stated, check()).require_pass(DIGEST, "gate.json")


FAIRNESS: dict[str, Any] = {"kind": "fairness", "metric": "adverse_impact_ratio", "name": "adverse impact ratio"}
BELIED = "says pass with numbers that do not"


@pytest.mark.parametrize(
    ("result", "why"),
    [
        (verdict("pass", check(), check("block")), "beside the check `roc_auc floor`, which says block"),
        (verdict("pass", check(), check("inconclusive")), "which says inconclusive"),
        (verdict("pass"), "no check that could decide"),
        (verdict("pass", check("warn"), check("not-applicable")), "no check that could decide"),
        *((verdict("pass", check(kind=kind)), "no check that could decide") for kind in ("slice", "calibration")),
        (verdict("pass", check(value=0.69)), BELIED),
        (verdict("pass", check(value=None)), BELIED),
        (verdict("pass", check(threshold=None)), BELIED),
        (verdict("pass", check(op="<=")), BELIED),
        (verdict("pass", check(op="")), BELIED),
        (verdict("pass", check(kind="ceiling", metric="brier")), BELIED),
        (verdict("pass", check(kind="ceiling", metric="brier", op="<=", value=0.71)), BELIED),
        (verdict("pass", check(), check(**FAIRNESS, threshold=0.8)), BELIED),
        (verdict("pass", check(), check(kind="leakage", op="<=")), BELIED),
        (verdict("pass", check(), stale=("the predictions are of another model",)), "stale predictions"),
        (verdict("pass", check(), champion=CHAMPION), "names a champion that no check compares with"),
        (verdict("pass", check(), COMPARED), "a champion that it does not name"),
        (
            verdict("pass", check(), COMPARED, champion=CHAMPION, first_model=True),
            "the first one, and names a champion",
        ),
    ],
)
def test_a_pass_that_its_own_checks_do_not_bear_out_is_refused(result: GateResult, why: str) -> None:
    assert why in str(result.contradiction)
    with pytest.raises(GateBlockedError, match=r"^gate\.json is not believed: .*; run `lockgate gate` again$"):
        result.require_pass(DIGEST, "gate.json")


@pytest.mark.parametrize(
    "changes",
    [
        {"low": -0.011},
        {"low": None},
        {"value": None},
        {"op": "<="},
        {"metric": "brier"},
        {"metric": "a_metric_of_nobody"},
    ],
)
def test_a_comparison_that_passes_has_to_clear_the_margin_with_its_interval(changes: dict[str, Any]) -> None:
    result = verdict("pass", check(), Check(**{**_as_dict(COMPARED), **changes}), champion=CHAMPION)
    assert BELIED in str(result.contradiction)


def test_a_loss_may_be_higher_by_the_margin() -> None:
    loss = Check(**{**_as_dict(COMPARED), "metric": "brier", "op": "<=", "threshold": 0.01})
    assert verdict("pass", check(), loss, champion=CHAMPION).contradiction is None
    worse = Check(**{**_as_dict(loss), "high": 0.011})
    assert verdict("pass", check(), worse, champion=CHAMPION).contradiction is not None


def _as_dict(found: Check) -> dict[str, Any]:
    return {name: getattr(found, name) for name in Check.__struct_fields__}


def test_inconclusive_beside_a_block_is_not_believed_and_a_block_always_is() -> None:
    assert verdict("inconclusive", check("block")).contradiction is not None
    assert verdict("inconclusive", check("inconclusive")).contradiction is None
    assert verdict("block").contradiction is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"verdict": "PASS"}, r"`\$\.verdict`"),
        ({"verdict": None}, r"`\$\.verdict`"),
        ({"model": "a1"}, r"`\$\.model`"),
        ({"checks": [{"name": "x"}]}, r"lacks the key `\$\.checks\[0\]\.kind`"),
        ({"vardict": "pass"}, "did you mean `verdict`"),
        ({"schema": 2}, "a newer Lockgate wrote it"),
    ],
)
def test_what_is_no_gate_json_says_nothing(change: dict[str, Any], words: str) -> None:
    content = json.loads(verdict("pass", check()).to_bytes()) | change
    with pytest.raises(InputError, match=words):
        GateResult.read(json.dumps(content).encode(), "gate.json")


def test_a_key_that_is_missing_says_nothing() -> None:
    whole = json.loads(verdict("pass", check()).to_bytes())
    for key in whole:
        content = {name: value for name, value in whole.items() if name != key}
        with pytest.raises(InputError, match=key):
            GateResult.read(json.dumps(content).encode(), "gate.json")
    del whole["checks"][0]["status"]
    with pytest.raises(InputError, match=r"lacks the key `\$\.checks\[0\]\.status`"):
        GateResult.read(json.dumps(whole).encode(), "gate.json")
