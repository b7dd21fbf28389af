"""Which leaf of each tree a row falls into: as the libraries say, whoever made the trees and whatever stands before them."""

from __future__ import annotations

from functools import cache
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from exported_models import exported_pipeline, fitted_pipeline, loans
from msgspec.structs import replace
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from tabular import ROWS, feature, samples_of, schema_of, table_of

import lockgate
from lockgate.config.errors import InputError
from lockgate.config.params import LightGBMTrain, XGBoostTrain
from lockgate.data.split import hashed_shares
from lockgate.documents.profile_json import LeafCounts
from lockgate.documents.schema_json import ROW_KEY
from lockgate.model import leaves
from lockgate.model.features import code_matrix, model_frame, text_frame
from lockgate.model.flavours.lightgbm import LightGBMModel
from lockgate.model.flavours.xgboost import XGBoostModel
from lockgate.model.leaves import TreeLeaves, bundle_leaves, tree_leaves
from lockgate.model.onnx_standard_form import standard_form

QUICK = {"num_boost_round": 30, "learning_rate": 0.3}
SCHEMA = schema_of(feature("a", 0), feature("b", 40), feature("c", 3, nullable=False), feature("d", 0))
TABLE = table_of(SCHEMA, ROWS, 3, 0.1)
# Missing values, and categories that are rare in training.
FRAME = model_frame(pd.concat([TABLE, table_of(SCHEMA, 300, 4, 0.7)], ignore_index=True), SCHEMA)
PARAMS = lockgate.Params.model_validate(
    {"prepare": {"source": "loans", "target": "defaulted", "id_columns": ["id"]}, "train": {"model": "own"}}
)


@cache
def trained(kind: str) -> tuple[bytes, NDArray[Any]]:
    """model.onnx, and the library's own leaf of each row of `FRAME` in each tree."""
    if kind == "xgboost":
        model: Any = XGBoostModel.fit(*samples_of(SCHEMA, TABLE), XGBoostTrain(**QUICK), SCHEMA, lambda *_: None).model
        booster = xgboost.Booster(model_file=bytearray(model.files()["model.json"]))
        own = booster.predict(xgboost.DMatrix(FRAME, enable_categorical=True), pred_leaf=True)
    else:
        section = LightGBMTrain(**QUICK, num_threads=1, min_data_in_leaf=5)
        model = LightGBMModel.fit(*samples_of(SCHEMA, TABLE), section, SCHEMA, lambda *_: None).model
        text = model.files()["model.txt"].decode()
        own = lightgbm.Booster(model_str=text).predict(code_matrix(FRAME).astype(np.float64), pred_leaf=True)
    return model.onnx(SCHEMA.feature_names), np.asarray(own).astype(np.int64)


def read(content: bytes) -> TreeLeaves:
    found = tree_leaves(content)
    assert found is not None
    return found


def assert_same_partitions(found: NDArray[Any], own: NDArray[Any]) -> None:
    """In each tree, the rows of a leaf are those of a leaf of the library's, and no others."""
    assert found.shape == own.shape
    for ours, theirs in zip(found.T, own.T, strict=True):
        pairs = np.unique(np.stack([ours, theirs]), axis=1)
        assert pairs.shape[1] == len(np.unique(ours)) == len(np.unique(theirs))


@pytest.mark.parametrize("kind", ["xgboost", "lightgbm"])
def test_every_row_is_in_the_leaf_that_the_library_says(kind: str) -> None:
    content, own = trained(kind)
    trees = read(content)
    found = trees.numbers(code_matrix(FRAME))
    grown = [place for place, size in enumerate(trees.sizes) if size > 1]
    assert len(trees.sizes) - len(grown) <= 1 + (own.max(axis=0) == 0).sum(), "one leaf is the intercept's at most"
    assert_same_partitions(found[:, grown], own[:, own.max(axis=0) > 0])


