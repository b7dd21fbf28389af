"""The XGBoost model as ONNX: what the service runs on single rows, 20 times as fast as XGBoost's own call.

Written from the booster's JSON and not by a general converter: those guess the objective and the intercept from the
shape of the trees, walk them recursively, and end at other probabilities in corners that a test set need not have. Here
the float32 additions are XGBoost's, in its order, the intercept first, so that the log-odds are equal bit for bit.

Every node asks `value < threshold`, which ONNX Runtime walks without asking what kind of node it has. A set of
categories becomes its runs of consecutive codes: {2, 3, 7} is `< 2` no, `< 4` yes, `< 7` no, `< 8` yes, else no. The
nodes of such a chain share their children, as in LightGBM's conversion: the yes-branches point to them, so a subtree is
stored once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lockgate.config.errors import InputError

INPUT = "features"
OUTPUT = "probability"
OPSET, TREES_OPSET, IR_VERSION = 18, 3, 10
TREES_DOMAIN = "ai.onnx.ml"


@dataclass
class _Nodes:
    """The attributes of a TreeEnsembleRegressor, a list entry a node or leaf."""

    treeids: list[int] = field(default_factory=list)
    nodeids: list[int] = field(default_factory=list)
    featureids: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    modes: list[str] = field(default_factory=list)
    truenodeids: list[int] = field(default_factory=list)
    falsenodeids: list[int] = field(default_factory=list)
    missing_value_tracks_true: list[int] = field(default_factory=list)
    leaf_treeids: list[int] = field(default_factory=list)
    leaf_nodeids: list[int] = field(default_factory=list)
    leaf_weights: list[float] = field(default_factory=list)

    def branch(self, tree: int, node: int, feature: int, below: float, yes: int, no: int, missing_is_yes: bool) -> None:
        """`feature < below` leads to `yes`, otherwise to `no`; a missing value to one of them."""
        self._node(tree, node, feature, below, "BRANCH_LT", yes, no)
        self.missing_value_tracks_true.append(int(missing_is_yes))

    def leaf(self, tree: int, node: int, weight: float) -> None:
        """What the tree adds to the log-odds here."""
        self._node(tree, node, 0, 0.0, "LEAF", 0, 0)
        self.missing_value_tracks_true.append(0)
        self.leaf_treeids.append(tree)
        self.leaf_nodeids.append(node)
        self.leaf_weights.append(weight)

    def _node(self, tree: int, node: int, feature: int, value: float, mode: str, yes: int, no: int) -> None:
        self.treeids.append(tree)
        self.nodeids.append(node)
        self.featureids.append(feature)
        self.values.append(value)
        self.modes.append(mode)
        self.truenodeids.append(yes)
        self.falsenodeids.append(no)


def to_onnx(model: bytes, feature_names: Sequence[str]) -> bytes:
    """The booster in `model` (XGBoost's JSON) as an ONNX model; equal models give equal bytes.

    Input `features`: float32 (rows, features), categories as their codes, NaN where missing. Output `probability`:
    float32 (rows, 1). Raises InputError where the booster is not what `fit` makes of these features.
    """
    learner = json.loads(model)["learner"]
    _require_known(learner, feature_names)
    trees = learner["gradient_booster"]["model"]["trees"]
    nodes = _Nodes()
    nodes.leaf(0, 0, _log_odds(learner["learner_model_param"]["base_score"]))
    for position, tree in enumerate(trees, start=1):
        _add_tree(nodes, position, tree)
    return _model(nodes, len(feature_names))


def _require_known(learner: Mapping[str, Any], feature_names: Sequence[str]) -> None:
    booster, parameters = learner["gradient_booster"], learner["learner_model_param"]
    found = {
        "booster": (booster["name"], "gbtree"),
        "objective": (learner["objective"]["name"], "binary:logistic"),
        "num_target": (parameters["num_target"], "1"),
        "num_parallel_tree": (booster.get("model", {}).get("gbtree_model_param", {}).get("num_parallel_tree"), "1"),
        "features": (learner["feature_names"], list(feature_names)),
    }
    for name, (value, known) in found.items():
        if value != known:
            raise InputError(
                f"model.onnx cannot be made: the model's {name} is {value!r}, and only {known!r} can be converted; "
                "train with `lockgate train`"
            )


def _log_odds(base_score: str) -> float:
    """The intercept as XGBoost computes it from the probability that it stores, in float32."""
    (probability,) = json.loads(base_score)
    return float(-np.log(np.float32(1) / np.float32(probability) - np.float32(1)))


def _add_tree(nodes: _Nodes, position: int, tree: Mapping[str, Any]) -> None:
    left, right, default_left = tree["left_children"], tree["right_children"], tree["default_left"]
    condition, feature = tree["split_conditions"], tree["split_indices"]
    sets = _category_sets(tree)
    free = len(left)  # ids for the nodes that chains add
    for node, yes in enumerate(left):
        if yes == -1:
            nodes.leaf(position, node, condition[node])
        elif node in sets:
            chain = _chain(sets[node], inside=right[node], outside=yes)
            added = len(chain) - 2  # the first branch is the node itself, the last entry is a child
            ids = [node, *range(free, free + added), chain[-1][1]]
            free += added
            _add_chain(nodes, position, feature[node], chain, ids, yes if default_left[node] else right[node])
        else:
            nodes.branch(position, node, feature[node], condition[node], yes, right[node], bool(default_left[node]))


def _category_sets(tree: Mapping[str, Any]) -> dict[int, list[int]]:
    """By node, the codes that lead to its right child."""
    segments = zip(tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"], strict=True)
    return {node: sorted(tree["categories"][start : start + size]) for node, start, size in segments}


def _chain(codes: Sequence[int], inside: int, outside: int) -> list[tuple[float, int]]:
    """(below, child): the first entry whose `below` exceeds the code says where it goes; the last takes the rest."""
    chain: list[tuple[float, int]] = []
    for code in codes:
        if chain and chain[-1][0] == code:
            chain[-1] = (code + 1.0, inside)
        else:
            chain += [(float(code), outside)] if code > 0 else []
            chain.append((code + 1.0, inside))
    return [*chain, (np.inf, outside)]


def _add_chain(
    nodes: _Nodes, tree: int, feature: int, chain: Sequence[tuple[float, int]], ids: Sequence[int], missing: int
) -> None:
    """A missing value turns off at the first node that can lead to `missing`; without one it runs to the end, there."""
    first = next((place for place, (_, child) in enumerate(chain[:-1]) if child == missing), None)
    for place, (below, child) in enumerate(chain[:-1]):
        nodes.branch(tree, ids[place], feature, below, child, ids[place + 1], place == first)


def _model(nodes: _Nodes, features: int) -> bytes:
    from onnx import TensorProto, checker, helper

    margin = "log_odds"
    ensemble = helper.make_node(
        "TreeEnsembleRegressor",
        [INPUT],
        [margin],
        domain=TREES_DOMAIN,
        n_targets=1,
        nodes_treeids=nodes.treeids,
        nodes_nodeids=nodes.nodeids,
        nodes_featureids=nodes.featureids,
        nodes_values=nodes.values,
        nodes_modes=nodes.modes,
        nodes_truenodeids=nodes.truenodeids,
        nodes_falsenodeids=nodes.falsenodeids,
        nodes_missing_value_tracks_true=nodes.missing_value_tracks_true,
        target_treeids=nodes.leaf_treeids,
        target_nodeids=nodes.leaf_nodeids,
        target_ids=[0] * len(nodes.leaf_weights),
        target_weights=nodes.leaf_weights,
    )
    graph = helper.make_graph(
        [ensemble, helper.make_node("Sigmoid", [margin], [OUTPUT])],
        "lockgate",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["rows", features])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["rows", 1])],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(TREES_DOMAIN, TREES_OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="lockgate")
    checker.check_model(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content
