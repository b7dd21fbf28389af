"""A wrong params.yaml gets exit code 2 and one line with file, key and how to fix it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import assert_refused, invoke

CASES: dict[str, tuple[str, tuple[str, ...]]] = {
    "unknown section": ("prepair: {}", ("unknown key `prepair`", "did you mean `prepare`")),
    "unknown key": ("train: {max_dept: 3}", ("unknown key `train.max_dept`", "did you mean `max_depth`")),
    "unknown deep key": ("gate: {champion: {sauce: none}}", ("`gate.champion.sauce`", "did you mean `source`")),
    "threshold is NaN": ("evaluate: {floors: {roc_auc: .nan}}", ("`evaluate.floors.roc_auc`", "finite")),
    "threshold is infinite": ("evaluate: {floors: {roc_auc: .inf}}", ("`evaluate.floors.roc_auc`", "finite")),
    "threshold is text": ('evaluate: {floors: {roc_auc: "0.7"}}', ("`evaluate.floors.roc_auc`", "'0.7'")),
    "threshold is a truth value": ("evaluate: {floors: {roc_auc: true}}", ("`evaluate.floors.roc_auc`",)),
    "threshold is missing": ("evaluate: {floors: {roc_auc: null}}", ("`evaluate.floors.roc_auc`",)),
    "floor out of range": ("evaluate: {floors: {roc_auc: 70}}", ("roc_auc", "70", "outside")),
    "ceiling out of range": ("evaluate: {ceilings: {brier: -0.1}}", ("brier", "-0.1", "outside")),
    "floor on a loss": ("evaluate: {floors: {brier: 0.2}}", ("brier", "ceilings")),
    "ceiling on a gain": ("evaluate: {ceilings: {roc_auc: 0.2}}", ("roc_auc", "floors")),
    "unknown metric": ("evaluate: {floors: {rocauc: 0.7}}", ("rocauc", "did you mean `roc_auc`")),
    "unknown margin": ("gate: {champion: {margins: {auc: 0.1}}}", ("`auc`", "did you mean `roc_auc` or `pr_auc`")),
    "negative margin": ("gate: {champion: {margins: {roc_auc: -0.1}}}", ("`gate.champion.margins.roc_auc`",)),
    "leakage in one word": (
        "evaluate: {leakage: warn}",
        ("`evaluate.leakage`", "no longer one word such as `warn`", "{plain: block, other: warn, expected: []}"),
    ),
    "leakage that only notes": ("evaluate: {leakage: {plain: note}}", ("`evaluate.leakage.plain`", "block")),
    "unknown sign of leakage": ("evaluate: {leakage: {plane: warn}}", ("`evaluate.leakage.plane`", "`plain`")),
    "event rate that is no ratio": (
        "evaluate: {event_rate_ratio: 1}",
        ("`evaluate.event_rate_ratio`", "greater than 1"),
    ),
    "seed is text": ("prepare: {seed: x}", ("`prepare.seed`",)),
    "seed is negative": ("train: {seed: -1}", ("`train.seed`",)),
    "whole test set": ("prepare: {test_size: 1.0}", ("`prepare.test_size`",)),
    "negative shock": ("prepare: {shock: -1}", ("`prepare.shock`",)),
    "unknown kind": ("prepare: {kinds: {a: number}}", ("`prepare.kinds.a`", "numeric")),
    "bounds the wrong way": ("prepare: {bounds: {a: [2, 1]}}", ("bounds.a", "above")),
    "one column in two roles": ("prepare: {target: a, id_columns: [a]}", ("`a`", "id_columns")),
    "one parameter by two names": ("train: {eta: 0.1, learning_rate: 0.1}", ("eta", "learning_rate", "same")),
    "monotone that is no sign": ("train: {monotone: {income: 2}}", ("`train.monotone.income`",)),
    "weight of nothing": ("train: {scale_pos_weight: 0}", ("`train.scale_pos_weight`",)),
    "exception without its end": (
        "gate: {exception: {reason: why, approved_by: who}}",
        ("`gate.exception.until`", "field required"),
    ),
    "exception until a word": (
        "gate: {exception: {reason: why, approved_by: who, until: soon}}",
        ("`gate.exception.until`", "valid date"),
    ),
    "exception of nobody": (
        "gate: {exception: {reason: why, approved_by: ' ', until: 2026-12-31}}",
        ("`gate.exception.approved_by`",),
    ),
    "exception with another key": (
        "gate: {exception: {reason: why, approved_by: who, til: 2026-12-31}}",
        ("unknown key `gate.exception.til`", "did you mean `until`"),
    ),
    "k above n": ("drift: {history: {k: 4, n: 3}}", ("drift.history", "k")),
    "alert below warn": ("drift: {warn: 0.3, alert: 0.2}", ("drift", "alert")),
    "one bin": ("drift: {bins: 1}", ("`drift.bins`",)),
    "model name with a slash": ("register: {model_name: a/b}", ("`register.model_name`",)),
    "section is a list": ("train: [1]", ("`train`",)),
    "key twice": ("train:\n  seed: 1\n  seed: 2\n", ("line 3", "twice")),
    "not YAML": ("train: {seed: 1", ("not valid YAML",)),
    "not sections": ("- 1\n", ("list",)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("command", ["prepare", "gate"])
def test_a_wrong_params_file_is_refused(tmp_path: Path, case: str, command: str) -> None:
    text, words = CASES[case]
    (tmp_path / "params.yaml").write_text(text)
    assert_refused(invoke(tmp_path, command), "params.yaml", *words)
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_a_missing_params_file_is_refused(tmp_path: Path) -> None:
    assert_refused(invoke(tmp_path, "prepare", "--params", "mine.yaml"), "mine.yaml", "does not exist")


def test_a_params_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_bytes(b"\xff\xfe\x00")
    assert_refused(invoke(tmp_path, "prepare"), "params.yaml")
