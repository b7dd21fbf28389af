"""What the kit runs leaves nothing in the home folder and tells nobody: ONNX Runtime would, by default, whatever scores a model."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

SCORE = """
import os
import sys
from pathlib import Path

from lockgate.model.onnx_runtime import onnx_session

class Watcher:
    def find_spec(self, name, path=None, target=None):
        if name == "onnxruntime":
            print("imported with", os.environ.get("ORT_DISABLE_TELEMETRY"))

sys.meta_path.insert(0, Watcher())
onnx_session(Path("models/model.onnx").read_bytes())
"""


def test_onnx_runtime_is_told_before_it_is_imported(trained_project: Path, tmp_path: Path) -> None:
    """Whether it would write and send without the switch depends on the machine, so it is the switch that is asked."""
    environment = {**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    done = subprocess.run(
        [sys.executable, "-c", SCORE], cwd=trained_project, env=environment, check=True, capture_output=True, text=True
    )
    assert done.stdout == "imported with 1\n"
    assert list(tmp_path.rglob("*onnxruntime*")) == []


def test_the_switch_is_one_that_this_onnx_runtime_knows() -> None:
    """A renamed one would be ignored in silence."""
    spec = find_spec("onnxruntime")
    assert spec is not None
    assert spec.origin is not None
    libraries = list((Path(spec.origin).parent / "capi").glob("onnxruntime_pybind11_state*"))
    assert any(b"ORT_DISABLE_TELEMETRY" in library.read_bytes() for library in libraries)
