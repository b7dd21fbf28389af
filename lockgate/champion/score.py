"""Scoring test rows with the model of another checkout, by the code that belongs to it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from lockgate.config import layout
from lockgate.config.errors import EXIT_BLOCKED, InputError
from lockgate.dvc.reproduce import is_kit, process_environment


def score_elsewhere(folder: Path, test: bytes, show: Callable[[str], None]) -> bytes:
    """The predictions, as `reports/predictions.parquet` holds them, of `folder`'s model for the given test rows.

    Where its model does not take these rows, because columns came or went, its predictions of its own test rows: the
    gate joins them by row key, and refuses them if they are not the same rows.
    Raises InputError where there are neither.
    """
    own = (folder / layout.TEST_DATA).read_bytes() if (folder / layout.TEST_DATA).is_file() else None
    for rows in (test, own):
        if rows is None:
            continue
        # A new file: what stands there may be a link into DVC's cache.
        (folder / layout.TEST_DATA).unlink(missing_ok=True)
        (folder / layout.TEST_DATA).write_bytes(rows)
        if said := _evaluate(folder):
            show(said)
            continue
        return (folder / layout.PREDICTIONS).read_bytes()
    raise InputError("the earlier model takes neither these test rows nor its own; see above")


def _evaluate(folder: Path) -> str | None:
    """Run `lockgate evaluate` there; what it said where it wrote no predictions. A missed floor is no failure."""
    (folder / layout.PREDICTIONS).unlink(missing_ok=True)
    ran = subprocess.run(  # noqa: S603
        [sys.executable, *(["-P"] if not is_kit(folder) else []), "-m", "lockgate", "evaluate"],
        cwd=folder,
        env=process_environment(folder, is_kit(folder)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    done = ran.returncode in (os.EX_OK, EXIT_BLOCKED) and (folder / layout.PREDICTIONS).is_file()
    return None if done else ran.stdout
