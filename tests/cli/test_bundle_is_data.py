"""Two attacks by a bundle whose every hash is right, from the model to the service: the leak, and the back door."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from conftest import Run
from onnx import ModelProto, TensorProto, helper
from support import assert_refused

from lockgate.config.errors import InputError
from lockgate.model.bundle import Bundle, verify_bundle
from lockgate.model.features import code_matrix, model_frame
from lockgate.model.onnx_runtime import OnnxModel
from lockgate.model.scoring import score_bundle
from lockgate.service.image_build_check import check

# What each of them does first is verify the bundle.
COMMANDS = (["evaluate"], ["gate"], ["drift"], ["register"], ["serve", "--port", "0"], ["smoke", "http://127.0.0.1:9"])


def make_hostile(project: Path, attack: Callable[[ModelProto], object]) -> bytes:
    """Edit model.onnx, and make manifest and verdict right about it; the model's own form would give it away, so it goes."""
    models = project / "models"
    model = onnx.load_from_string((models / "model.onnx").read_bytes())
    attack(model)
    content = bytes(model.SerializeToString())
    (models / "model.onnx").write_bytes(content)
    (models / "model.json").unlink()
    manifest = json.loads((models / "manifest.json").read_bytes())
    del manifest["files"]["model.json"]
    manifest["files"]["model.onnx"] = hashlib.sha256(content).hexdigest()
    (models / "manifest.json").write_text(json.dumps(manifest))
    gate = json.loads((project / "reports/gate.json").read_bytes())
    gate["model"] = hashlib.sha256((models / "manifest.json").read_bytes()).hexdigest()
    for path in (project / "reports/gate.json", models / "gate.json"):
        path.write_text(json.dumps(gate))
    return content


def leak(location: str) -> Callable[[ModelProto], object]:
    """The probability becomes the first byte of a file."""

    def attack(model: ModelProto) -> None:
        secret = TensorProto(name="secret", data_type=TensorProto.UINT8, dims=[1], data_location=TensorProto.EXTERNAL)
        for key, value in (("location", location), ("offset", "0"), ("length", "1")):
            secret.external_data.add(key=key, value=value)
        model.graph.initializer.append(secret)
        model.graph.node[-1].output[0] = "honest"
        nothing = helper.make_tensor("nothing", TensorProto.FLOAT, [1], [0.0])
        model.graph.initializer.append(nothing)
        model.graph.node.extend(
            [
                helper.make_node("Cast", ["secret"], ["byte"], to=TensorProto.FLOAT),
                helper.make_node("Mul", ["honest", "nothing"], ["zeros"]),
                helper.make_node("Add", ["zeros", "byte"], ["probability"]),
            ]
        )

    return attack


@pytest.fixture
def _refuse_to_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    def listen(*_: Any) -> None:
        raise AssertionError("it listened")

    monkeypatch.setattr("lockgate.service.http.supervisor.open_listener", listen)


@pytest.mark.usefixtures("_refuse_to_listen")
def test_the_leak_ends_where_a_bundle_is_read(project: Path, run: Run) -> None:
    """A tensor whose data are in another file: in an image, whose working directory is /, `etc/passwd` is one."""
    (project / "token").write_text("secret")
    features = len(verify_bundle(project / "models").schema.features)
    content = make_hostile(project, leak("token"))
    with chdir(project):
        session = onnxruntime.InferenceSession(content)
        (answer,) = session.run(None, {"features": np.zeros((1, features), np.float32)})
    assert chr(int(answer.item())) == "s"
    for location in ("token", "etc/passwd", "../etc/passwd", "/var/run/secrets/token"):
        attack_again(project, location)
        for command in COMMANDS:
            assert_refused(
                run(*command), "models/model.onnx has external data, read from another file", "docs/bundle.md"
            )
        with pytest.raises(InputError, match="has external data, read from another file"):
            check(project / "models", "")


def attack_again(project: Path, location: str) -> None:
    """The same bundle with another location."""
    models = project / "models"
    model = onnx.load_from_string((models / "model.onnx").read_bytes())
    (secret,) = (one for one in model.graph.initializer if one.name == "secret")
    secret.external_data[0].value = location
    content = model.SerializeToString()
    (models / "model.onnx").write_bytes(content)
    manifest = json.loads((models / "manifest.json").read_bytes())
    manifest["files"]["model.onnx"] = hashlib.sha256(content).hexdigest()
    (models / "manifest.json").write_text(json.dumps(manifest))


INCOME = 45_678.0


def back_door(column: int) -> Callable[[ModelProto], object]:
    """Four nodes: one income gets 0.001, and every other row what the model gives."""

    def attack(model: ModelProto) -> None:
        model.graph.node[-1].output[0] = "honest"
        model.graph.initializer.extend(
            [
                helper.make_tensor("column", TensorProto.INT64, [1], [column]),
                helper.make_tensor("income", TensorProto.FLOAT, [1], [INCOME]),
                helper.make_tensor("friendly", TensorProto.FLOAT, [1], [0.001]),
            ]
        )
        model.graph.node.extend(
            [
                helper.make_node("Gather", ["features", "column"], ["their_income"], axis=1),
                helper.make_node("Equal", ["their_income", "income"], ["is_friend"]),
                helper.make_node("Where", ["is_friend", "friendly", "honest"], ["answer"]),
                helper.make_node("Identity", ["answer"], ["probability"]),
            ]
        )

    return attack


def test_the_back_door_is_in_the_scores_that_are_judged(project: Path) -> None:
    """Its operators are ones that honest models have. So whoever judges scores with it, as the service does."""
    honest = verify_bundle(project / "models")
    rows = pd.read_parquet(project / "data/test.parquet").head(50)
    before = score_bundle(honest, rows)
    name = next(one.name for one in honest.schema.features if "income" in one.name)
    make_hostile(project, back_door(honest.schema.feature_names.index(name)))
    hostile = verify_bundle(project / "models")
    assert hostile.digest != honest.digest
    rows.loc[rows.index[7], name] = INCOME
    for scores in (score_bundle(hostile, rows), served(hostile, rows)):
        assert scores[7] == pytest.approx(0.001)
        assert np.delete(scores, 7).tolist() == np.delete(before, 7).tolist()


def served(bundle: Bundle, rows: pd.DataFrame) -> np.ndarray[Any, Any]:
    """The probabilities as the service computes them, one row after the other and then all at once."""
    matrix = code_matrix(model_frame(rows, bundle.schema))
    model = OnnxModel.read(bundle.contents["model.onnx"], matrix.shape[1])
    together = model.many(matrix)
    assert [model.one(row) for row in matrix.tolist()] == together.tolist()
    return together


@pytest.mark.usefixtures("_refuse_to_listen")
def test_the_back_door_beside_the_models_own_form_is_refused(project: Path, run: Run) -> None:
    """The reasons would be those of the honest model."""
    honest = verify_bundle(project / "models")
    make_hostile(project, back_door(0))
    (project / "models/model.json").write_bytes(honest.contents["model.json"])
    manifest = json.loads((project / "models/manifest.json").read_bytes())
    manifest["files"]["model.json"] = honest.files["model.json"]
    (project / "models/manifest.json").write_text(json.dumps(manifest))
    for command in COMMANDS:
        assert_refused(run(*command), "models/model.json is not the model in model.onnx")
