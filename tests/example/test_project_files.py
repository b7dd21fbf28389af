"""The worked example is in order, and its stages are the kit's, each run by the project's own script."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from lockgate.ci.release.prepared_rows import KITS_SCRIPT, SCRIPT
from lockgate.config.files import sha256_file
from lockgate.dvc.check import project_problems
from lockgate.dvc.stages import read_kit_stages, read_pipeline

pytestmark = pytest.mark.example
ROOT = Path(__file__).parents[2]


def test_settings_stages_and_lock_are_in_order() -> None:
    """As `lockgate check` says it. Stale: run `dvc repro` and commit dvc.lock."""
    assert project_problems(ROOT) == []


def test_each_stage_is_the_kits_run_by_a_script() -> None:
    own = read_pipeline(ROOT / "dvc.yaml").stages or {}
    for name, stage in read_kit_stages().items():
        script = f"pipeline/{name}.py"
        assert own[name] == msgspec.structs.replace(
            stage,
            cmd=str(stage.cmd).replace(f"lockgate {name}", f"python {script}"),
            deps=[script, *(stage.deps or [])],
        )


def test_the_preparation_that_a_release_does_again_is_the_script_here() -> None:
    assert sha256_file(ROOT / SCRIPT) == KITS_SCRIPT
