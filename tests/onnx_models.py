"""ONNX models made by hand, good and bad, and a bundle around one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
from onnx import NodeProto, TensorProto, helper
from tabular import feature, schema_of

from lockgate.config.files import readable_json, sha256_bytes
from lockgate.model.bundle import MANIFEST
from lockgate.model.onnx_runtime import INPUT, OUTPUT

OPSETS = {"": 18, "ai.onnx.ml": 3}


def node(
    operator: str, *inputs: str, domain: str = "", outputs: Sequence[str] = (OUTPUT,), **attributes: Any
) -> NodeProto:
    """An operator whose output is the probability, where no other is given."""
    return helper.make_node(operator, inputs or [INPUT], outputs, domain=domain, **attributes)


ONE_SPLIT: dict[str, Any] = {
    "nodes_treeids": [0, 0, 0],
    "nodes_nodeids": [0, 1, 2],
    "nodes_featureids": [0, 0, 0],
    "nodes_modes": ["BRANCH_LT", "LEAF", "LEAF"],
    "nodes_truenodeids": [1, 0, 0],
    "nodes_falsenodeids": [2, 0, 0],
    "nodes_values": [0.5, 0.0, 0.0],
}


def trees(**changed: Any) -> NodeProto:
    """One tree: feature 0 below 0.5 gives 1, else 2."""
    attributes = {
        **ONE_SPLIT,
        "n_targets": 1,
        "target_treeids": [0, 0],
        "target_nodeids": [1, 2],
        "target_ids": [0, 0],
        "target_weights": [1.0, 2.0],
    }
    return node("TreeEnsembleRegressor", domain="ai.onnx.ml", **{**attributes, **changed})


def tree_classifier(*inputs: str, outputs: Sequence[str], **attributes: Any) -> NodeProto:
    """One tree of two classes, 0 and 1, that asks whether feature 0 is below 0.5; `attributes` have its leaves' weights."""
    given = {**ONE_SPLIT, "classlabels_int64s": [0, 1], **attributes}
    return node("TreeEnsembleClassifier", *inputs, domain="ai.onnx.ml", outputs=outputs, **given)


def model(
    *nodes: NodeProto,
    features: int = 1,
    constants: Sequence[TensorProto] = (),
    opsets: dict[str, int] = OPSETS,
    **more: Any,
) -> onnx.ModelProto:
    """A model of so many features, by default the sigmoid of the only one."""
    graph = helper.make_graph(
        nodes or [node("Sigmoid")],
        "made by hand",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["rows", features])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["rows", 1])],
        list(constants),
    )
    imports = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    return helper.make_model(graph, opset_imports=imports, **{"ir_version": 10, **more})


def content(*nodes: NodeProto, **more: Any) -> bytes:
    """The file of `model`."""
    return bytes(model(*nodes, **more).SerializeToString(deterministic=True))


def manifest_of(files: dict[str, bytes]) -> bytes:
    """The manifest of these files, of no training data."""
    hashes = {name: sha256_bytes(files[name]) for name in sorted(files)}
    return readable_json({"schema": 2, "files": hashes, "training_data": "0" * 64, "origin": None, "params": {}})


def write_bundle_of(folder: Path, model_onnx: bytes) -> Path:
    """A bundle in form only, around a model."""
    schema = schema_of(feature("a", 0)).to_bytes()
    files = {"model.onnx": model_onnx, "schema.json": schema, "profile.json": b"{}", "golden.json": b"{}"}
    folder.mkdir(parents=True, exist_ok=True)
    for name, found in {**files, MANIFEST: manifest_of(files)}.items():
        (folder / name).write_bytes(found)
    return folder
