"""LightGBM: the same bytes on any number of threads, and an ONNX form that scores as the library does, row by row."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tabular import ROWS, feature, has_both_classes, samples_of, schema_of, table_of

from lockgate.config.errors import InputError
from lockgate.config.params import Drift, LightGBMTrain
from lockgate.documents.schema_json import Schema
from lockgate.drift.profile import HeldOut, build_profile
from lockgate.model.features import code_matrix, model_frame
from lockgate.model.flavours.lightgbm import LightGBMModel
from lockgate.model.flavours.lightgbm_text import ZERO, LightGBMForm
from lockgate.model.flavours.native_form import read_form
from lockgate.model.golden_rows import golden_frame, golden_rows
from lockgate.model.onnx_runtime import TOLERANCE, OnnxModel
from lockgate.model.protocol import Fitted
from lockgate.model.scoring import onnx_scores, require_parity

QUICK = {"num_boost_round": 20, "learning_rate": 0.3, "num_threads": 1, "min_data_in_leaf": 5}


def fitted(schema: Schema, table: pd.DataFrame, **params: Any) -> Fitted:
    section = LightGBMTrain(**{**QUICK, **params})
    return LightGBMModel.fit(*samples_of(schema, table), section, schema, lambda *_: None)


@lru_cache
def example(**params: Any) -> tuple[Schema, pd.DataFrame, LightGBMModel]:
    schema = schema_of(feature("a", 0), feature("b", 40), feature("c", 3, nullable=False), feature("d", 0))
    table = table_of(schema, ROWS, 3, 0.1)
    model = fitted(schema, table, **params).model
    assert isinstance(model, LightGBMModel)
    return schema, table, model


def read(content: bytes, schema: Schema) -> LightGBMForm:
    return read_form(LightGBMForm, content, schema.features, "model.txt")


MODELS = st.fixed_dictionaries(
    {
        "num_leaves": st.sampled_from([2, 7, 31, 255]),
        "max_depth": st.sampled_from([-1, 1, 6]),
        "min_data_in_leaf": st.sampled_from([0, 5, 200]),
        "max_cat_to_onehot": st.sampled_from([1, 4, 300]),
        "max_cat_threshold": st.sampled_from([1, 32, 300]),
        "min_data_per_group": st.sampled_from([1, 100]),
        "cat_smooth": st.sampled_from([0.0, 10.0]),
        "scale_pos_weight": st.sampled_from([1.0, 0.2, 7.5, "balanced"]),
        "early_stopping_rounds": st.sampled_from([None, 1, 5]),
        "bagging_fraction": st.sampled_from([1.0, 0.6]),
        "feature_fraction": st.sampled_from([1.0, 0.6]),
        "path_smooth": st.sampled_from([0.0, 2.0]),
        "extra_trees": st.booleans(),
        "lambda_l1": st.sampled_from([0.0, 5.0]),
        "max_bin": st.sampled_from([15, 255]),
    }
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    levels=st.lists(st.sampled_from([0, 0, 2, 3, 31, 32, 33, 64, 65, 200]), min_size=1, max_size=6),
    gaps=st.sampled_from([0.0, 0.05, 0.5]),
    seed=st.integers(0, 2**20),
    params=MODELS,
    monotone=st.sampled_from([None, "basic", "intermediate", "advanced"]),
)
def test_every_model_scores_alike(levels: list[int], gaps: float, seed: int, params: Any, monotone: str | None) -> None:
    schema = schema_of(*(feature(f"f{place}_", count) for place, count in enumerate(levels)))
    table = table_of(schema, ROWS, seed, gaps)
    if not has_both_classes(*samples_of(schema, table)):
        return
    constraints = {one.name: 1 for one in schema.features if one.kind == "numeric"} if monotone else {}
    method = {"monotone_constraints_method": monotone} if monotone else {}
    model = fitted(schema, table, monotone=constraints, **method, **params).model
    served = model.onnx(schema.feature_names)
    rows = golden_rows(schema, build_profile(table, schema, Drift(), HeldOut(np.linspace(0, 1, 50))))
    for tried in (table, table_of(schema, 300, seed + 1, 0.7), golden_frame(rows, schema)):
        features = model_frame(tried, schema)
        require_parity(onnx_scores(served, features), model, features, "the rows tried")


def thresholds_of(model: LightGBMModel, place: int) -> list[float]:
    """Where the trees split one feature."""
    found: set[float] = set()
    for tree in model.files()["model.txt"].decode().split("\nTree=")[1:]:
        keys = dict(line.split("=", 1) for line in tree.splitlines() if "=" in line)
        pairs = zip(keys["split_feature"].split(), keys["threshold"].split(), strict=True)
        found |= {float(threshold) for split, threshold in pairs if int(split) == place}
    return sorted(found)


def test_every_float32_beside_a_threshold_falls_on_the_librarys_side() -> None:
    """LightGBM splits at float64, between float32 values that are neighbours; and what is nearly 0 is 0 to it."""
    schema = schema_of(feature("a", 0))
    random = np.random.default_rng(5)
    near_zero = [0.0, -0.0, ZERO, -ZERO, ZERO / 2, -ZERO / 2, 1e-30, -1e-30, 1.0, -1.0]
    neighbours = [np.float32(3), np.nextafter(np.float32(3), np.float32(4)), np.nextafter(np.float32(3), np.float32(0))]
    values = random.choice(np.array([*near_zero, *neighbours, 3e38, -3e38], dtype=np.float32), 2000)
    effect = pd.Series(random.normal(size=len(set(values.tolist()))), index=sorted(set(values.tolist())))
    labels = (effect.loc[values.astype(float)].to_numpy() + random.normal(size=2000) * 0.3 > 0).astype("int8")
    table = pd.DataFrame({"a": values.astype("float64"), "y": labels})
    model = fitted(schema, table, min_data_in_bin=1).model
    assert isinstance(model, LightGBMModel)
    thresholds = thresholds_of(model, 0)
    assert any(abs(one) <= ZERO for one in thresholds)  # splits between 0 and its neighbours are among them
    beside = [
        value
        for one in np.array(thresholds).clip(-3e38, 3e38).astype("float32")
        for value in (one, *(np.nextafter(one, np.float32(side)) for side in (-np.inf, np.inf)))
    ]
    tried = np.array([*beside, *values[:100], np.inf, -np.inf, np.nan], dtype=np.float32).reshape(-1, 1)
    served = OnnxModel.read(model.onnx(["a"]), 1).many(tried)
    own = lightgbm.Booster(model_str=model.files()["model.txt"].decode()).predict(tried)
    assert np.abs(served - np.asarray(own)).max() <= TOLERANCE
    assert len(set(served)) > 5


@pytest.mark.parametrize("params", [{}, {"bagging_fraction": 0.7, "feature_fraction": 0.6}])
def test_the_same_bytes_for_any_number_of_threads(params: dict[str, float]) -> None:
    schema = schema_of(feature("a", 0), feature("b", 40), feature("c", 0), feature("d", 5))
    table = table_of(schema, 3000, 3, 0.1)
    models = {
        fitted(schema, table, **params, num_threads=threads, num_boost_round=8).model.files()["model.txt"]
        for threads in (1, 2, 4)
    }
    assert len(models) == 1
    assert b"parameters" not in models.pop()


def test_names_never_reach_the_library() -> None:
    schema = schema_of(feature('a[0] <x>, {y}: "größe"', 0), feature("f\n=", 3))
    model = fitted(schema, table_of(schema, ROWS, 3, 0.1)).model
    assert set(model.gains(schema.feature_names)) <= set(schema.feature_names)
    assert b"feature_names=Column_0 Column_1\n" in model.files()["model.txt"]


def test_another_seed_is_another_model() -> None:
    schema, table, _ = example()
    first, second = (fitted(schema, table, bagging_fraction=0.5, seed=seed).model.files() for seed in (1, 2))
    assert first != second


@pytest.mark.parametrize("weight", ["balanced", 5.0])
def test_class_weighting_leaves_the_mean_probability_at_the_prevalence(weight: Any) -> None:
    schema, table, _ = example()
    training, _ = samples_of(schema, table)
    found = fitted(schema, table, scale_pos_weight=weight)
    assert found.scale_pos_weight != 1.0
    assert found.model.score(training.features).mean() == pytest.approx(training.prevalence(), abs=1e-6)


def test_monotone_constraints_hold_and_matter() -> None:
    schema, table, _ = example()
    grid = pd.concat([table.head(1)] * 50, ignore_index=True).assign(a=np.linspace(-3, 3, 50))
    for sign in (1, -1):
        steps = sign * np.diff(fitted(schema, table, monotone={"a": sign}).model.score(model_frame(grid, schema)))
        assert (steps >= 0).all()
    assert (np.diff(fitted(schema, table).model.score(model_frame(grid, schema))) > 0).any()


def test_a_method_for_constraints_without_constraints_does_not_end_the_process() -> None:
    schema = schema_of(feature("b", 40), feature("c", 3))
    table = table_of(schema, ROWS, 3, 0.1)
    advanced = fitted(schema, table, monotone_constraints_method="advanced")
    assert advanced.model.files() == fitted(schema, table).model.files()


def test_the_best_round_is_kept() -> None:
    schema, table, _ = example()
    found = fitted(schema, table, num_boost_round=200, early_stopping_rounds=5)
    losses = [one.validation_log_loss for one in found.history]
    assert found.best_iteration == int(np.argmin(losses)) == len(losses) - 6
    assert found.model.files()["model.txt"].count(b"\nTree=") == found.best_iteration + 1


def test_without_a_possible_split_everybody_has_the_prevalence() -> None:
    schema, table, _ = example()
    model = fitted(schema, table, min_data_in_leaf=10_000).model
    training, validation = samples_of(schema, table)
    scores = onnx_scores(model.onnx(schema.feature_names), validation.features)
    assert scores == pytest.approx(training.prevalence(), abs=1e-6)


def test_explanations_add_up_to_the_log_odds() -> None:
    schema, table, model = example(scale_pos_weight=3.0)
    features = model_frame(table.head(100), schema)
    content = model.files()["model.txt"]
    contributions = read(content, schema).explainer()(code_matrix(features))
    assert contributions.shape == (100, 5)
    assert 1 / (1 + np.exp(-contributions.sum(axis=1))) == pytest.approx(model.score(features), abs=1e-9)
    library = lightgbm.Booster(model_str=content.decode())
    assert contributions == pytest.approx(library.predict(code_matrix(features), pred_contrib=True), abs=1e-9)


def test_gains_are_of_the_features_that_are_split_on() -> None:
    schema, _, model = example()
    gains = model.gains(schema.feature_names)
    assert set(gains) <= set(schema.feature_names)
    assert min(gains.values()) > 0


def other(**params: Any) -> bytes:
    """A model that `fit` does not make."""
    schema, table, _ = example()
    training, _ = samples_of(schema, table)
    labels = training.labels + (np.arange(len(training.labels)) % 3 == 0) * (params.get("objective") == "multiclass")
    values = np.nan_to_num(code_matrix(training.features))
    dataset = lightgbm.Dataset(values, labels, params={"verbosity": -1, **params})
    found = lightgbm.train({"verbosity": -1, "num_threads": 1, **params}, dataset, num_boost_round=2)
    return found.model_to_string().encode()


OTHERS: dict[str, Callable[[], bytes]] = {
    "is none that the kit trains: its objective is 'regression": lambda: other(objective="regression"),
    "is none that the kit trains: its objective is 'binary sigmoid:2'": lambda: other(objective="binary", sigmoid=2.0),
    "is none that the kit trains: its objective is 'multiclass num_class:3'": lambda: other(
        objective="multiclass", num_class=3
    ),
    "is damaged in its tree 0: its leaves are linear": lambda: other(objective="binary", linear_tree=True),
    "is damaged in its tree 0: a node takes zeros as missing": lambda: other(objective="binary", zero_as_missing=True),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_model_that_is_none_of_ours_is_refused(what: str) -> None:
    with pytest.raises(InputError, match=f"model.txt {what}"):
        read(OTHERS[what](), example()[0])


def test_a_model_of_other_features_is_refused() -> None:
    with pytest.raises(InputError, match="max_feature_idx is '3'"):
        read(example()[2].files()["model.txt"], schema_of(*(feature(f"f{place}", 0) for place in range(5))))


def test_a_random_forest_averages_and_is_refused() -> None:
    content = other(objective="binary", boosting="rf", bagging_freq=1, bagging_fraction=0.5)
    with pytest.raises(InputError, match="averages its trees"):
        read(content, example()[0])


def test_another_model_is_no_parity() -> None:
    schema, table, model = example()
    other_model = fitted(schema, table, learning_rate=0.2).model
    features = model_frame(table, schema)
    scores = onnx_scores(other_model.onnx(schema.feature_names), features)
    with pytest.raises(InputError, match=r"model\.onnx does not score as model\.txt does: .* of the test rows"):
        require_parity(scores, model, features, "the test rows")


def first_tree(key: str, change: Callable[[list[str]], list[str]]) -> bytes:
    """The example's text with another value of a key of its first tree, given and changed as words."""
    head, tree = example()[2].files()["model.txt"].decode().split("\nTree=0\n", 1)
    lines = tree.split("\n")
    place = next(number for number, line in enumerate(lines) if line.startswith(f"{key}="))
    lines[place] = f"{key}={' '.join(change(lines[place].partition('=')[2].split()))}"
    return f"{head}\nTree=0\n{chr(10).join(lines)}".encode()


