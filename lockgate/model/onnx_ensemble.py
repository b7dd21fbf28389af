"""The trees of a TreeEnsembleRegressor or TreeEnsembleClassifier as arrays, and that they are trees.

ONNX Runtime follows indices without asking where they lead: a child that points back is a loop without end, and a chain of
a hundred thousand nodes exhausts its stack. A node may have several parents: a set of categories shares its children.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lockgate.model.onnx_file import Attribute, Node
from lockgate.model.onnx_message import OnnxFormatError

MAX_TREE_NODES = 3_000_000
MAX_OUTPUTS = 1_000
MAX_TREE_DEPTH = 5_000  # ONNX Runtime walks a tree by recursion when it loads it
LEAF = b"LEAF"
MODES = (b"BRANCH_LEQ", b"BRANCH_LT", b"BRANCH_GTE", b"BRANCH_GT", b"BRANCH_EQ", b"BRANCH_NEQ", LEAF)
# The operators, and how they name what a leaf gives to which output.
LEAF_PREFIXES: Mapping[str, str] = {"TreeEnsembleRegressor": "target", "TreeEnsembleClassifier": "class"}
_ID_LIMIT = 2**31


@dataclass(frozen=True)
class Ensemble:
    """Trees, an entry a node, those of a tree one after the other and its root first, in the order of the file.

    `modes` are places in `MODES`; `yes` and `no` say at which entry a branch goes on (at a leaf, its own), and
    `missing_is_yes` where a missing value goes. `leaves` is the entry of each of `weights`, which add to the
    output of the number in `outputs`.
    `values` and `weights` are float64 where the file has them so, otherwise float32.
    """

    trees: NDArray[np.int64]
    nodes: NDArray[np.int64]
    features: NDArray[np.int64]
    modes: NDArray[np.int8]
    values: NDArray[np.floating]
    yes: NDArray[np.int64]
    no: NDArray[np.int64]
    missing_is_yes: NDArray[np.bool_]
    leaves: NDArray[np.int64]
    outputs: NDArray[np.int64]
    weights: NDArray[np.floating]
    base_values: NDArray[np.floating]
    output_count: int
    aggregate: bytes
    post_transform: bytes


def read_ensemble(node: Node) -> Ensemble:
    """The trees of a node. Raises OnnxFormatError where an index leads nowhere, back, too deep or into another tree."""
    given = _Given(node)
    leaf = LEAF_PREFIXES[node.operator]
    trees, nodes, modes = given.integers("nodes_treeids"), given.integers("nodes_nodeids"), given.texts("nodes_modes")
    count = len(trees)
    if not 0 < count <= MAX_TREE_NODES:
        raise OnnxFormatError(f"has {count:,} nodes in its trees, of 1 to {MAX_TREE_NODES:,}")
    values, weights = given.numbers("nodes_values"), given.numbers(f"{leaf}_weights")
    features = given.integers("nodes_featureids")
    missing = given.optional_integers("nodes_missing_value_tracks_true", count)
    yes, no = given.integers("nodes_truenodeids").copy(), given.integers("nodes_falsenodeids").copy()
    given.optional_numbers("nodes_hitrates", count)
    if {len(one) for one in (nodes, modes, values, features, missing, yes, no)} != {count}:
        raise OnnxFormatError("has trees whose lists of nodes differ in length")
    if not set(modes) <= set(MODES) or not ((missing == 0) | (missing == 1)).all() or np.isnan(values).any():
        raise OnnxFormatError(
            "has trees with an unknown mode, a threshold that is none or a side that is neither 0 nor 1"
        )
    places_of_modes = {mode: place for place, mode in enumerate(MODES)}
    kinds = np.fromiter((places_of_modes[mode] for mode in modes), np.int8, count)
    is_leaf = kinds == places_of_modes[LEAF]
    places = _Places(trees, nodes)
    branches = np.flatnonzero(~is_leaf)
    for side in (yes, no):
        side[branches] = places.of(trees[branches], side[branches])
        side[is_leaf] = np.flatnonzero(is_leaf)
    _require_trees(places.roots, is_leaf, yes, no)
    leaves = places.of(given.integers(f"{leaf}_treeids"), given.integers(f"{leaf}_nodeids"))
    outputs = given.integers(f"{leaf}_ids")
    size = given.output_count(leaf)
    if not len(leaves) == len(outputs) == len(weights):
        raise OnnxFormatError("has trees whose lists of leaves differ in length")
    if not is_leaf[leaves].all() or (np.bincount(leaves, minlength=count)[is_leaf] == 0).any():
        raise OnnxFormatError("has trees with a weight that is no leaf's, or a leaf without a weight")
    if not ((outputs >= 0) & (outputs < size)).all() or len(np.unique(leaves * size + outputs)) != len(leaves):
        raise OnnxFormatError("has trees with a leaf for an output that is not there, or two weights for one")
    base_values = given.optional_numbers("base_values", size, *([1] if leaf == "class" else []))
    if not (np.isfinite(weights).all() and np.isfinite(base_values).all()):
        raise OnnxFormatError("has trees with a weight that is not finite")
    return Ensemble(
        trees=trees,
        nodes=nodes,
        features=features,
        modes=kinds,
        values=values,
        yes=yes,
        no=no,
        missing_is_yes=missing == 1,
        leaves=leaves,
        outputs=outputs,
        weights=weights,
        base_values=base_values,
        output_count=size,
        aggregate=given.text("aggregate_function", b"SUM"),
        post_transform=given.text("post_transform", b"NONE"),
    )


class _Given:
    """The attributes of a node, each looked up under the type that it has to have."""

    def __init__(self, node: Node) -> None:
        self._operator = node.operator
        self._attributes = node.attributes

    def integers(self, name: str) -> NDArray[np.int64]:
        return self._list(name).integers

    def texts(self, name: str) -> tuple[bytes, ...]:
        return self._list(name).texts

    def text(self, name: str, default: bytes) -> bytes:
        found = self._attributes.get(name)
        return (*(found.texts if found and not found.is_list else ()), default)[0]

    def numbers(self, name: str) -> NDArray[np.floating]:
        """Given as a list of float32, or as a tensor of float32 or float64."""
        as_tensor = self._attributes.get(f"{name}_as_tensor")
        if as_tensor is None:
            return self._list(name).floats
        tensor = as_tensor.tensor
        if name in self._attributes or tensor is None or tensor.element_type not in ("float", "double"):
            raise OnnxFormatError(f"has {self._operator} with `{name}` twice, or not as numbers")
        found: NDArray[np.floating] = np.asarray(tensor.values).reshape(-1)
        return found

    def optional_integers(self, name: str, count: int) -> NDArray[np.int64]:
        """`count` numbers, zeros where there are none."""
        return self.integers(name) if name in self._attributes else np.zeros(count, np.int64)

    def optional_numbers(self, name: str, *counts: int) -> NDArray[np.floating]:
        """None, or one of so many numbers."""
        there = name in self._attributes or f"{name}_as_tensor" in self._attributes
        found = self.numbers(name) if there else np.empty(0, np.float32)
        if len(found) not in (0, *counts):
            raise OnnxFormatError(f"has {self._operator} with {len(found):,} `{name}` instead of {counts[0]:,}")
        return found

    def output_count(self, leaf: str) -> int:
        """How many numbers the trees give."""
        if leaf == "target":
            found = self._attributes.get("n_targets")
            count = int(found.integers[0]) if found and not found.is_list and len(found.integers) else 0
        else:
            labels = [self._attributes.get(f"classlabels_{kind}") for kind in ("strings", "int64s")]
            count = max((len(one.texts) or len(one.integers) for one in labels if one), default=0)
        if not 0 < count <= MAX_OUTPUTS:
            raise OnnxFormatError(f"has {self._operator} with {count:,} outputs, of 1 to {MAX_OUTPUTS:,}")
        return count

    def _list(self, name: str) -> Attribute:
        found = self._attributes.get(name)
        if found is None or not found.is_list:
            raise OnnxFormatError(f"has {self._operator} without a list `{name}`")
        return found


class _Places:
    """At which entry the node of a tree stands."""

    def __init__(self, trees: NDArray[np.int64], nodes: NDArray[np.int64]) -> None:
        starts = np.flatnonzero(np.diff(trees, prepend=trees[0] - 1))
        if len(np.unique(trees)) != len(starts):
            raise OnnxFormatError("has trees whose nodes do not stand one after the other")
        self.roots = starts
        keys = self._keys(trees, nodes)
        self._order = np.argsort(keys, kind="stable")
        self._sorted = keys[self._order]
        if (np.diff(self._sorted) == 0).any():
            raise OnnxFormatError("has a tree with two nodes of the same number")

    def of(self, trees: NDArray[np.int64], nodes: NDArray[np.int64]) -> NDArray[np.int64]:
        """The entries of these nodes."""
        if len(trees) != len(nodes):
            raise OnnxFormatError("has trees whose lists of leaves differ in length")
        keys = self._keys(trees, nodes)
        found = np.searchsorted(self._sorted, keys)
        if (found == len(self._sorted)).any() or (self._sorted[found] != keys).any():
            raise OnnxFormatError("has trees with a node that is not in its tree")
        return self._order[found]

    @staticmethod
    def _keys(trees: NDArray[np.int64], nodes: NDArray[np.int64]) -> NDArray[np.int64]:
        for ids in (trees, nodes):
            if len(ids) and not (ids.min() >= 0 and ids.max() < _ID_LIMIT):
                raise OnnxFormatError("has trees with a number of a tree or node that is negative or beyond int32")
        return trees * _ID_LIMIT + nodes


def _require_trees(
    roots: NDArray[np.int64], is_leaf: NDArray[np.bool_], yes: NDArray[np.int64], no: NDArray[np.int64]
) -> None:
    """Every node can be reached from its root, none from itself, and none by a path longer than `MAX_TREE_DEPTH`."""
    branches = np.flatnonzero(~is_leaf)
    parents = np.bincount(np.concatenate([yes[branches], no[branches]]), minlength=len(is_leaf))
    if parents[roots].any():
        raise OnnxFormatError("has a tree that leads back to its root")
    layer, reached = roots, 0
    for _ in range(MAX_TREE_DEPTH):
        reached += len(layer)
        inner = layer[~is_leaf[layer]]
        children = np.concatenate([yes[inner], no[inner]])
        np.subtract.at(parents, children, 1)
        # A node is in the layer after the last of its parents.
        layer = np.unique(children[parents[children] == 0])
        if not len(layer):
            break
    if reached != len(is_leaf):
        raise OnnxFormatError(
            f"has trees with a loop, a node that no path leads to, or a path of more than {MAX_TREE_DEPTH:,} nodes"
        )
