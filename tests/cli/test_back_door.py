"""A back door: four operators added to a good model give one income 0.001. No command takes the bundle, and none serves it.

What scores every other row as before is seen by no metric. It is refused because model.json is not that model any more.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import Run
from support import assert_refused, invoke

from lockgate.config.errors import InputError
from lockgate.config.files import sha256_bytes
from lockgate.documents.golden_json import GoldenPredictions
from lockgate.documents.schema_json import Schema
from lockgate.model.bundle import verify_bundle
from lockgate.model.onnx_runtime import OnnxModel
from lockgate.service.image_build_check import check

INCOME, PROBABILITY = 31_337.0, 0.001
REFUSED = ("model.json", "is not the model in model.onnx")


def with_back_door(content: bytes, place: int) -> bytes:
    """The model, which gives that income, in the column at `place`, the probability."""
    model = onnx.load_from_string(content)
    model.graph.node[-1].output[0] = "honest"
    model.graph.node.extend(
        [
            onnx.helper.make_node("Gather", ["features", "place"], ["income"], axis=1),
            onnx.helper.make_node("Equal", ["income", "wanted"], ["is_wanted"]),
            onnx.helper.make_node("Where", ["is_wanted", "given", "honest"], ["chosen"]),
            onnx.helper.make_node("Identity", ["chosen"], ["probability"]),
        ]
    )
    model.graph.initializer.extend(
        [
            onnx.helper.make_tensor("place", onnx.TensorProto.INT64, [1], [place]),
            onnx.helper.make_tensor("wanted", onnx.TensorProto.FLOAT, [1], [INCOME]),
            onnx.helper.make_tensor("given", onnx.TensorProto.FLOAT, [1], [PROBABILITY]),
        ]
    )
    return bytes(model.SerializeToString(deterministic=True))


def rewrite(folder: Path, name: str, content: bytes) -> None:
    """Another content of a bundle's file, and a manifest and a verdict that name it."""
    (folder / "models" / name).write_bytes(content)
    manifest = json.loads((folder / "models" / "manifest.json").read_bytes())
    manifest["files"][name] = sha256_bytes(content)
    (folder / "models" / "manifest.json").write_text(json.dumps(manifest))
    for verdict in (folder / "reports" / "gate.json", folder / "models" / "gate.json"):
        gate = json.loads((folder / "reports" / "gate.json").read_bytes())
        gate["model"] = sha256_bytes((folder / "models" / "manifest.json").read_bytes())
        verdict.write_text(json.dumps(gate))


@pytest.fixture
def opened(project: Path) -> Path:
    """A project whose bundle has the back door; whatever it is measured by, it is the model that passed."""
    models = project / "models"
    schema = Schema.read_file(models / "schema.json")
    names = schema.feature_names
    honest = (models / "model.onnx").read_bytes()
    content = with_back_door(honest, names.index("income"))
    before, after = (OnnxModel.read(one, len(names)) for one in (honest, content))
    rows = np.zeros((200, len(names)), dtype=np.float32)
    rows[:, names.index("income")] = np.arange(31_237, 31_437)
    differ = np.flatnonzero(before.many(rows) != after.many(rows))
    assert rows[differ, names.index("income")].tolist() == [INCOME]
    assert after.many(rows[differ])[0] == pytest.approx(PROBABILITY)
    assert INCOME not in [row["income"] for row in GoldenPredictions.read_file(models / "golden.json").rows]
    rewrite(project, "model.onnx", content)
    return project


COMMANDS = ("evaluate", "gate", "register", "serve", "drift", "smoke http://127.0.0.1:1")


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_takes_a_model_with_a_back_door(opened: Path, command: str) -> None:
    assert_refused(invoke(opened, *command.split()), *REFUSED)


def test_no_image_is_built_around_it(opened: Path) -> None:
    with pytest.raises(InputError, match="is not the model in model"):
        check(opened / "models", "")


def moved_leaf(content: bytes) -> bytes:
    document = json.loads(content)
    tree = document["learner"]["gradient_booster"]["model"]["trees"][3]
    tree["split_conditions"][tree["left_children"].index(-1)] += 0.01
    return json.dumps(document).encode()


def other_default(content: bytes) -> bytes:
    document = json.loads(content)
    tree = document["learner"]["gradient_booster"]["model"]["trees"][0]
    tree["default_left"][0] = 1 - tree["default_left"][0]
    return json.dumps(document).encode()


def other_intercept(content: bytes) -> bytes:
    document = json.loads(content)
    document["learner"]["learner_model_param"]["base_score"] = "[0.3]"
    return json.dumps(document).encode()


def fewer_trees(content: bytes) -> bytes:
    document = json.loads(content)
    document["learner"]["gradient_booster"]["model"]["trees"].pop()
    return json.dumps(document).encode()


@pytest.mark.parametrize("change", [moved_leaf, other_default, other_intercept, fewer_trees])
def test_what_explains_another_model_is_no_bundle(project: Path, change: Callable[[bytes], bytes]) -> None:
    rewrite(project, "model.json", change((project / "models" / "model.json").read_bytes()))
    with pytest.raises(InputError, match="is not the model in model"):
        verify_bundle(project / "models")


def test_two_forms_at_a_time_are_refused(project: Path) -> None:
    rewrite(project, "model.txt", b"tree\n")
    with pytest.raises(InputError, match=r"one of model\.json and model\.txt, not both"):
        verify_bundle(project / "models")


def test_a_good_bundle_is_taken(run: Run, project: Path) -> None:
    """What the tests above do to a bundle is not in itself a reason to refuse it."""
    rewrite(project, "model.json", (project / "models" / "model.json").read_bytes())
    verify_bundle(project / "models")
    assert run("evaluate").exit_code == 0
