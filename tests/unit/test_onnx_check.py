"""What no bundle's model.onnx may hold, refused in one line before ONNX Runtime sees it; and what it may, which it runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper
from onnx_models import content, model, node, trees

from lockgate.config.errors import InputError
from lockgate.model.onnx_check import IR_VERSIONS, MAX_NODES, MAX_TENSOR_ELEMENTS, OPERATORS, OPSETS, check_onnx
from lockgate.model.onnx_ensemble import MAX_TREE_DEPTH
from lockgate.model.onnx_runtime import OnnxModel

ROOT = Path(__file__).parents[2]


def refusal(found: bytes) -> str:
    with pytest.raises(InputError) as refused:
        check_onnx(found, "models/model.onnx")
    message = str(refused.value)
    assert "\n" not in message
    assert message.startswith("models/model.onnx ")
    assert "; take a model that `lockgate train` made" in message
    return message


def changed(change: Callable[[ModelProto], object], *nodes: onnx.NodeProto) -> bytes:
    made = model(*nodes)
    change(made)
    return bytes(made.SerializeToString())


def external(location: str) -> TensorProto:
    tensor = TensorProto(name="weights", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    return tensor


BRANCH = helper.make_graph([], "branch", [], [])
EXTERNAL_ATTRIBUTE = node("Constant", value=external("../etc/passwd"), outputs=["weights"])
STRANGERS: dict[str, tuple[bytes, str]] = {
    "external data": (content(constants=[external("etc/passwd")]), "has external data, read from another file"),
    "external data in an attribute": (content(EXTERNAL_ATTRIBUTE, node("Sigmoid")), "has external data"),
    "a place in memory": (content(constants=[external("*/_ORT_MEM_ADDR_/*")]), "has external data"),
    "the word external alone": (
        content(constants=[TensorProto(name="a", data_type=1, data_location=TensorProto.EXTERNAL)]),
        "has a location of external data",
    ),
    "functions": (
        changed(lambda made: made.functions.add(name="mine", domain="mine")),
        "has functions",
    ),
    "a training graph": (changed(lambda made: made.training_info.add()), "has a training graph"),
    "a sparse constant": (changed(lambda made: made.graph.sparse_initializer.add()), "has sparse initializers"),
    "a branch": (content(node("If", then_branch=BRANCH, else_branch=BRANCH)), "has a subgraph"),
    "a sequence": (
        changed(lambda made: made.graph.output[0].type.sequence_type.elem_type.tensor_type.SetInParent()),
        "has a sequence",
    ),
    "a domain nobody knows": (content(opsets={"": 18, "com.microsoft": 1}), "imports the domain `com.microsoft`"),
    "an operator of a domain nobody knows": (
        content(node("Sigmoid", domain="com.microsoft")),
        "has the operator `Sigmoid` of `com.microsoft`, which is not on the list",
    ),
    "one domain with two opsets": (
        changed(lambda made: made.opset_import.add(domain="ai.onnx", version=17)),
        "imports the domain `` twice",
    ),
    "an opset of the future": (content(opsets={"": 99}), "has the opset 99 of ai.onnx"),
    "an opset of the past": (content(opsets={"": 8}), "has the opset 8 of ai.onnx"),
    "no opset": (content(opsets={"ai.onnx.ml": 3}), "has operators of ai.onnx and does not say which opset"),
    "an IR version of the future": (content(ir_version=99), "has the IR version 99"),
    "settings of the runtime": (
        changed(lambda made: made.metadata_props.add(key="ort_config", value="{}")),
        "has settings for ONNX Runtime",
    ),
    "the runtime's own format": (content(producer_name="ORTM"), "begins as a file of ONNX Runtime's own format"),
    "too many operators": (
        content(*[node("Identity", outputs=[f"a{place}"]) for place in range(MAX_NODES)], node("Sigmoid")),
        f"has {MAX_NODES + 1:,} operators",
    ),
    "too large a constant": (
        content(
            constants=[helper.make_tensor("a", 9, [MAX_TENSOR_ELEMENTS + 1], bytes(MAX_TENSOR_ELEMENTS + 1), raw=True)]
        ),
        f"has a constant of {MAX_TENSOR_ELEMENTS + 1:,} elements",
    ),
    "a constant with too few data": (
        content(constants=[TensorProto(name="a", data_type=1, dims=[2], raw_data=b"1234")]),
        "data are not as many as its dimensions say",
    ),
    "a constant of a negative size": (
        content(constants=[TensorProto(name="a", data_type=1, dims=[-1])]),
        "or a negative one",
    ),
    "a constant of an absurd size": (
        content(constants=[TensorProto(name="a", data_type=1, dims=[2**62, 2**62])]),
        "data are not as many as its dimensions say",
    ),
    "a constant of too many dimensions": (
        content(constants=[TensorProto(name="a", data_type=1, dims=[0] * 9)]),
        "more than 8 dimensions",
    ),
    "a constant of half floats": (content(constants=[TensorProto(name="a", data_type=10, dims=[0])]), "of the type 10"),
    "data twice": (
        content(constants=[TensorProto(name="a", data_type=1, dims=[1], raw_data=b"1234", float_data=[1.0])]),
        "or data twice",
    ),
    "a boolean of 2": (
        content(constants=[TensorProto(name="a", data_type=9, dims=[1], int32_data=[2])]),
        "that its type cannot hold",
    ),
    "an input that a constant replaces": (
        content(constants=[helper.make_tensor("features", 1, [1, 1], [0.0])]),
        "makes `features` twice",
    ),
    "a loop": (content(node("Sigmoid", "a", outputs=["b"]), node("Sigmoid", "b", outputs=["a"])), "uses `a` before"),
    "a tensor made twice": (content(node("Sigmoid"), node("Sigmoid")), "makes `probability` twice"),
    "an output that nothing makes": (
        content(node("Sigmoid", outputs=["a"])),
        "gives `probability`, which nothing makes",
    ),
    "a control character in a name": (content(node("Sig\x1b[2J")), "has the operator `Sig\ufffd[2J`"),
}


@pytest.mark.parametrize("case", STRANGERS)
def test_what_is_no_data_is_refused(case: str) -> None:
    found, problem = STRANGERS[case]
    assert problem in refusal(found)


OTHER_OPERATORS = """
Loop Scan RandomUniform Bernoulli SequenceAt OptionalGetElement RegexFullMatch StringNormalizer TfIdfVectorizer Dropout
ConstantOfShape Expand Tile Pad Range OneHot ImageDecoder
"""


@pytest.mark.parametrize("operator", OTHER_OPERATORS.split())
def test_other_operators_are_refused(operator: str) -> None:
    assert f"has the operator `{operator}` of `ai.onnx`, which is not on the list" in refusal(content(node(operator)))


TREES: dict[str, tuple[dict[str, list[float] | list[int] | list[str]], str]] = {
    "a child that is not there": ({"nodes_truenodeids": [9, 0, 0]}, "a node that is not in its tree"),
    "a child in another tree": (
        {"nodes_treeids": [0, 0, 1], "target_treeids": [0, 1]},
        "a node that is not in its tree",
    ),
    "a negative child": ({"nodes_truenodeids": [-1, 0, 0]}, "negative or beyond int32"),
    "a child that is its parent": ({"nodes_truenodeids": [0, 0, 0]}, "leads back to its root"),
    "a loop": (
        {
            "nodes_modes": ["BRANCH_LT", "BRANCH_LT", "LEAF", "BRANCH_LT"],
            "nodes_treeids": [0, 0, 0, 0],
            "nodes_nodeids": [0, 1, 2, 3],
            "nodes_featureids": [0, 0, 0, 0],
            "nodes_values": [0.0] * 4,
            "nodes_truenodeids": [1, 3, 0, 1],
            "nodes_falsenodeids": [2, 2, 0, 2],
            "target_treeids": [0],
            "target_nodeids": [2],
            "target_ids": [0],
            "target_weights": [1.0],
        },
        "with a loop",
    ),
    "a node that nothing leads to": ({"nodes_falsenodeids": [1, 0, 0]}, "a node that no path leads to"),
    "two nodes of one number": ({"nodes_nodeids": [0, 1, 1]}, "two nodes of the same number"),
    "a tree in two pieces": ({"nodes_treeids": [0, 1, 0]}, "do not stand one after the other"),
    "a feature beyond the last": ({"nodes_featureids": [1, 0, 0]}, "a feature that the model does not have"),
    "a negative feature": ({"nodes_featureids": [-1, 0, 0]}, "a feature that the model does not have"),
    "an unknown mode": ({"nodes_modes": ["BRANCH_MEMBER", "LEAF", "LEAF"]}, "an unknown mode"),
    "a threshold that is none": ({"nodes_values": [float("nan"), 0.0, 0.0]}, "a threshold that is none"),
    "a side that is neither": ({"nodes_missing_value_tracks_true": [2, 0, 0]}, "neither 0 nor 1"),
    "fewer values than nodes": ({"nodes_values": [0.5]}, "lists of nodes differ in length"),
    "no modes": ({"nodes_modes": [1.0]}, "lists of nodes differ in length"),
    "a weight of a branch": ({"target_nodeids": [0, 2]}, "a weight that is no leaf's, or a leaf without a weight"),
    "a leaf without a weight": (
        {"target_treeids": [0], "target_nodeids": [1], "target_ids": [0], "target_weights": [1.0]},
        "a leaf without a weight",
    ),
    "fewer weights than leaves": ({"target_weights": [1.0]}, "lists of leaves differ in length"),
    "an output that is not there": ({"target_ids": [0, 5]}, "an output that is not there"),
    "two weights of one leaf": (
        {"target_treeids": [0] * 3, "target_nodeids": [1, 2, 2], "target_ids": [0] * 3, "target_weights": [1.0] * 3},
        "two weights for one",
    ),
    "a weight without end": ({"target_weights": [1.0, float("inf")]}, "not finite"),
    "more base values than outputs": ({"base_values": [1.0, 2.0]}, "with 2 `base_values` instead of 1"),
}


@pytest.mark.parametrize("case", TREES)
def test_trees_that_are_none_are_refused(case: str) -> None:
    given, problem = TREES[case]
    assert problem in refusal(content(trees(**given)))


@pytest.mark.parametrize("number", [0, -1, 10**9])
def test_an_absurd_number_of_outputs_is_refused(number: int) -> None:
    assert f"with {number:,} outputs" in refusal(content(trees(n_targets=number)))


def deep(depth: int) -> bytes:
    """One tree, a chain of so many branches, each with a leaf beside it."""
    size = 2 * depth + 1
    return content(
        trees(
            nodes_treeids=[0] * size,
            nodes_nodeids=list(range(size)),
            nodes_featureids=[0] * size,
            nodes_modes=["BRANCH_LT"] * depth + ["LEAF"] * (depth + 1),
            nodes_values=[0.0] * size,
            nodes_truenodeids=[depth + place for place in range(depth)] + [0] * (depth + 1),
            nodes_falsenodeids=[*range(1, depth), size - 1] + [0] * (depth + 1),
            target_treeids=[0] * (depth + 1),
            target_nodeids=list(range(depth, size)),
            target_ids=[0] * (depth + 1),
            target_weights=[1.0] * (depth + 1),
        )
    )


def test_the_deepest_tree_is_one_that_the_runtime_survives(tmp_path: Path) -> None:
    """It walks a tree by recursion; in a process of its own, as a tree twice as deep can end one."""
    (tmp_path / "model.onnx").write_bytes(deep(MAX_TREE_DEPTH - 1))
    score = "from lockgate.model.onnx_runtime import OnnxModel; import sys, numpy as np, pathlib; " + (
        "print(OnnxModel.read(pathlib.Path(sys.argv[1]).read_bytes(), 1).many(np.ones((3, 1), np.float32)).tolist())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", score, tmp_path / "model.onnx"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert ran.stdout == "[1.0, 1.0, 1.0]\n", ran.stderr
    assert f"a path of more than {MAX_TREE_DEPTH:,} nodes" in refusal(deep(MAX_TREE_DEPTH))


VERSIONS = [({"": 18}, ir) for ir in IR_VERSIONS]
VERSIONS += [({"": version}, 10) for version in range(OPSETS[""][0], OPSETS[""][1] + 1)]
VERSIONS += [({"": 18, "ai.onnx.ml": version}, 10) for version in range(1, OPSETS["ai.onnx.ml"][1] + 1)]


@pytest.mark.parametrize(("opsets", "ir_version"), VERSIONS)
def test_every_version_that_is_taken_scores(opsets: dict[str, int], ir_version: int) -> None:
    nodes = [node("Identity", outputs=["scaled"])]
    if "ai.onnx.ml" in opsets:
        nodes = [node("Scaler", domain="ai.onnx.ml", outputs=["scaled"], offset=[0.0], scale=[1.0])]
    found = OnnxModel.read(content(*nodes, node("Sigmoid", "scaled"), opsets=opsets, ir_version=ir_version), 1)
    assert found.one([0.0]) == 0.5


def test_the_page_on_bundles_lists_the_operators_and_limits() -> None:
    page = (ROOT / "docs" / "bundle.md").read_text()
    for domain, operators in OPERATORS.items():
        name = domain or "ai.onnx"
        first, last = OPSETS[domain]
        listed = page.split(f"`{name}`, opsets {first} to {last}: ")[1].split("\n\n")[0]
        assert listed.rstrip(".").replace("\n", " ").split(", ") == sorted(operators)
    for limit in (MAX_NODES, MAX_TENSOR_ELEMENTS, MAX_TREE_DEPTH):
        assert f"{limit:,}" in page


CHECKED = check_onnx(content(), "model.onnx")


def test_opening_a_model_depends_on_no_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file lies there that would complete the model; without our check ONNX Runtime finds none either."""
    (tmp_path / "weights").write_bytes(np.array([3.0], np.float32).tobytes())
    monkeypatch.chdir(tmp_path)
    for location in ("weights", "./weights", f"../{tmp_path.name}/weights", str(tmp_path / "weights")):
        found = content(node("Mul", "features", "weights"), constants=[external(location)])
        with pytest.raises(InputError, match="has external data"):
            OnnxModel.read(found, 1)
        with pytest.raises(InputError, match="ONNX Runtime cannot load"):
            OnnxModel(replace(CHECKED, content=found), 1)


def test_a_model_is_never_taken_for_one_of_the_runtimes_own_format() -> None:
    """By its first bytes the runtime would take it for one, and fail."""
    assert OnnxModel(replace(CHECKED, content=content(producer_name="ORTM")), 1).one([0.0]) == 0.5


SHAPES: dict[str, tuple[bytes, str]] = {
    "another number of features": (
        content(node("ReduceMin", axes=[1]), features=2, opsets={"": 13}),
        "does not take 1 `features`",
    ),
    "two numbers a row": (
        content(node("Concat", "features", "features", axis=1)),
        "does not give one `probability` a row",
    ),
    "a graph that cannot run": (content(node("And", "features", "features")), "ONNX Runtime cannot load"),
    "an index beyond": (
        content(node("Gather", "features", "place", axis=1), constants=[helper.make_tensor("place", 7, [1], [9])]),
        "ONNX Runtime cannot run",
    ),
}


@pytest.mark.parametrize("case", SHAPES)
def test_a_model_of_another_shape_is_refused(case: str) -> None:
    found, problem = SHAPES[case]
    with pytest.raises(InputError, match=problem):
        OnnxModel.read(found, 1).many(np.zeros((3, 1), np.float32))
