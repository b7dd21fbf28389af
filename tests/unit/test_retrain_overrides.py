"""Overrides from a form: the two forms, the smallest change of params.yaml, every refusal, and text that stays text."""

from __future__ import annotations

import difflib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.ci.retrain.overrides import apply_overrides, parse_overrides
from lockgate.config.errors import InputError
from lockgate.config.params import read_params

PARAMS = Path(__file__).parents[1] / "project" / "params.yaml"


@pytest.mark.parametrize(
    "text",
    [
        "train.max_depth=5\nprepare.source=loans.csv",
        "  # shallower\ntrain.max_depth=5\n\nprepare.source=loans.csv\n",
        "train: {max_depth: 5}\nprepare: {source: loans.csv}",
        "train:\n  max_depth: 5\nprepare:\n  source: loans.csv\n",
    ],
)
def test_lines_and_yaml_say_the_same(text: str) -> None:
    assert parse_overrides(text) == {("train", "max_depth"): 5, ("prepare", "source"): "loans.csv"}


def test_no_text_is_no_override() -> None:
    assert parse_overrides(" \n # nothing\n") == {}


def test_only_the_line_that_was_named_changes() -> None:
    after = apply_overrides(PARAMS, parse_overrides("train.max_depth=5")).decode()

    changes = [line for line in difflib.ndiff(PARAMS.read_text().splitlines(), after.splitlines()) if line[0] in "+-"]
    assert changes == ["-   max_depth: 3              # of every tree", "+   max_depth: 5              # of every tree"]


def test_without_overrides_the_file_stays_the_same_bytes() -> None:
    assert apply_overrides(PARAMS, {}) == PARAMS.read_bytes()


def test_a_mapping_takes_keys_of_the_users_own(tmp_path: Path) -> None:
    content = apply_overrides(PARAMS, parse_overrides("prepare.kinds.grade=drop"))
    changed = tmp_path / "params.yaml"
    changed.write_bytes(content)

    assert read_params(changed).prepare.kinds == {"grade": "drop"}


def test_a_section_that_the_file_leaves_out_is_made(tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    params.write_text("prepare: {rows: 900}\n")
    params.write_bytes(apply_overrides(params, parse_overrides("train.max_depth=5")))

    assert read_params(params).train.max_depth == 5
    assert read_params(params).prepare.rows == 900


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train.max_dept=5", ["train.max_dept", "did you mean `max_depth`"]),
        ("trian.max_depth=5", ["trian", "did you mean `train`"]),
        ("train.max_depth=deep", ["train.max_depth", "integer"]),
        ("train.max_depth=-1", ["train.max_depth"]),
        ("train.max_depth.x=5", ["`train.max_depth` holds one value"]),
        ("max_depth=5", ["names no section"]),
        ("train.=5", ["names no section"]),
        ("max_depth: 5", ["max_depth", "no section with keys"]),
        ("train: {}", ["train", "no section with keys"]),
        ("just words", ["not names with values"]),
        ("- a\n- b", ["list", "not names with values"]),
        ("train: {max_depth: [", ["cannot be read as YAML"]),
        ("train.max_depth=[", ["train.max_depth", "cannot be read as YAML"]),
        ("train: !!python/object/apply:os.system [id]", ["cannot be read as YAML"]),
        ("train: {max_depth: 5, max_depth: 6}", ["cannot be read as YAML"]),
        ("train.max_depth=5\ntrain.max_depth=6", ["train.max_depth", "twice"]),
        ("evaluate.floors={roc_auc: 0.1}", ["evaluate.floors", "pull request of its own"]),
        ("gate: {decide_on: bound}", ["gate.decide_on", "pull request of its own"]),
        ("prepare.source=1", ["prepare.source", "string"]),
        ("x" * 10_001, ["10,001 characters"]),
    ],
)
def test_what_is_not_an_override_is_refused(text: str, words: list[str]) -> None:
    with pytest.raises(InputError) as failure:
        apply_overrides(PARAMS, parse_overrides(text))

    for word in words:
        assert word in str(failure.value)


def test_aliases_that_expand_are_no_override() -> None:
    bomb = "a0: &a0 {k: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]}\n" + "\n".join(
        f"a{level}: &a{level} {{k: [{', '.join([f'*a{level - 1}'] * 10)}]}}" for level in range(1, 9)
    )
    with pytest.raises(InputError, match=r"the YAML of the overrides has .* values once its aliases"):
        parse_overrides(bomb)


def test_a_broken_params_file_is_said_before_anything_else(tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    params.write_text("train: [\n")

    with pytest.raises(InputError, match="not valid YAML"):
        apply_overrides(params, {})


@pytest.mark.parametrize(
    "hostile", ["$(id)", '"; curl evil.example #', "`id`", "${{ github.token }}", "a\u2028b", "%0A::set-output"]
)
def test_hostile_text_stays_text(hostile: str, tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    params.write_text("prepare: {source: synthetic}\n")
    quoted = hostile.replace("'", "''")
    params.write_bytes(apply_overrides(params, parse_overrides(f"prepare: {{source: '{quoted}', current: null}}")))

    assert read_params(params).prepare.source == hostile


@given(st.text(max_size=200))
def test_any_text_is_overrides_or_one_clear_refusal(text: str) -> None:
    with suppress(InputError):
        apply_overrides(PARAMS, parse_overrides(text))
