"""model.onnx gives the probabilities of model.json, for whatever `fit` can make; and what is not a model of ours is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabular import ROWS, feature, has_both_classes, samples_of, schema_of, table_of

from lockgate.config.errors import InputError
from lockgate.config.params import Drift, XGBoostTrain
from lockgate.documents.schema_json import Schema
from lockgate.drift.profile import HeldOut, build_profile
from lockgate.model.features import code_matrix, model_frame
from lockgate.model.flavours.native_form import read_form
from lockgate.model.flavours.xgboost import XGBoostModel
from lockgate.model.flavours.xgboost_json import XGBoostForm
from lockgate.model.golden_rows import golden_file, golden_frame, golden_rows
from lockgate.model.onnx_runtime import OnnxModel
from lockgate.model.protocol import TrainedModel
from lockgate.model.scoring import onnx_scores, require_parity


def trained(schema: Schema, table: pd.DataFrame, **params: Any) -> TrainedModel:
    section = XGBoostTrain(**{"num_boost_round": 20, "learning_rate": 0.3, "nthread": 1, **params})
    return XGBoostModel.fit(*samples_of(schema, table), section, schema, lambda *_: None).model


def read(content: bytes, schema: Schema) -> XGBoostForm:
    return read_form(XGBoostForm, content, schema.features, "model.json")


MODELS = st.fixed_dictionaries(
    {
        "max_depth": st.integers(1, 7),
        "max_cat_to_onehot": st.sampled_from([1, 4, 300]),
        "max_cat_threshold": st.sampled_from([1, 8, 64, 300]),
        "grow_policy": st.sampled_from(["depthwise", "lossguide"]),
        "scale_pos_weight": st.sampled_from([1.0, 0.2, 7.5, "balanced"]),
        "early_stopping_rounds": st.sampled_from([None, 1, 5]),
        "min_child_weight": st.sampled_from([0.0, 1.0, 50.0]),
        "reg_alpha": st.sampled_from([0.0, 5.0]),
        "max_delta_step": st.sampled_from([0.0, 0.5]),
        "subsample": st.sampled_from([1.0, 0.6]),
    }
)


@given(
    levels=st.lists(st.sampled_from([0, 0, 2, 3, 31, 32, 33, 64, 65, 200]), min_size=1, max_size=6),
    gaps=st.sampled_from([0.0, 0.05, 0.5]),
    seed=st.integers(0, 2**20),
    params=MODELS,
    monotone=st.booleans(),
)
def test_every_model_scores_alike(levels: list[int], gaps: float, seed: int, params: Any, monotone: bool) -> None:
    schema = schema_of(*(feature(f"f{place}_", count) for place, count in enumerate(levels)))
    table = table_of(schema, ROWS, seed, gaps)
    if not has_both_classes(*samples_of(schema, table)):
        return
    constraints = {one.name: 1 for one in schema.features if one.kind == "numeric"} if monotone else {}
    model = trained(schema, table, monotone=constraints, **params)
    served = model.onnx(schema.feature_names)
    rows = golden_rows(schema, build_profile(table, schema, Drift(), HeldOut(np.linspace(0, 1, 50))))
    for tried in (table, table_of(schema, 300, seed + 1, 0.7), golden_frame(rows, schema)):
        features = model_frame(tried, schema)
        require_parity(onnx_scores(served, features), model, features, "the rows tried")


@lru_cache
def example() -> tuple[Schema, TrainedModel]:
    schema = schema_of(feature("a", 0), feature("b", 40), feature("c", 3, nullable=False))
    return schema, trained(schema, table_of(schema, ROWS, 3, 0.1))


def test_equal_models_give_equal_bytes_without_a_trace_of_when_or_where() -> None:
    import onnx

    schema, model = example()
    first, second = (model.onnx(schema.feature_names) for _ in range(2))
    assert first == second
    document = onnx.load_from_string(first)
    assert (document.producer_name, document.producer_version, document.doc_string) == ("lockgate", "", "")
    assert [value.name for value in document.graph.input] == ["features"]
    assert [value.name for value in document.graph.output] == ["probability"]


def test_a_leaf_of_zero_in_the_first_tree_leaves_the_intercept_alone() -> None:
    """A converter in use takes the probability for the log-odds there."""
    schema, _ = example()
    model = trained(schema, table_of(schema, ROWS, 3, 0.1), min_child_weight=1e9, num_boost_round=1)
    features = model_frame(table_of(schema, 20, 4, 0.1), schema)
    scores = onnx_scores(model.onnx(schema.feature_names), features)
    assert len(set(scores)) == 1
    require_parity(scores, model, features, "rows")


def test_a_model_that_scores_a_row_otherwise_alone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one can that compares two orders of one sum: for many rows they are equal, for one they differ in the last digit."""
    schema, model = example()
    features = model_frame(table_of(schema, 30, 4, 0.1), schema)
    content = model.onnx(schema.feature_names)
    honest = OnnxModel.each
    assert len(onnx_scores(content, features)) == 30
    assert len(onnx_scores(content, features.head(0))) == 0
    changed = code_matrix(features)[17].tolist()

    def each(self: OnnxModel, rows: np.ndarray) -> np.ndarray:
        are_changed = [np.array_equal(row, changed, equal_nan=True) for row in rows.tolist()]
        return honest(self, rows) + 2e-5 * np.array(are_changed)

    monkeypatch.setattr(OnnxModel, "each", each)
    with pytest.raises(InputError, match="gives a row another probability alone than among others"):
        onnx_scores(content, features)


