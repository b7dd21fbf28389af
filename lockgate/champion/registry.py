"""Scoring test rows with the registry's champion, without touching the bundle that is here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from lockgate.champion.score import score_elsewhere
from lockgate.config import layout
from lockgate.config.errors import InputError

TRACKING = "MLFLOW_TRACKING_URI"


def score_registered(test: bytes, show: Callable[[str], None]) -> bytes:
    """The predictions of the registry's champion for the given test rows, as `reports/predictions.parquet` holds them.

    Raises InputError where the registry has no champion, or it does not take these rows.
    """
    registry = os.environ.get(TRACKING) or f"sqlite:///{Path('mlflow.db').resolve()}"
    with tempfile.TemporaryDirectory(prefix="lockgate-champion-") as name:
        folder = Path(name)
        shutil.copyfile(layout.PARAMS, folder / layout.PARAMS)
        (folder / layout.DATA).mkdir()
        ran = subprocess.run(
            [sys.executable, "-P", "-m", "lockgate", "pull"],
            cwd=folder,
            env={**os.environ, TRACKING: registry},
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode != 0:
            raise InputError((ran.stderr.strip().splitlines() or ["lockgate pull failed"])[-1].removeprefix("Error: "))
        show(ran.stdout.strip())
        return score_elsewhere(folder, test, show)
