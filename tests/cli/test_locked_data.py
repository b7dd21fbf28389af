"""What a verdict rests on has the bytes that dvc.lock names, whoever restored it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from conftest import Run
from ruamel.yaml import YAML
from support import SMALL, assert_refused, edit_params, succeed

MADE = {
    "prepare": ("data/train.parquet", "data/test.parquet"),
    "evaluate": ("reports/predictions.parquet",),
}


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


@pytest.fixture
def locked(project: Path) -> Path:
    """The project with a lock of its files and settings."""
    stages = {
        name: {
            "cmd": f"lockgate {name}",
            "params": {"params.yaml": {"prepare": SMALL["prepare"]}},
            "outs": [{"path": path, "hash": "md5", "md5": md5(project / path)} for path in paths],
        }
        for name, paths in MADE.items()
    }
    with (project / "dvc.lock").open("w") as stream:
        YAML().dump({"schema": "2.0", "stages": stages}, stream)
    return project


def flip(path: Path) -> None:
    """Change one bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("path", "commands"),
    [
        ("data/test.parquet", ("evaluate", "gate", "register")),
        ("data/train.parquet", ("train", "gate", "register")),
        ("reports/predictions.parquet", ("gate",)),
    ],
)
def test_one_flipped_bit_is_refused_by_name_and_both_hashes(
    locked: Path, run: Run, path: str, commands: tuple[str, ...]
) -> None:
    whole = md5(locked / path)
    succeed(run("gate"))
    flip(locked / path)
    for command in commands:
        assert_refused(
            run(command), f"{path} has other bytes than dvc.lock says: md5 {md5(locked / path)}, not {whole}"
        )


def test_data_prepared_by_hand_with_other_settings_are_nobodys_lock(locked: Path, run: Run) -> None:
    edit_params(locked, prepare={"rows": 3000})
    for command in ("prepare", "train"):
        succeed(run(command))
    for command in ("evaluate", "gate"):  # so few rows may be below a floor
        assert run(command).exit_code in (0, 3)
