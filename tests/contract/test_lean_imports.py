"""What the service imports of the pipeline works where none of the training packages is installed."""

from __future__ import annotations

import subprocess
import sys

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
for module in {modules!r}:
    importlib.import_module(module)
"""


def import_without(modules: tuple[str, ...], blocked: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    code = BLOCKER.format(blocked=blocked, modules=modules)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_they_import_without_training_packages_and_pydantic() -> None:
    answer = import_without(MODULES, (*TRAINING_ONLY, "pydantic"))
    assert answer.returncode == 0, answer.stderr


def test_the_blocker_blocks() -> None:
    assert "pandas is not installed here" in import_without(("lockgate.drift.profile",), TRAINING_ONLY).stderr