@pytest.mark.parametrize("kind", ["xgboost", "lightgbm"])
def test_the_counts_are_those_of_the_rows_however_many_are_read_at_once(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees = read(trained(kind)[0])
    numbers = trees.numbers(code_matrix(FRAME))
    expected = [np.count_nonzero(numbers == leaf) for leaf in range(sum(trees.sizes))]
    monkeypatch.setattr(leaves, "ENTRIES_AT_ONCE", 7 * len(trees.sizes))
    counted = trees.count(FRAME)
    assert counted.n == len(FRAME)
    assert [rows for tree in counted.trees for rows in tree] == expected
    assert [len(tree) for tree in counted.trees] == list(trees.sizes)
    sample = trees.batch(len(FRAME), trees.cells(code_matrix(FRAME)), list(FRAME)).cells.sample
    assert {tuple(row) for row in sample.tolist()} <= {tuple(row) for row in numbers.tolist()}
    assert len(sample) == min(len(FRAME), 1_000)


@pytest.mark.parametrize("kind", ["xgboost", "lightgbm"])
def test_the_questions_divide_the_rows_as_the_trees_do(kind: str) -> None:
    """A row's answer to a question changes with the feature that it asks about, and with no other once it is asked."""
    trees = read(trained(kind)[0])
    numbers, splits = trees.numbers(code_matrix(FRAME)), trees.splits(code_matrix(FRAME), list(FRAME))
    assert len({split.bounds for split in splits}) == len(splits)
    for name in FRAME:
        changed = FRAME.assign(**{name: FRAME[name].iloc[::-1].to_numpy()})
        if isinstance(FRAME[name].dtype, pd.CategoricalDtype):
            changed[name] = changed[name].astype(FRAME[name].dtype)
        other = trees.numbers(code_matrix(changed))
        for split in (one for one in splits if one.features != (name,)):
            tree = int(np.searchsorted(np.cumsum(trees.sizes), split.bounds[0], side="right"))
            before, after = (np.searchsorted(split.bounds, found[:, tree], side="right") for found in (numbers, other))
            asked_both = (before > 0) & (before < len(split.bounds)) & (after > 0) & (after < len(split.bounds))
            assert (before[asked_both] == after[asked_both]).all(), split


@cache
def dataset() -> lockgate.Dataset:
    return lockgate.prepare(loans(), PARAMS.prepare)


@cache
def pipeline(kind: str) -> tuple[bytes, Any, pd.DataFrame]:
    """A model.onnx with what scikit-learn does before its trees, the pipeline, and rows."""
    classifiers = {
        "forest": RandomForestClassifier(n_estimators=20, random_state=0, max_depth=6),
        "boosting": GradientBoostingClassifier(n_estimators=20, random_state=0),
        "linear": LogisticRegression(),
    }
    rows = model_frame(dataset().train, dataset().schema)
    fitted = fitted_pipeline(classifiers[kind], text_frame(rows), dataset().train["defaulted"].to_numpy())
    exported = exported_pipeline(fitted, text_frame(rows), zipmap=True)
    return standard_form(exported, dataset().schema, "model.onnx").content, fitted, rows


@pytest.mark.parametrize("kind", ["forest", "boosting"])
def test_what_stands_before_the_trees_stays(kind: str) -> None:
    content, fitted, rows = pipeline(kind)
    own = fitted[-1].apply(fitted[:-1].transform(text_frame(rows)).astype(np.float32))
    assert_same_partitions(read(content).numbers(code_matrix(rows)), own.reshape(len(rows), -1))


def test_a_question_about_an_encoded_category_names_the_feature() -> None:
    content, _, rows = pipeline("forest")
    trees = read(content)
    asked = {split.features for split in trees.splits(code_matrix(rows), list(rows))}
    assert asked == {(name,) for name in rows}


def test_a_model_without_trees_has_no_leaves() -> None:
    assert tree_leaves(pipeline("linear")[0]) is None


def test_of_a_large_forest_the_first_trees_are_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    content, _, rows = pipeline("forest")
    every = read(content)
    numbers = every.numbers(code_matrix(rows))
    monkeypatch.setattr(leaves, "MAX_TREES", 3)
    first = read(content)
    assert (first.sizes, first.left_out) == (every.sizes[:3], 17)
    assert (first.numbers(code_matrix(rows)) == numbers[:, :3]).all()
    unseen = first.batch(len(rows), first.cells(code_matrix(rows)), list(rows)).unseen
    assert unseen.startswith("what none of 3 of the 20 trees asks about")
    monkeypatch.setattr(leaves, "MAX_LEAVES", sum(every.sizes[:3]) - 1)
    assert read(content).sizes == every.sizes[:2]
    monkeypatch.setattr(leaves, "MAX_LEAVES", every.sizes[0] - 1)
    assert tree_leaves(content) is None


def test_a_profile_that_counts_the_leaves_of_other_trees_is_refused() -> None:
    content, _, _ = pipeline("forest")
    bundle = lockgate.import_model(content, dataset().train, dataset().schema, PARAMS).trained.bundle
    assert bundle_leaves(bundle) is not None
    counted = bundle.profile.leaves
    assert counted is not None
    fewer = LeafCounts(counted.n, counted.trees[:-1])
    for other in (fewer, None):
        vars(bundle)["profile"] = replace(bundle.profile, leaves=other)
        with pytest.raises(
            InputError, match=r"does not count the leaves of the trees in model\.onnx; take the bundle whole"
        ):
            lockgate.measure_drift(bundle, dataset().train)


@pytest.mark.parametrize(("kind", "method"), [("forest", "leaves"), ("linear", "pairs")])
def test_a_bundle_is_watched_by_its_held_out_rows_or_by_others(kind: str, method: str) -> None:
    content, _, _ = pipeline(kind)
    rows = dataset().train
    bundle = lockgate.import_model(content, rows, dataset().schema, PARAMS).trained.bundle
    profile = bundle.profile
    assert (profile.leaves is None, profile.pairs is None) == (method == "pairs", method == "leaves")
    found = lockgate.measure_drift(bundle, rows[::2]).model_drift
    assert found is not None
    held_out = profile.leaves or profile.pairs
    assert held_out is not None
    assert (found.method, found.status, found.n_reference) == (method, "stable", held_out.n)
    other = lockgate.measure_drift(bundle, rows[::2], reference_rows=rows[rows["months"] > 30]).model_drift
    assert other is not None
    assert (other.method, other.status, other.n_reference) == (method, "warn", (rows["months"] > 30).sum())
    assert other.features[0] == "months"


def test_the_profile_has_xgboosts_own_counts_of_the_held_out_rows() -> None:
    params = lockgate.Params.model_validate({"train": {**QUICK, "nthread": 1}})
    bundle = lockgate.train(dataset().train, dataset().schema, params).bundle
    rows = dataset().train
    held_out = rows[hashed_shares(rows[ROW_KEY].to_numpy(), params.train.seed, "validation") < 0.2]
    booster = xgboost.Booster(model_file=bytearray(bundle.contents["model.json"]))
    matrix = xgboost.DMatrix(model_frame(held_out, dataset().schema), enable_categorical=True)
    own = booster.predict(matrix, pred_leaf=True).astype(np.int64)
    counted = bundle.profile.leaves
    assert counted is not None
    assert counted.n == len(held_out)
    grown = [sorted(rows for rows in tree if rows) for tree in counted.trees if len(tree) > 1]
    assert grown == [sorted(np.unique(tree, return_counts=True)[1].tolist()) for tree in own.T if tree.max() > 0]
