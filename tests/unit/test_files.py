"""Files appear whole or not at all, and leftovers of killed runs go."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lockgate.config.errors import InputError
from lockgate.config.files import TEMPORARY_PREFIX, canonical_json, read_json, staged_files, write_files


def test_all_or_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(RuntimeError), staged_files(tmp_path) as stage:
        (stage / "a").write_text("new")
        (stage / "b").write_text("new")
        raise RuntimeError
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "old"}


def test_files_in_folders(tmp_path: Path) -> None:
    write_files(tmp_path, {"a": b"1", "deep/b": b"2"})
    assert (tmp_path / "deep/b").read_bytes() == b"2"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "deep"]


def test_what_a_killed_run_left_goes_and_what_a_living_one_writes_stays(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for process in (dead.pid, os.getppid()):
        (tmp_path / f"{TEMPORARY_PREFIX}{process}-abc").mkdir()
    write_files(tmp_path, {"a": b"1"})
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{TEMPORARY_PREFIX}{os.getppid()}-abc", "a"]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder belongs")
    with pytest.raises(InputError, match=r"cannot write to .*data"):
        write_files(tmp_path / "data", {"a": b"1"})


def test_canonical_json_knows_no_order_and_no_nan() -> None:
    assert canonical_json({"b": 1, "a": 2}) == canonical_json({"a": 2, "b": 1}) == b'{"a":2,"b":1}'
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"a": float("nan")})


@pytest.mark.parametrize("content", ["", "{", "[1]", "NaN1", '{"a": 1}{'])
def test_what_is_no_json_object_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError, match=r"a\.json.*make it again"):
        read_json(tmp_path / "a.json", "make it again")
