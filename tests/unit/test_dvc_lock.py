"""When `dvc.lock` is stale, and when only its outputs came out otherwise."""

from __future__ import annotations

import copy
from typing import Any

from lockgate.dvc.lock import other_bytes, stale_entries

LOCK: dict[str, Any] = {
    "schema": "2.0",
    "stages": {
        "train": {
            "cmd": "lockgate train",
            "deps": [{"path": "data/train.parquet", "md5": "1"}],
            "params": {"params.yaml": {"train": {"seed": 1}}},
            "outs": [{"path": "models/model.json", "md5": "2"}],
        }
    },
}


def edited(part: str, value: object) -> dict[str, Any]:
    lock = copy.deepcopy(LOCK)
    lock["stages"]["train"][part] = value
    return lock


def test_equal_locks_are_not_stale() -> None:
    assert stale_entries(LOCK, LOCK) == []
    assert other_bytes(LOCK, LOCK) == []


def test_a_changed_input_parameter_or_command_is() -> None:
    changed = [{"path": "data/train.parquet", "md5": "9"}]
    assert stale_entries(LOCK, edited("deps", changed)) == ["train: data/train.parquet changed"]
    assert stale_entries(LOCK, edited("params", {"params.yaml": {"train": {"seed": 2}}})) == [
        "train: parameter train changed"
    ]
    assert stale_entries(LOCK, edited("cmd", "other")) == ["train: its command changed"]


def test_a_stage_that_came_or_went_is() -> None:
    assert stale_entries({}, LOCK)
    assert stale_entries(LOCK, {"stages": {}})[0].endswith("is gone")


def test_other_outputs_of_the_same_inputs_are_another_matter() -> None:
    outs = edited("outs", [{"path": "models/model.json", "md5": "9"}])
    assert stale_entries(LOCK, outs) == []
    assert other_bytes(LOCK, outs) == ["train: models/model.json changed"]
    outs["stages"]["train"]["cmd"] = "other"
    assert other_bytes(LOCK, outs) == []
