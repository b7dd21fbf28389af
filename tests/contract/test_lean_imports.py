"""What the service imports of the pipeline works where none of the training packages is installed."""

from __future__ import annotations

import subprocess
import sys

import pytest

TRAINING_ONLY = (
    "pandas",
    "scipy",
    "sklearn",
    "matplotlib",
    "mlflow",
    "evidently",
    "pandera",
    "pyarrow",
    "xgboost",
    "onnx",
    "dvc",
)
MODULES = (
    "lockgate.cli.command",
    "lockgate.config.errors",
    "lockgate.config.files",
    "lockgate.config.layout",
    "lockgate.config.suggest",
    "lockgate.documents.golden_json",
    "lockgate.documents.schema_json",
    "lockgate.drift.drift_rule",
    "lockgate.documents.profile_json",
    "lockgate.drift.psi",
    "lockgate.model.bundle",
)  # fmt: skip

BLOCKER = """
import importlib, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"{{name}} is not installed here", name=name)

sys.meta_path.insert(0, Absent())
importlib.import_module({module!r})
"""


def import_without(module: str, blocked: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    code = BLOCKER.format(blocked=blocked, module=module)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("module", MODULES)
def test_it_imports_without_training_packages_and_pydantic(module: str) -> None:
    answer = import_without(module, (*TRAINING_ONLY, "pydantic"))
    assert answer.returncode == 0, answer.stderr


def test_the_blocker_blocks() -> None:
    assert "pandas is not installed here" in import_without("lockgate.drift.profile", TRAINING_ONLY).stderr
