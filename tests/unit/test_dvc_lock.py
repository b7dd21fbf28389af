"""When `dvc.lock` is stale, and when only its outputs came out otherwise."""

from __future__ import annotations

import copy
import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ruamel.yaml import YAML

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


# As DVC 3.67 locks a folder of `x` with "c" and `sub/y` with "d".
FOLDER = "6f6d6ff4cf8b3356b952e11d2af25245.dir"


def md5(content: str) -> str:
    return hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()


def locked(path: str, content: str) -> dict[str, str]:
    """The entry of a file."""
    return {"path": path, "hash": "md5", "md5": md5(content)}


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


class TestLockedBytes:
    """A stage `prepare` on a file and a setting, one after it, and the files as the lock has them."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for name, content in (
            ("source.csv", "a"),
            ("table", "b"),
            ("folder/x", "c"),
            ("folder/sub/y", "d"),
            ("model", "e"),
        ):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content)
        (tmp_path / "params.yaml").write_text("prepare: {seed: 1}\ntrain: {depth: 3}\n")
        stages = {
            "prepare": {
                "deps": [locked("source.csv", "a"), {"path": "folder", "hash": "md5", "md5": FOLDER}],
                "params": {"params.yaml": {"prepare": {"seed": 1}}},
                "outs": [locked("table", "b")],
            },
            "train": {
                "deps": [locked("table", "b")],
                "params": {"params.yaml": {"train.depth": 3}},
                "outs": [locked("model", "e")],
            },
        }
        with (tmp_path / "dvc.lock").open("w") as stream:
            YAML().dump({"schema": "2.0", "stages": stages}, stream)
        return tmp_path

    def differing(self, folder: Path) -> list[str]:
        return [path for path, _, _ in lock.differing_files(read_lock(folder / "dvc.lock"), folder)]

    def test_one_bit_is_seen_and_both_hashes_are_named(self, folder: Path) -> None:
        assert self.differing(folder) == []
        (folder / "table").write_text("c")
        with pytest.raises(InputError) as refused:
            lock.require_locked_bytes(folder, Path("model"), Path("table"))
        assert f"table has other bytes than dvc.lock says: md5 {md5('c')}, not {md5('b')}; " in str(refused.value)
        lock.require_locked_bytes(folder, Path("model"))

    def test_what_is_not_there_or_has_no_lock_is_not_judged(self, folder: Path) -> None:
        (folder / "table").unlink()
        assert self.differing(folder) == []
        lock.require_locked_bytes(folder, Path("table"))
        (folder / "table").write_text("c")
        (folder / "source.csv").unlink()  # as where only what was made of it was handed over
        assert self.differing(folder) == ["table"]
        (folder / "dvc.lock").unlink()
        lock.require_locked_bytes(folder, Path("table"))

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("source.csv", "other"),
            ("folder/sub/y", "other"),
            ("folder/new", "c"),
            ("params.yaml", "prepare: {seed: 2}\ntrain: {depth: 3}\n"),
        ],
    )
    def test_a_lock_of_other_inputs_says_nothing_of_what_follows_from_them(
        self, folder: Path, name: str, content: str
    ) -> None:
        (folder / name).write_text(content)
        (folder / "table").write_text("made by hand")
        (folder / "model").write_text("made by hand")
        assert self.differing(folder) == []

    def test_another_setting_of_a_later_stage_leaves_the_earlier_one_judged(self, folder: Path) -> None:
        (folder / "params.yaml").write_text("prepare: {seed: 1}\ntrain: {depth: 4}\n")
        (folder / "table").write_text("damaged")
        (folder / "model").write_text("made by hand")
        assert self.differing(folder) == ["table"]
