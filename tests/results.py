"""The kit's results from a small fixed project, as one sha256 a file. Run as a program it writes them into results.json."""

from __future__ import annotations

import json
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from support import invoke, succeed, write_params

from lockgate.config.files import sha256_bytes
from lockgate.config.results_number import RESULTS

RECORD = Path(__file__).with_name("results.json")
# What decides about the last digits and the bytes of a file beside the kit itself.
PACKAGES = ("numpy", "pandas", "pyarrow", "scipy", "xgboost-cpu", "onnx", "onnxruntime")
PARAMS: dict[str, Any] = {
    "prepare": {"rows": 2000, "current_rows": 800, "audit_columns": ["sex"]},
    "train": {"num_boost_round": 30, "early_stopping_rounds": 10, "learning_rate": 0.2, "monotone": {"income": -1}},
    "evaluate": {"floors": {"roc_auc": 0.5}, "ceilings": {}},
}
NO_RESULTS = {"models/provenance.json", "reports/drift.html"}  # commit and time; a picture by another package


def environment() -> dict[str, str]:
    """The Python, the processor and the packages that the results are made with."""
    python = f"{platform.python_version_tuple()[0]}.{platform.python_version_tuple()[1]}"
    return {"python": python, "machine": platform.machine(), **{name: version(name) for name in PACKAGES}}


def compute_results(folder: Path) -> dict[str, str]:
    """The sha256 of every file that prepare, train, evaluate and drift make of the fixed project, in the empty `folder`."""
    write_params(folder, PARAMS)
    for stage in ("prepare", "train", "evaluate", "drift"):
        succeed(invoke(folder, stage))
    files = [file for part in ("data", "models", "reports") for file in sorted((folder / part).rglob("*"))]
    found = {file.relative_to(folder).as_posix(): sha256_bytes(file.read_bytes()) for file in files if file.is_file()}
    return {name: digest for name, digest in found.items() if name not in NO_RESULTS}


def read_record() -> dict[str, Any]:
    """What was recorded: `results`, the number; `environment`; `files`, a sha256 each."""
    record: dict[str, Any] = json.loads(RECORD.read_text())
    return record


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        made = {"results": RESULTS, "environment": environment(), "files": compute_results(Path(name))}
    RECORD.write_text(json.dumps(made, indent=2) + "\n")
