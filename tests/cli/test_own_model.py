"""docs/own-model.md as it stands there: a project trains scikit-learn and LightGBM, from its data to a served prediction."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from exported_models import loans
from serving import Client, applicants
from support import invoke, succeed, write_params

from lockgate.model.bundle import verify_bundle
from lockgate.service.bundle import read_bundle
from lockgate.service.settings import Settings
from lockgate.service.worker import Worker

PAGE = (Path(__file__).parents[2] / "docs/own-model.md").read_text()
STAGE, SCIKIT_LEARN, LIGHTGBM = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
MODULES = {"scikit-learn": ("scikit_learn_model", SCIKIT_LEARN), "lightgbm": ("lightgbm_model", LIGHTGBM)}
SETTINGS = {"scikit-learn": {"C": 0.5}, "lightgbm": {"num_leaves": 7}}


@pytest.fixture(scope="module", params=["scikit-learn", pytest.param("lightgbm", marks=pytest.mark.full)])
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the page's files, from prepare to gate; not to be changed."""
    folder = tmp_path_factory.mktemp("own")
    loans().to_csv(folder / "loans.csv", index=False)
    prepare = {"source": "loans.csv", "target": "defaulted", "id_columns": ["id"]}
    write_params(folder, {"prepare": prepare, "train": {"model": "own", **SETTINGS[request.param]}})
    (folder / "pipeline").mkdir()
    module, code = MODULES[request.param]
    (folder / "pipeline/train.py").write_text(STAGE.replace("scikit_learn_model", module))
    (folder / f"pipeline/{module}.py").write_text(code)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        succeed(invoke(folder, "prepare"))
        train(folder)
        for command in ("evaluate", "gate"):
            succeed(invoke(folder, command))
    return folder


def train(folder: Path) -> None:
    """Run the stage as dvc.yaml does."""
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "pipeline/train.py"]
    ran = subprocess.run(command, cwd=folder, env=one_thread, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_the_bundle_has_the_model_as_onnx_and_nothing_else_of_it(project: Path) -> None:
    found = verify_bundle(project / "models")
    assert set(found.files) == {"model.onnx", "schema.json", "profile.json", "golden.json"}
    assert found.manifest.params["train"]["model"] == "own"
    assert set(found.manifest.params["train"]) > {"seed", "validation_size"}


def test_it_is_judged_and_served_by_one_score(project: Path) -> None:
    bundle = read_bundle(project / "models")
    client = Client(Worker(bundle, "pass", Settings()))
    rows = applicants(project / "data/test.parquet", bundle.schema)
    expected = pd.read_parquet(project / "reports/predictions.parquet").y_score
    assert any(value is None for row in rows for value in row.values())
    batch: list[dict[str, Any]] = client.ask("/predict/batch", {"rows": rows}).json["rows"]
    assert [one["probability"] for one in batch] == expected.tolist()
    for row, probability in zip(rows[:50], expected, strict=False):
        assert client.ask("/predict", row).json["probability"] == pytest.approx(probability, abs=1e-6)
    assert client.ask("/explain", rows[0]).status == 404


def test_equal_data_give_the_same_digest(project: Path) -> None:
    before = verify_bundle(project / "models").digest
    train(project)
    assert verify_bundle(project / "models").digest == before
