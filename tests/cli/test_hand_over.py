"""`release hand-over`: what it checks is what it hashes, whichever file it is told of."""

from __future__ import annotations

import json
from hashlib import md5
from pathlib import Path

import pandas as pd
import pytest
from conftest import Run
from support import assert_refused, edit_params, succeed

from lockgate.config.files import sha256_file
from lockgate.model.bundle import verify_bundle


@pytest.fixture
def locked(project: Path) -> Path:
    """The trained project, whose dvc.lock names its bundle."""
    manifest = (project / "models/manifest.json").read_bytes()
    out = {"path": "models/manifest.json", "md5": md5(manifest, usedforsecurity=False).hexdigest()}
    (project / "dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": {"train": {"cmd": "x", "outs": [out]}}}))
    return project


def blocked(path: Path, target: Path) -> None:
    gate = json.loads(path.read_bytes())
    target.write_text(json.dumps({**gate, "verdict": "block"}))


def test_the_verdict_that_is_named_is_the_one_that_is_checked_and_hashed(locked: Path, run: Run) -> None:
    gate = locked / "reports/gate.json"
    gate.rename(locked / "elsewhere.json")
    blocked(locked / "elsewhere.json", gate)
    outputs = succeed(run("release", "hand-over", "--verdict", "elsewhere.json")).stdout.splitlines()
    assert f"digest={verify_bundle(locked / 'models').digest}" in outputs
    assert f"verdict-digest={sha256_file(locked / 'elsewhere.json')}" in outputs


def test_a_pass_that_lies_elsewhere_hands_over_no_block(locked: Path, run: Run) -> None:
    blocked(locked / "reports/gate.json", locked / "elsewhere.json")
    refused = run("release", "hand-over", "--verdict", "elsewhere.json")
    assert_refused(refused, "elsewhere.json")
    assert "verdict-digest" not in refused.stdout


def test_the_comparison_with_the_champion_is_made_once_more(locked: Path, run: Run) -> None:
    edit_params(locked, gate={"champion": {"source": "file"}})
    table = pd.read_parquet(locked / "reports/predictions.parquet")
    for name, factor in (("champion.csv", 0.9), ("other.csv", 0.8)):
        table.assign(y_score=factor * table["y_score"]).to_csv(locked / name, index=False)
    succeed(run("gate", "--champion", "champion.csv"))
    succeed(run("release", "hand-over", "--champion", "champion.csv"))
    assert_refused(run("release", "hand-over", "--champion", "other.csv"), "champion", "is not what")
