"""When `dvc.lock` is stale, and when only its outputs came out otherwise."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lockgate.config.errors import InputError
from lockgate.dvc import lock
from lockgate.dvc.lock import Lock, read_lock

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


def stale_entries(committed: dict[str, Any], reproduced: dict[str, Any]) -> list[str]:
    return lock.stale_entries(msgspec.convert(committed, Lock), msgspec.convert(reproduced, Lock))


def other_bytes(committed: dict[str, Any], reproduced: dict[str, Any]) -> list[str]:
    return lock.other_bytes(msgspec.convert(committed, Lock), msgspec.convert(reproduced, Lock))


def edited(part: str, value: object) -> dict[str, Any]:
    changed = copy.deepcopy(LOCK)
    changed["stages"]["train"][part] = value
    return changed


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


def test_no_lock_is_an_empty_one_and_what_is_none_is_refused(tmp_path: Path) -> None:
    assert read_lock(tmp_path / "dvc.lock") == Lock()
    (tmp_path / "dvc.lock").write_text("stages: {train: 1}\n")
    with pytest.raises(InputError, match="is not as DVC writes it"):
        read_lock(tmp_path / "dvc.lock")
