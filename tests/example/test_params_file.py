"""The worked example's params.yaml shows every key with what it means by default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from lockgate.config.params import Params, read_params

pytestmark = pytest.mark.example
ROOT = Path(__file__).parents[2]

# Where the worked example differs from the defaults, on purpose.
EXAMPLE = {"prepare.audit_columns", "train.monotone", "train.min_child_weight", "train.subsample",
           "train.colsample_bytree", "train.reg_lambda"}  # fmt: skip


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    return {
        f"{prefix}{key}": value
        for name, given in values.items()
        for key, value in (flat(given, f"{name}.") if isinstance(given, dict) and given else {name: given}).items()
    }


def test_it_is_valid() -> None:
    assert read_params(ROOT / "params.yaml").prepare.source == "synthetic"


def test_what_it_shows_is_the_default() -> None:
    shown = flat(YAML(typ="safe").load(ROOT / "params.yaml"))
    defaults = flat(Params().model_dump(by_alias=True))
    different = {
        key for key, value in shown.items() if defaults.get(key) != value and key.rsplit(".", 1)[0] not in EXAMPLE
    }
    assert different - EXAMPLE == set()


def test_every_section_is_there_with_the_keys_that_matter() -> None:
    shown = YAML(typ="safe").load(ROOT / "params.yaml")
    for section, field in Params.model_fields.items():
        name = field.alias or section
        keys = set(type(field.default).model_fields)
        assert set(shown[name]) <= keys
        if name != "train":
            assert set(shown[name]) == keys
