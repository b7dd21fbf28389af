"""LightGBM's text, read without LightGBM: checked, written as ONNX, and explained.

LightGBM ends the process on some damaged texts. So it never sees a file that may be anybody's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lockgate.documents.schema_json import Feature
from lockgate.model.flavours.native_form import (
    DamagedError,
    integers,
    numbers,
    require,
    require_finite_sum,
    require_tree,
)
from lockgate.model.flavours.tree_shap import SplitTree, tree_shap
from lockgate.model.onnx_trees import TreeEnsemble
from lockgate.model.protocol import Explain

# What a node's `decision_type` is made of (include/LightGBM/tree.h).
CATEGORICAL, DEFAULT_LEFT = 1, 2
MISSING_SHIFT, MISSING_IS_NONE, MISSING_IS_NAN = 2, 0, 2
# Values this near to 0 are 0 to LightGBM (`kZeroThreshold`, a float32).
ZERO = float(np.float32(1e-35))
WORD = 32  # bits of a set of categories in one number


@dataclass(frozen=True)
class Tree:
    """A tree, checked: split nodes by index, leaf l as the child -1 - l.

    `thresholds` of a node that splits by category is the index of its set in `categories`, whose codes lead to the left
    child. node_rows, leaf_rows: how many training rows came by.
    """

    features: NDArray[np.int64]
    thresholds: NDArray[np.float64]
    decisions: NDArray[np.int64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    leaves: NDArray[np.float64]
    node_rows: NDArray[np.int64]
    leaf_rows: NDArray[np.int64]
    categories: list[list[int]]


@dataclass(frozen=True)
class LightGBMForm:
    """A booster of the event's probability: its trees."""

    features: int
    trees: Sequence[Tree]

    @classmethod
    def read(cls, content: bytes, features: Sequence[Feature]) -> LightGBMForm:
        """The booster in LightGBM's text; raises DamagedError where it is not what the kit trains on these features."""
        try:
            header, *texts = content.decode().partition("\nend of trees")[0].split("\nTree=")
        except UnicodeDecodeError:
            raise DamagedError("is not LightGBM's text") from None
        _require_known(header, len(features))
        categories = np.array([len(feature.categories) for feature in features], dtype=np.int64)
        trees = []
        for number, text in enumerate(texts):
            try:
                trees.append(_checked(_keys(text), categories))
            except DamagedError as error:
                raise DamagedError(f"is damaged in its tree {number}: {error}") from None
        require_finite_sum(tree.leaves for tree in trees)
        return cls(len(features), trees)

    def onnx(self) -> bytes:
        """As ONNX, in float64 as in the library, so that every value falls on the same side."""
        ensemble = TreeEnsemble(double=True)
        for position, tree in enumerate(self.trees):
            _add_tree(ensemble, position, tree)
        return ensemble.to_bytes(self.features)

    def explainer(self) -> Explain:
        """By the number of training rows in each node, as the library's own `pred_contrib`."""
        return tree_shap([_split_tree(tree) for tree in self.trees], self.features, 0.0)