def edited(change: Callable[[dict[str, Any]], None]) -> bytes:
    document = json.loads(example()[1].files()["model.json"])
    change(document["learner"])
    return json.dumps(document).encode()


OTHERS: dict[str, Callable[[dict[str, Any]], None]] = {
    "objective": lambda learner: learner["objective"].update(name="reg:squarederror"),
    "booster": lambda learner: learner["gradient_booster"].update(name="dart"),
    "features": lambda learner: learner["feature_names"].reverse(),
    "num_target": lambda learner: learner["learner_model_param"].update(num_target="2"),
    "num_parallel_tree": lambda learner: learner["gradient_booster"]["model"]["gbtree_model_param"].update(
        num_parallel_tree="3"
    ),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_model_that_is_none_of_ours_is_refused(what: str) -> None:
    with pytest.raises(InputError, match=rf"model\.json is none that the kit trains: its {what} (is|are)"):
        read(edited(OTHERS[what]), example()[0])


@pytest.mark.parametrize(
    "name", ["a[0]", "b<1", "c]", 'say "x"', "back\\slash", "\x00", "new\nline", "größe", "\\u00fc", ""]
)
def test_any_name_of_a_column_goes_into_the_json_and_comes_back(name: str) -> None:
    schema = schema_of(feature(name, 0), feature("other", 3))
    model = trained(schema, table_of(schema, ROWS, 3, 0.1))
    content = model.files()["model.json"]
    assert json.loads(content)["learner"]["feature_names"] == [name, "other"]
    assert read(content, schema).onnx() == model.onnx(schema.feature_names)
    assert set(model.gains(schema.feature_names)) == {name, "other"}


@pytest.mark.parametrize("change", ["leaf", "default", "nan"])
def test_another_model_is_no_parity(change: str) -> None:
    """The check can fail: a leaf moved by a little, a missing value sent the other way, a score that is none."""
    schema, model = example()
    document = json.loads(model.files()["model.json"])
    tree = document["learner"]["gradient_booster"]["model"]["trees"][0]
    leaf = tree["left_children"].index(-1)
    if change == "leaf":
        tree["split_conditions"][leaf] += 1e-4
    elif change == "default":
        tree["default_left"] = [1 - side for side in tree["default_left"]]
    features = model_frame(table_of(schema, ROWS, 5, 0.3), schema)
    scores = onnx_scores(read(json.dumps(document).encode(), schema).onnx(), features)
    if change == "nan":
        scores[7] = np.nan
    with pytest.raises(InputError, match=r"model\.onnx does not score as model\.json does: .* of the test rows"):
        require_parity(scores, model, features, "the test rows")


def test_golden_rows_have_every_category_every_gap_and_both_sides_of_every_edge() -> None:
    bounded = feature("a", 0, minimum=-1.0, maximum=1.0, nullable=False)
    whole = feature("w", 0, integer=True)
    schema = schema_of(bounded, whole, feature("b", 70), feature("c", 3, nullable=False))
    table = table_of(schema, ROWS, 3, 0.1).assign(w=lambda frame: frame["w"].round())
    profile = build_profile(table, schema, Drift(), HeldOut(np.linspace(0, 1, 50)))
    rows = golden_rows(schema, profile)
    assert 60 <= len(rows) <= 300
    for position, one in enumerate(schema.features):
        values = [row[one.name] for row in rows]
        alone = [row for row in rows if [name for name in row if row[name] is None] == [one.name]]
        assert alone
        if one.kind == "categorical":
            assert set(one.categories) <= set(values)
            continue
        numbers = np.array([value for value in values if value is not None])
        for edge in profile.features[position].edges:
            if -1 < edge < 1:
                assert ((numbers > edge) & (numbers < edge + 1.1)).any()
                assert ((numbers < edge) & (numbers > edge - 2.1)).any()
                assert one.integer or edge in numbers
    assert all(value is None or -1 <= value <= 1 for value in (row["a"] for row in rows))
    assert all(value is None or float(value).is_integer() for value in (row["w"] for row in rows))
    assert set(rows[-1].values()) == {None}


def test_golden_file_is_json_that_gives_the_same_rows_again() -> None:
    schema, model = example()
    table = table_of(schema, ROWS, 3, 0.1)
    rows = golden_rows(schema, build_profile(table, schema, Drift(), HeldOut(np.linspace(0, 1, 50))))
    answers = model.score(model_frame(golden_frame(rows, schema), schema))
    document = json.loads(golden_file(rows, answers))
    assert document["schema"] == 1
    again = model_frame(golden_frame(document["rows"], schema), schema)
    assert np.array_equal(model.score(again), np.array(document["probabilities"]))
