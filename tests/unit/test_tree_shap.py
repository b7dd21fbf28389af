"""What explains a sum of trees: Shapley's values by their definition, and those of the libraries, for trees of any shape."""

from __future__ import annotations

from itertools import combinations
from math import factorial
from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tabular import ROWS, feature, samples_of, schema_of, table_of

from lockgate.config.params import LightGBMTrain, XGBoostTrain
from lockgate.model.features import code_matrix, model_frame
from lockgate.model.flavours import tree_shap as module
from lockgate.model.flavours.lightgbm import LightGBMModel
from lockgate.model.flavours.lightgbm_text import LightGBMForm
from lockgate.model.flavours.tree_shap import SplitTree, tree_shap
from lockgate.model.flavours.xgboost import XGBoostModel
from lockgate.model.flavours.xgboost_json import XGBoostForm

FEATURES, CATEGORIES = 4, 3  # the last feature has categories
SCHEMA = schema_of(feature("a", 0), feature("b", 9), feature("c", 0), feature("d", 40), feature("e", 0))


def random_tree(seed: int, splits: int) -> SplitTree:
    """A tree that grew by splitting any of its leaves, by any feature, again and again."""
    random = np.random.default_rng(seed)
    left, right = [-1], [-1]
    covers = [1000.0]
    for _ in range(splits):
        leaf = random.choice([node for node, child in enumerate(left) if child < 0])
        left[leaf], right[leaf] = len(left), len(left) + 1
        share = random.uniform(0.05, 0.95)
        covers += [covers[leaf] * share, covers[leaf] * (1 - share)]
        left += [-1, -1]
        right += [-1, -1]
    features = random.integers(0, FEATURES, len(left))
    by_category = [node for node, child in enumerate(left) if child >= 0 and features[node] == FEATURES - 1]
    return SplitTree(
        left=np.array(left),
        right=np.array(right),
        features=features,
        below=random.normal(size=len(left)),
        missing_is_left=random.random(len(left)) < 0.5,
        covers=np.array(covers),
        leaves=random.normal(size=len(left)),
        sets={node: random.choice(CATEGORIES, random.integers(1, CATEGORIES), replace=False) for node in by_category},
    )


def expected_value(tree: SplitTree, row: NDArray[Any], known: set[int], node: int = 0) -> float:
    """What the tree gives where only some features are known, by the share of training rows elsewhere."""
    if tree.left[node] < 0:
        return float(tree.leaves[node])
    place = int(tree.features[node])
    sides = [expected_value(tree, row, known, int(side[node])) for side in (tree.left, tree.right)]
    if place not in known:
        shares = [tree.covers[side[node]] / tree.covers[node] for side in (tree.left, tree.right)]
        return float(np.dot(shares, sides))
    if np.isnan(row[place]):
        goes_left = tree.missing_is_left[node]
    else:
        goes_left = row[place] in tree.sets[node] if node in tree.sets else row[place] < tree.below[node]
    return sides[0] if goes_left else sides[1]


def by_definition(trees: list[SplitTree], row: NDArray[Any]) -> list[float]:
    found = []
    for place in range(FEATURES):
        others = [other for other in range(FEATURES) if other != place]
        total = 0.0
        for size in range(FEATURES):
            weight = factorial(size) * factorial(FEATURES - size - 1) / factorial(FEATURES)
            for known in combinations(others, size):
                total += weight * sum(
                    expected_value(tree, row, {*known, place}) - expected_value(tree, row, set(known)) for tree in trees
                )
        found.append(total)
    return [*found, sum(expected_value(tree, row, set()) for tree in trees)]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    splits=st.lists(st.integers(0, 12), min_size=1, max_size=3),
    group=st.sampled_from([1, 10, 16_384]),
)
def test_it_is_shapleys_definition(seed: int, splits: list[int], group: int) -> None:
    trees = [random_tree(seed + place, count) for place, count in enumerate(splits)]
    random = np.random.default_rng(seed)
    rows = random.normal(size=(5, FEATURES)).astype(np.float32)
    rows[:, -1] = random.integers(0, CATEGORIES, 5)
    rows[random.random(rows.shape) < 0.2] = np.nan
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "GROUP_NODES", group)
        found = tree_shap(trees, FEATURES, 0.25)(rows)
    for row, contributions in zip(rows, found, strict=True):
        expected = by_definition(trees, row)
        expected[-1] += 0.25
        assert contributions == pytest.approx(expected, abs=1e-12)


def test_without_trees_everybody_has_the_intercept() -> None:
    assert tree_shap([], 2, -1.5)(np.zeros((1, 2), dtype=np.float32)).tolist() == [[0.0, 0.0, -1.5]]


@pytest.mark.parametrize("depth", [1, 3, 12])
def test_it_is_what_xgboost_says(depth: int) -> None:
    table = table_of(SCHEMA, ROWS, depth, 0.1)
    section = XGBoostTrain(num_boost_round=30, max_depth=depth, min_child_weight=0.0, nthread=1)
    model = XGBoostModel.fit(*samples_of(SCHEMA, table), section, SCHEMA, lambda *_: None).model
    (content,) = model.files().values()
    values = code_matrix(model_frame(table, SCHEMA))
    booster = xgboost.Booster({"nthread": 1}, model_file=bytearray(content))
    kinds = ["c" if one.categories else "float" for one in SCHEMA.features]
    matrix = xgboost.DMatrix(
        values, feature_names=SCHEMA.feature_names, feature_types=kinds, enable_categorical=True, nthread=1
    )
    expected = booster.predict(matrix, pred_contribs=True)
    assert XGBoostForm.read(content, SCHEMA.features).explainer()(values) == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("leaves", [2, 8, 200])
def test_it_is_what_lightgbm_says(leaves: int) -> None:
    table = table_of(SCHEMA, ROWS, leaves, 0.1)
    section = LightGBMTrain(num_boost_round=30, num_leaves=leaves, min_data_in_leaf=1, num_threads=1)
    model = LightGBMModel.fit(*samples_of(SCHEMA, table), section, SCHEMA, lambda *_: None).model
    (content,) = model.files().values()
    values = code_matrix(model_frame(table, SCHEMA))
    expected = lightgbm.Booster(model_str=content.decode()).predict(values, pred_contrib=True)
    assert LightGBMForm.read(content, SCHEMA.features).explainer()(values) == pytest.approx(expected, abs=1e-9)
