"""A project whose bundle was imported: what an image of a model that was trained elsewhere is made of."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from lockgate.config import layout
from lockgate.config.errors import InputError
from lockgate.config.files import readable_json
from lockgate.config.yaml_file import read_yaml
from lockgate.model.bundle import ONNX_MODEL


def import_model_of(project: Path, folder: Path) -> Path:
    """Make `folder` a project on the same rows whose bundle is the model.onnx of `project` as a stranger's, and judge it.

    Raises InputError with what the command printed that failed.
    """
    folder.mkdir(parents=True)
    shutil.copytree(project / layout.DATA, folder / layout.DATA)
    shutil.copyfile(project / layout.MODELS / ONNX_MODEL, folder / ONNX_MODEL)
    settings = {**read_yaml(project / layout.PARAMS), "train": {"model": "own"}}
    (folder / layout.PARAMS).write_bytes(readable_json(settings))  # JSON is YAML
    for command in (["import-model", ONNX_MODEL], ["evaluate"], ["gate", "--first-model"]):
        ended = subprocess.run(
            [sys.executable, "-m", "lockgate", *command], cwd=folder, capture_output=True, text=True, check=False
        )
        if ended.returncode:
            raise InputError(f"lockgate {' '.join(command)} failed: {' '.join(ended.stderr.split())[-500:]}")
    return folder
