"""What the kit runs leaves nothing in the home folder and tells nobody: ONNX Runtime would, by default, whatever scores a model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCORE = """
from pathlib import Path
from lockgate.model.onnx_runtime import onnx_session
onnx_session(Path("models/model.onnx").read_bytes())
"""


@pytest.mark.parametrize(("code", "leaves"), [(SCORE, False), (f"import onnxruntime{SCORE}", True)])
def test_onnx_runtime_leaves_no_identifier_of_the_machine(
    trained_project: Path, tmp_path: Path, code: str, leaves: bool
) -> None:
    """The second case shows that the first can fail: imported before the kit could say so, it does."""
    environment = {**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run([sys.executable, "-c", code], cwd=trained_project, env=environment, check=True)
    assert any(tmp_path.rglob("*onnxruntime*")) == leaves
