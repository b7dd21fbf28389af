"""XGBoost's JSON, read without XGBoost: checked, written as ONNX, and explained.

XGBoost ends the process on some damaged files, and reads others as another model than was written. So it never sees a file
that may be anybody's.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import msgspec
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

# By how much the weight of a node may differ from that of its children together: sums of float32.
WEIGHT_TOLERANCE = 1e-3


class _Tree(msgspec.Struct, frozen=True):
    """A tree, a list entry a node; `categories` of a node lead to its right child."""

    left_children: list[int]
    right_children: list[int]
    default_left: list[int]
    split_conditions: list[float]
    split_indices: list[int]
    split_type: list[int]
    sum_hessian: list[float]
    categories: list[int]
    categories_nodes: list[int]
    categories_segments: list[int]
    categories_sizes: list[int]


class _TreesParameters(msgspec.Struct, frozen=True):
    num_parallel_tree: str = ""


class _Trees(msgspec.Struct, frozen=True):
    trees: list[_Tree]
    gbtree_model_param: _TreesParameters = _TreesParameters()


class _GradientBooster(msgspec.Struct, frozen=True):
    name: str
    model: _Trees


class _Objective(msgspec.Struct, frozen=True):
    name: str


class _LearnerParameters(msgspec.Struct, frozen=True):
    base_score: str
    num_target: str


class _Learner(msgspec.Struct, frozen=True):
    feature_names: list[str]
    gradient_booster: _GradientBooster
    learner_model_param: _LearnerParameters
    objective: _Objective


class _File(msgspec.Struct, frozen=True):
    """What is read of XGBoost's JSON."""

    learner: _Learner


@dataclass(frozen=True)
class Tree:
    """A tree, checked: an entry a node, -1 as the child of a leaf, whose `conditions` is its weight.

    covers: the weight of the training rows that came by. sets: the codes that lead to the right child, by node.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    missing_is_left: NDArray[np.int64]
    conditions: NDArray[np.float32]
    features: NDArray[np.int64]
    covers: NDArray[np.float32]
    sets: dict[int, list[int]]


@dataclass(frozen=True)
class XGBoostForm:
    """A booster of the event's probability: its intercept as a probability, and its trees."""

    features: int
    intercept: np.float32
    trees: Sequence[Tree]

    @classmethod
    def read(cls, content: bytes, features: Sequence[Feature]) -> XGBoostForm:
        """The booster in XGBoost's JSON; raises DamagedError where it is not what the kit trains on these features."""
        learner = _decoded(content).learner
        booster = learner.gradient_booster
        found = {
            "booster": (booster.name, "gbtree"),
            "objective": (learner.objective.name, "binary:logistic"),
            "num_target": (learner.learner_model_param.num_target, "1"),
            "num_parallel_tree": (booster.model.gbtree_model_param.num_parallel_tree, "1"),
        }
        for name, (value, known) in found.items():
            require(value == known, f"is none that the kit trains: its {name} is {value[:40]!r} and not {known!r}")
        names = [feature.name for feature in features]
        require(
            learner.feature_names == names, "is none that the kit trains: its features are not those of schema.json"
        )
        intercept = _intercept(learner.learner_model_param.base_score)
        categories = np.array([len(feature.categories) for feature in features], dtype=np.int64)
        trees = []
        for number, tree in enumerate(booster.model.trees):
            try:
                trees.append(_checked(tree, categories))
            except DamagedError as error:
                raise DamagedError(f"is damaged in its tree {number}: {error}") from None
        require_finite_sum(tree.conditions[tree.left == -1] for tree in trees)
        return cls(len(features), intercept, trees)

    def onnx(self) -> bytes:
        """As ONNX: its float32 additions are XGBoost's, in its order, so log-odds are equal but for the intercept's last bit."""
        ensemble = TreeEnsemble()
        ensemble.leaf(0, 0, _float32_log_odds(self.intercept))
        for position, tree in enumerate(self.trees, start=1):
            _add_tree(ensemble, position, tree)
        return ensemble.to_bytes(self.features)

    def explainer(self) -> Explain:
        """By the weights of the training rows in each node, as the library's own `pred_contribs`."""
        trees = [_split_tree(tree) for tree in self.trees]
        return tree_shap(trees, self.features, _float32_log_odds(self.intercept))


def _decoded(content: bytes) -> _File:
    try:
        # Python's, since msgspec's does not take the Infinity that XGBoost writes beyond the largest of all values.
        return msgspec.convert(json.loads(content), _File)
    except (ValueError, OverflowError, RecursionError) as error:
        what = str(error) if isinstance(error, msgspec.ValidationError) else "no JSON"
        raise DamagedError(f"is not XGBoost's JSON: {what[:200]}") from None