@pytest.mark.parametrize(
    ("key", "change", "words"),
    [
        ("left_child", lambda one: ["0", *one[1:]], "a child that is not after it"),
        ("left_child", lambda one: ["9999", *one[1:]], "left_child holds a number out of range"),
        ("left_child", lambda one: ["-9999", *one[1:]], "left_child holds a number out of range"),
        ("right_child", lambda one: [one[-1], *one[1:]], "not the child of exactly one other"),
        ("split_feature", lambda one: ["4", *one[1:]], "split_feature holds a number out of range"),
        ("split_feature", lambda one: ["9" * 30, *one[1:]], "split_feature holds a number out of range"),
        ("split_feature", lambda one: one[1:], "out of range"),
        ("split_feature", lambda one: ["x", *one[1:]], "split_feature holds what is no number"),
        ("threshold", lambda one: ["nan", *one[1:]], "a threshold is no number"),
        ("threshold", lambda one: one[1:], "its lists differ in length"),
        ("decision_type", lambda one: ["12", *one[1:]], "decision_type holds a number out of range"),
        ("leaf_value", lambda one: ["inf", *one[1:]], "a leaf is not finite"),
        ("leaf_value", lambda one: ["1e31", *one[1:]], "its leaves add up to no log-odds"),
        ("leaf_value", lambda one: one[1:], "its lists differ in length"),
        ("leaf_count", lambda one: ["7777", *one[1:]], "the rows of a node are not those of its children"),
        ("internal_count", lambda one: ["0", *one[1:]], "internal_count holds a number out of range"),
        ("cat_threshold", lambda one: ["-1", *one[1:]], "cat_threshold holds a number out of range"),
        ("cat_threshold", lambda one: ["4294967295"] * len(one), "a category is none of its feature"),
        ("cat_threshold", lambda one: ["0"] * len(one), "a category is none of its feature"),
        ("cat_boundaries", lambda one: [*one[:-1], "99"], "its categories are not one set for each node"),
        ("cat_boundaries", lambda one: ["1", *one[1:]], "its categories are not one set for each node"),
    ],
)
def test_a_hostile_text_is_refused_before_the_library_reads_it(
    key: str, change: Callable[[list[str]], list[str]], words: str
) -> None:
    with pytest.raises(InputError, match=rf"model\.txt is damaged.*{words}"):
        read(first_tree(key, change), example()[0])