def _keys(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def _require_known(header: str, features: int) -> None:
    expected = {
        "objective": "binary sigmoid:1",
        "num_class": "1",
        "num_tree_per_iteration": "1",
        "max_feature_idx": str(features - 1),
    }
    found = _keys(header)
    for name, known in expected.items():
        value = found.get(name, "")
        require(value == known, f"is none that the kit trains: its {name} is {value[:40]!r} and not {known!r}")
    require("average_output" not in header.splitlines(), "is none that the kit trains: it averages its trees")


def _checked(keys: Mapping[str, str], categories: NDArray[np.int64]) -> Tree:
    require(keys.get("is_linear", "0") == "0", "its leaves are linear")

    def parsed(name: str, kind: type[int] | type[float]) -> list[float]:
        try:
            return [kind(value) for value in keys.get(name, "").split()]
        except ValueError:
            raise DamagedError(f"{name} holds what is no number") from None

    def whole(name: str, low: int, high: int) -> NDArray[np.int64]:
        return integers(parsed(name, int), f"{name} holds a number out of range", low, high)  # type: ignore[arg-type]

    features = whole("split_feature", 0, len(categories) - 1)
    splits, leaves = len(features), len(features) + 1
    child = partial(whole, low=-leaves, high=splits - 1)
    left, right = child("left_child"), child("right_child")
    decisions = whole("decision_type", 0, CATEGORICAL | DEFAULT_LEFT | MISSING_IS_NAN << MISSING_SHIFT)
    rows = partial(whole, low=1, high=2**31 - 1)
    node_rows, leaf_rows = rows("internal_count"), rows("leaf_count")
    if not splits:
        leaf_rows = np.ones(1, dtype=np.int64)  # not always counted in a tree of one leaf, and of no effect
    thresholds = numbers(parsed("threshold", float), "a threshold is no number")
    values = numbers(parsed("leaf_value", float), "a leaf_value is no number")
    lengths = {len(one) for one in (left, right, decisions, thresholds, node_rows)}
    require(lengths == {splits} and len(values) == leaves, "its lists differ in length")
    require(len(leaf_rows) == leaves, "its lists differ in length")
    require(np.isfinite(values).all(), "a leaf is not finite")
    children = np.column_stack([left, right])
    children[children < 0] = splits - 1 - children[children < 0]
    require_tree(np.arange(splits), children, splits + leaves)
    together = np.concatenate([node_rows, leaf_rows])[children].sum(axis=1) if splits else node_rows
    require(np.array_equal(together, node_rows), "the rows of a node are not those of its children")
    by_category = (decisions & CATEGORICAL) == CATEGORICAL
    known = np.isin(decisions[~by_category] >> MISSING_SHIFT, (MISSING_IS_NONE, MISSING_IS_NAN))
    require(known.all(), "a node takes zeros as missing")
    require(np.array_equal(by_category, categories[features] > 0), "a split is of another kind than its feature")
    bounds = whole("cat_boundaries", 0, 2**31 - 1)
    words = whole("cat_threshold", 0, 2**WORD - 1)
    sets = max(len(bounds) - 1, 0)
    problem = "its categories are not one set for each node that splits by category, one after the other"
    require(np.array_equal(thresholds[by_category], np.arange(sets)), problem)
    require(not sets or (bounds[0] == 0 and (np.diff(bounds) > 0).all()), problem)
    require(len(words) == (bounds[-1] if sets else 0), problem)
    found = [list(_set_bits(words[start:end])) for start, end in pairwise(bounds.tolist())]
    for codes, limit in zip(found, categories[features[by_category]], strict=True):
        require(len(codes) > 0 and codes[-1] < limit, "a category is none of its feature")
    return Tree(features, thresholds, decisions, left, right, values, node_rows, leaf_rows, found)


def _set_bits(words: NDArray[np.int64]) -> Iterator[int]:
    return (WORD * place + bit for place, word in enumerate(words.tolist()) for bit in range(WORD) if word >> bit & 1)


def _add_tree(ensemble: TreeEnsemble, position: int, tree: Tree) -> None:
    """Split nodes keep their indices, leaves follow, then the nodes that sets of categories add."""
    splits = len(tree.features)
    free = splits + len(tree.leaves)

    def child(index: int) -> int:
        return index if index >= 0 else splits - 1 - index

    rows = zip(
        tree.features.tolist(),
        tree.thresholds.tolist(),
        tree.decisions.tolist(),
        map(child, tree.left.tolist()),
        map(child, tree.right.tolist()),
        strict=True,
    )
    for node, (feature, threshold, decision, left, right) in enumerate(rows):
        if decision & CATEGORICAL:
            codes = tree.categories[int(threshold)]
            free = ensemble.categories(position, node, feature, codes, (left, right), right, free)
        else:
            missing_is_left = _missing_is_left(decision, threshold)
            ensemble.branch(position, node, feature, _below(threshold), left, right, missing_is_left)
    for leaf, weight in enumerate(tree.leaves.tolist()):
        ensemble.leaf(position, splits + leaf, weight)


def _below(threshold: float) -> float:
    """`value <= threshold` as `value < _below(threshold)`, for values of which those near to 0 are 0."""
    if -ZERO <= threshold < 0.0:
        return -ZERO
    return math.nextafter(ZERO if 0.0 <= threshold < ZERO else threshold, math.inf)


def _missing_is_left(decision: int, threshold: float) -> bool:
    """Where the training rows had no missing value of a feature, one counts as 0."""
    if decision >> MISSING_SHIFT == MISSING_IS_NAN:
        return bool(decision & DEFAULT_LEFT)
    return threshold >= 0.0


def _split_tree(tree: Tree) -> SplitTree:
    """Split nodes keep their indices, leaves follow."""
    splits, leaves = len(tree.features), len(tree.leaves)
    thresholds, by_category = tree.thresholds.tolist(), (tree.decisions & CATEGORICAL) != 0
    missing_is_left = np.fromiter(map(_missing_is_left, tree.decisions.tolist(), thresholds), bool, splits)
    no_child = np.full(leaves, -1)
    left, right = (
        np.concatenate([np.where(side < 0, splits - 1 - side, side), no_child]) for side in (tree.left, tree.right)
    )
    return SplitTree(
        left=left,
        right=right,
        features=np.concatenate([tree.features, no_child]),
        below=np.array([*map(_below, thresholds), *no_child]),
        missing_is_left=np.concatenate([missing_is_left & ~by_category, no_child == 0]),
        covers=np.concatenate([tree.node_rows, tree.leaf_rows]),
        leaves=np.concatenate([np.zeros(splits), tree.leaves]),
        sets=dict(zip(np.flatnonzero(by_category).tolist(), tree.categories, strict=True)),
    )