def _intercept(base_score: str) -> np.float32:
    """The probability in a list of one, as text."""
    problem = "is damaged: its base_score is not one probability"
    try:
        (probability,) = msgspec.json.decode(base_score, type=list[float])
    except ValueError:
        raise DamagedError(problem) from None
    rounded = np.float32(probability)
    require(0.0 < rounded < 1.0, problem)
    return rounded


def _checked(tree: _Tree, categories: NDArray[np.int64]) -> Tree:
    nodes = len(tree.left_children)
    lengths = {len(getattr(tree, name)) for name in _Tree.__struct_fields__ if not name.startswith("categories")}
    require(nodes > 0 and lengths == {nodes}, "its lists are empty or differ in length")
    child = partial(integers, problem="a child is no node of it", low=-1, high=nodes - 1)
    left, right = child(tree.left_children), child(tree.right_children)
    missing_is_left = integers(tree.default_left, "default_left is neither 0 nor 1", 0, 1)
    features = integers(tree.split_indices, "a split is on no feature", 0, len(categories) - 1)
    kinds = integers(tree.split_type, "a split_type is neither 0 nor 1", 0, 1)
    conditions = numbers(tree.split_conditions, "a split_condition is no number", np.float32)
    covers = numbers(tree.sum_hessian, "a sum_hessian is no number", np.float32)
    is_leaf = left == -1
    require(np.array_equal(is_leaf, right == -1), "a node has one child")
    require(np.isfinite(conditions[is_leaf]).all(), "a leaf is not finite")
    splits = np.flatnonzero(~is_leaf)
    children = np.column_stack([left[splits], right[splits]])
    require_tree(splits, children, nodes)
    by_category = categories[features[splits]] > 0
    require(np.array_equal(kinds[splits] == 1, by_category), "a split is of another kind than its feature")
    require(np.isfinite(covers).all() and (covers > 0).all(), "a sum_hessian is not above 0")
    whole, parts = covers[splits], covers.astype(np.float64)[children].sum(axis=1)
    require((np.abs(parts - whole) <= WEIGHT_TOLERANCE * whole).all(), "a sum_hessian is not its children's")
    sets = _sets(tree, splits[by_category], categories[features])
    return Tree(left, right, missing_is_left, conditions, features, covers, sets)


def _sets(tree: _Tree, nodes: NDArray[np.int64], categories: NDArray[np.int64]) -> dict[int, list[int]]:
    """The codes of each of the nodes that split by category; `categories` has how many there are, by node."""
    count = len(tree.categories)
    problem = "its categories are not one set for each node that splits by category, one after the other"
    require(tree.categories_nodes == nodes.tolist(), problem)
    sizes = integers(tree.categories_sizes, problem, 1, count)
    ends = np.cumsum(sizes)
    require(len(sizes) == len(nodes) and (ends[-1] if len(ends) else 0) == count, problem)
    require(tree.categories_segments == (ends - sizes).tolist(), problem)
    codes = integers(tree.categories, "a category is none of its feature", 0)
    require((codes < np.repeat(categories[nodes], sizes)).all(), "a category is none of its feature")
    found = {node: part.tolist() for node, part in zip(nodes.tolist(), np.split(codes, ends[:-1]), strict=False)}
    require(all(part == sorted(set(part)) for part in found.values()), "a set of categories is not in order")
    return found


def _float32_log_odds(probability: np.float32) -> float:
    """The intercept as XGBoost computes it from the probability that it stores, in float32.

    The logarithm is rounded from float64, and so the same on every processor; numpy's and the C library's in float32 are not,
    and differ from it in the last bit for one probability in six, and in two hundred.
    """
    return float(np.float32(-math.log(np.float32(1) / probability - np.float32(1))))


def _add_tree(ensemble: TreeEnsemble, position: int, tree: Tree) -> None:
    free = len(tree.left)  # ids for the nodes that sets of categories add
    rows = zip(
        tree.left.tolist(),
        tree.right.tolist(),
        tree.missing_is_left.tolist(),
        tree.conditions.tolist(),
        tree.features.tolist(),
        strict=True,
    )
    for node, (left, right, missing_is_left, condition, feature) in enumerate(rows):
        if left == -1:
            ensemble.leaf(position, node, condition)
        elif node in tree.sets:
            missing = left if missing_is_left else right
            free = ensemble.categories(position, node, feature, tree.sets[node], (right, left), missing, free)
        else:
            ensemble.branch(position, node, feature, condition, left, right, bool(missing_is_left))


def _split_tree(tree: Tree) -> SplitTree:
    """With the codes of a set on the left side."""
    left, right, missing_is_left = tree.left.copy(), tree.right.copy(), tree.missing_is_left == 1
    by_category = list(tree.sets)
    left[by_category], right[by_category] = tree.right[by_category], tree.left[by_category]
    missing_is_left[by_category] ^= True
    return SplitTree(
        left=left,
        right=right,
        features=tree.features,
        below=tree.conditions,
        missing_is_left=missing_is_left,
        covers=tree.covers,
        leaves=tree.conditions,
        sets=tree.sets,
    )
