"""Models as the converters of scikit-learn and LightGBM write them, in the bundle's one form: the same scores, or why not."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import cache
from typing import Any

import lightgbm
import numpy as np
import onnx
import pandas as pd
import pytest
from exported_models import (
    convert_booleans,
    exported_booster,
    exported_matrix_model,
    exported_pipeline,
    fitted_pipeline,
    loans,
)
from numpy.typing import NDArray
from onnx import TensorProto, helper
from onnx_models import content, node, tree_classifier
from onnx_mutants import mutant
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from support import sample
from tabular import feature, schema_of

import lockgate
from lockgate.documents.schema_json import Schema, TargetClasses
from lockgate.model.features import code_matrix, model_frame, text_frame
from lockgate.model.onnx_check import check_onnx
from lockgate.model.onnx_runtime import OnnxModel
from lockgate.model.onnx_standard_form import StandardForm, standard_form
from lockgate.model.scoring import OWN_TOLERANCE, onnx_scores

PARAMS = lockgate.Params.model_validate(
    {"prepare": {"source": "loans", "target": "defaulted", "id_columns": ["id"]}, "train": {"model": "own"}}
)


@cache
def dataset() -> lockgate.Dataset:
    return lockgate.prepare(loans(), PARAMS.prepare)


def features() -> pd.DataFrame:
    """Training rows, of which some lack an income or a housing."""
    return model_frame(dataset().train, dataset().schema)


def labels() -> NDArray[Any]:
    return dataset().train["defaulted"].to_numpy()


def formed(exported: bytes, schema: Schema | None = None, **choice: Any) -> StandardForm:
    return standard_form(exported, schema or dataset().schema, "model.onnx", **choice)


PIPELINES: dict[str, Callable[[], Any]] = {
    "logistic regression": LogisticRegression,
    "gradient boosting": lambda: GradientBoostingClassifier(n_estimators=20, random_state=0),
    "histogram gradient boosting": lambda: HistGradientBoostingClassifier(max_iter=20, random_state=0),
    "random forest": lambda: RandomForestClassifier(n_estimators=20, random_state=0, max_depth=6),
}


@cache
def pipeline(kind: str) -> Any:
    return fitted_pipeline(PIPELINES[kind](), text_frame(features()), labels())


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("kind", PIPELINES)
def test_a_pipeline_scores_as_in_scikit_learn(kind: str, zipmap: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    convert_booleans(monkeypatch)
    rows, fitted = features(), pipeline(kind)
    expected = fitted.predict_proba(text_frame(rows))[:, 1]
    found = formed(exported_pipeline(fitted, text_frame(rows), zipmap))
    assert np.abs(onnx_scores(found.content, rows) - expected).max() <= OWN_TOLERANCE
    assert found.event_class == 1
    operators = [one.op_type for one in onnx.load_from_string(found.content).graph.node]
    assert not {"ZipMap", "ArgMax"} & set(operators), "what makes dictionaries and labels is left out"


def test_what_the_documents_say_of_histogram_gradient_boosting_is_so() -> None:
    """Once skl2onnx converts it with protobuf 7, this fails: convert_booleans goes, and what docs/import-model.md says of it."""
    with pytest.raises(ValueError, match="Unable to create node") as found:
        exported_pipeline(pipeline("histogram gradient boosting"), text_frame(features()), False)
    assert "Expected an int, got a boolean" in str(found.value.__cause__)


@pytest.mark.parametrize("zipmap", [True, False])
def test_lightgbm_takes_categories_as_codes_and_what_is_missing(zipmap: bool) -> None:
    rows, settings = code_matrix(features()), {"objective": "binary", "verbose": -1, "num_leaves": 7, "num_threads": 1}
    booster = lightgbm.train(settings, lightgbm.Dataset(rows, labels()), 20)
    found = formed(exported_booster(booster, rows.shape[1], zipmap))
    assert np.isnan(rows).any()
    assert np.abs(onnx_scores(found.content, features()) - booster.predict(rows)).max() <= OWN_TOLERANCE


@pytest.mark.parametrize("zipmap", [True, False])
def test_a_model_of_one_matrix_has_the_features_in_the_schemas_order(zipmap: bool) -> None:
    rows = np.nan_to_num(code_matrix(features()))
    rows /= np.float32(rows.max())
    fitted = LogisticRegression().fit(rows, labels())
    found = formed(exported_matrix_model(fitted, rows.shape[1], zipmap))
    scores = OnnxModel.read(found.content, rows.shape[1]).many(rows)
    assert np.abs(scores - fitted.predict_proba(rows)[:, 1]).max() <= OWN_TOLERANCE


def test_a_row_has_the_same_score_alone() -> None:
    """onnx_scores refuses a difference of 1e-5; of trees there is none at all."""
    rows = features()
    found = OnnxModel.read(formed(exported_pipeline(pipeline("random forest"), text_frame(rows), True)).content, 4)
    matrix = code_matrix(rows)[:100]
    assert [found.one(row) for row in matrix.tolist()] == found.many(matrix).tolist()


NUMBERS = lockgate.prepare(loans()[["id", "income", "months", "defaulted"]].dropna(), PARAMS.prepare).schema


def by_hand(
    *nodes: onnx.NodeProto, inputs: dict[str, int], outputs: dict[str, tuple[int, list[int | str]]], **more: Any
) -> bytes:
    """A model with these inputs of shape (rows, 1), by their element types, and outputs."""
    graph = helper.make_graph(
        nodes,
        "made by hand",
        [helper.make_tensor_value_info(name, kind, ["rows", 1]) for name, kind in inputs.items()],
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in outputs.items()],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    return bytes(helper.make_model(graph, opset_imports=opsets, **{"ir_version": 10, **more}).SerializeToString())


TYPES = {
    "float": TensorProto.FLOAT,
    "double": TensorProto.DOUBLE,
    "int64": TensorProto.INT64,
    "int32": TensorProto.INT32,
}


@pytest.mark.parametrize("kind", TYPES)
def test_numbers_of_every_type_are_taken(kind: str) -> None:
    """The probability is the sigmoid of the months, whatever the income."""
    exported = by_hand(
        helper.make_node("Cast", ["months"], ["number"], to=TensorProto.FLOAT),
        helper.make_node("Sigmoid", ["number"], ["p"]),
        inputs={"income": TensorProto.FLOAT, "months": TYPES[kind]},
        outputs={"p": (TensorProto.FLOAT, ["rows", 1])},
    )
    rows = np.array([[7.0, 0.0], [7.0, 2.0], [7.0, np.nan]], np.float32)
    found = OnnxModel.read(formed(exported, NUMBERS).content, 2).many(rows)
    assert found == pytest.approx([0.5, 1 / (1 + np.exp(-2.0)), np.nan], abs=1e-7, nan_ok=True)


def test_five_hundred_columns_of_texts_are_not_too_many_operators() -> None:
    """The share of columns that have their second category."""
    names = [f"column {place}" for place in range(500)]
    encoded = [
        helper.make_node(
            "LabelEncoder",
            [name],
            [f"{name} encoded"],
            domain="ai.onnx.ml",
            keys_strings=[f"{name}1"],
            values_floats=[1 / len(names)],
            default_float=0.0,
        )
        for name in names
    ]
    exported = by_hand(
        *encoded,
        helper.make_node("Sum", [f"{name} encoded" for name in names], ["p"]),
        inputs=dict.fromkeys(names, TensorProto.STRING),
        outputs={"p": (TensorProto.FLOAT, ["rows", 1])},
    )
    found = OnnxModel.read(formed(exported, schema_of(*(feature(name, 2) for name in names))).content, len(names))
    for share, code in ((0.0, 0.0), (1.0, 1.0), (0.0, float("nan"))):
        assert found.one([code] * len(names)) == pytest.approx(share, abs=1e-5)


def test_names_are_free_whatever_is_called_so_here() -> None:
    exported = by_hand(
        helper.make_node("Add", ["months", "income"], ["features"]),
        helper.make_node("Sigmoid", ["features"], ["probability"]),
        inputs={"income": TensorProto.FLOAT, "months": TensorProto.FLOAT},
        outputs={"probability": (TensorProto.FLOAT, ["rows", 1])},
    )
    assert OnnxModel.read(formed(exported, NUMBERS).content, 2).one([1.0, -1.0]) == 0.5


def test_a_vector_of_probabilities_is_one_a_row() -> None:
    exported = content(
        node("Squeeze", "features", "axis"), features=1, constants=[helper.make_tensor("axis", 7, [1], [1])]
    )
    schema = lockgate.prepare(loans()[["id", "months", "defaulted"]], PARAMS.prepare).schema
    assert onnx_scores(
        formed(exported, schema).content, pd.DataFrame({"months": [0.25, 0.5]}, dtype="float32")
    ).tolist() == [
        0.25,
        0.5,
    ]


def test_a_file_as_catboost_writes_it() -> None:
    """Of an old IR version, without an opset of ONNX's own operators, its input called as ours is."""
    trees = tree_classifier(
        outputs=["label", "probability_tensor"],
        post_transform="LOGISTIC",
        nodes_featureids=[1, 0, 0],
        nodes_modes=["BRANCH_GT", "LEAF", "LEAF"],
        class_treeids=[0, 0],
        class_nodeids=[1, 2],
        class_ids=[1, 1],
        class_weights=[2.0, -1.0],
    )
    zipmap = helper.make_node(
        "ZipMap", ["probability_tensor"], ["probabilities"], domain="ai.onnx.ml", classlabels_int64s=[0, 1]
    )
    of_a_row = helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, None))
    graph = helper.make_graph(
        [trees, zipmap],
        "CatBoostModel_for_ONNX",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", 2])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, ["N"]),
            helper.make_value_info("probabilities", helper.make_sequence_type_proto(of_a_row)),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("ai.onnx.ml", 2)], ir_version=3)
    found = formed(made.SerializeToString(), NUMBERS)
    assert found.output == "probabilities"
    scores = OnnxModel.read(found.content, 2).many(np.array([[9.0, 1.0], [9.0, 0.0]], np.float32))
    assert scores == pytest.approx([1 / (1 + np.exp(-2.0)), 1 / (1 + np.exp(1.0))], abs=1e-6)


def test_what_is_in_the_bundles_form_stays_as_it_is() -> None:
    rows = features()
    once = formed(exported_pipeline(pipeline("logistic regression"), text_frame(rows), False)).content
    assert formed(once).content == once


def two_classes(labels: list[str] | None = None) -> bytes:
    attributes: dict[str, Any] = {"classlabels_strings": labels} if labels else {"classlabels_ints": [0, 1]}
    return by_hand(
        helper.make_node("Concat", ["income", "months"], ["both"], axis=1),
        helper.make_node(
            "LinearClassifier",
            ["both"],
            ["label", "scores"],
            domain="ai.onnx.ml",
            coefficients=[0.0, 1.0, 0.0, -1.0],
            intercepts=[0.0, 0.0],
            post_transform="SOFTMAX",
            **attributes,
        ),
        inputs={"income": TensorProto.FLOAT, "months": TensorProto.FLOAT},
        outputs={
            "label": (TensorProto.STRING if labels else TensorProto.INT64, ["rows"]),
            "scores": (TensorProto.FLOAT, ["rows", 2]),
        },
    )


def with_classes(positive: str, negative: str) -> Schema:
    import msgspec

    return msgspec.structs.replace(NUMBERS, classes=TargetClasses((positive,), (negative,)))


@pytest.mark.parametrize(
    ("exported", "schema", "choice", "column"),
    [
        (two_classes(), NUMBERS, {}, 1),
        (two_classes(["good", "bad"]), with_classes("bad", "good"), {}, 1),
        (two_classes(["bad", "good"]), with_classes("bad", "good"), {}, 0),
        (two_classes(["bad", "good"]), with_classes("yes", "no"), {}, 1),
        (two_classes(["bad", "good"]), with_classes("bad", "good"), {"event_class": 1}, 1),
        (two_classes(), NUMBERS, {"event_class": 0}, 0),
    ],
)
def test_the_column_is_the_events(exported: bytes, schema: Schema, choice: dict[str, int], column: int) -> None:
    found = formed(exported, schema, **choice)
    assert (found.output, found.event_class) == ("scores", column)
    score = OnnxModel.read(found.content, 2).one([0.0, 1.0])
    assert score == pytest.approx(1 / (1 + np.exp(2 * (2 * column - 1))), abs=1e-6)


def refused(exported: bytes, schema: Schema | None = None, **choice: Any) -> str:
    with pytest.raises(lockgate.InputError) as found:
        formed(exported, schema, **choice)
    message = str(found.value)
    assert "\n" not in message
    return message


def columns(*names: str, kind: int = TensorProto.FLOAT, shape: list[int | str] | None = None) -> bytes:
    """The sum of some columns."""
    graph = helper.make_graph(
        [helper.make_node("Sum", list(names), ["p"])],
        "columns",
        [helper.make_tensor_value_info(name, kind, shape or ["rows", 1]) for name in names],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["rows", 1])],
    )
    return bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10).SerializeToString()
    )


REFUSALS: dict[str, tuple[bytes, dict[str, Any], str]] = {
    "a pickle": (pickle.dumps({"model": 1}), {}, "which no model has; export the model as ONNX, of what docs/import-model.md"),
    "another number of columns": (
        content(node("ReduceSum", "features", "axis"), features=7, constants=[helper.make_tensor("axis", 7, [1], [1])]),
        {},
        "takes a matrix of 7 features, and the table has 2: `income`, `months`; leave out those that",
    ),
    "an unknown column": (columns("incom", "months"), {}, "takes `incom`, which is no feature of the table; did you mean"),
    "a column too few": (columns("income"), {}, "has no input for `months` of the table; leave it out with prepare.kinds: {months"),
    "numbers as text": (
        columns("income", "months", kind=TensorProto.STRING),
        {},
        "takes `income` as text, and the table has numbers there; set prepare.kinds: {income: categorical}",
    ),
    "wide columns": (columns("income", "months", shape=["rows", 2]), {}, "takes `income` in another shape than (rows, 1)"),
    "rows by number": (columns("income", "months", shape=[1, 1]), {}, "takes 1 rows at once; export it with a first"),
    "no such output": (two_classes(), {"output": "score"}, "--output: model.onnx gives no `score`; did you mean `scores`?"),
    "a class that is not there": (two_classes(), {"event_class": 2}, "--class is 2, and model.onnx gives two probabilities a row"),
    "a class of one": (columns("income", "months"), {"event_class": 1}, "--class: model.onnx gives one probability a row"),
    "two outputs": (
        by_hand(
            helper.make_node("Add", ["income", "months"], ["p"]),
            helper.make_node("Neg", ["p"], ["q"]),
            inputs={"income": TensorProto.FLOAT, "months": TensorProto.FLOAT},
            outputs={"p": (TensorProto.FLOAT, ["rows", 1]), "q": (TensorProto.FLOAT, ["rows", 1])},
        ),
        {},
        "gives `p`, `q`, and which of them is the probability is not clear; name it with --output",
    ),
    "three classes": (
        by_hand(
            helper.make_node("Concat", ["income", "months", "income"], ["p"], axis=1),
            inputs={"income": TensorProto.FLOAT, "months": TensorProto.FLOAT},
            outputs={"p": (TensorProto.FLOAT, ["rows", 3])},
        ),
        {},
        "gives `p`, 3 numbers a row",
    ),
    "an operator of nobody's": (
        by_hand(
            helper.make_node("Add", ["income", "months"], ["s"]),
            helper.make_node("Dropout", ["s"], ["p"]),
            inputs={"income": TensorProto.FLOAT, "months": TensorProto.FLOAT},
            outputs={"p": (TensorProto.FLOAT, ["rows", 1])},
        ),
        {},
        "has the operator `Dropout`",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_what_is_not_of_these_features_is_refused(case: str) -> None:
    exported, choice, words = REFUSALS[case]
    assert words in refused(exported, NUMBERS, **choice)


def test_a_category_is_no_number_and_a_whole_number_is_never_missing() -> None:
    rows = text_frame(features())
    exported = exported_pipeline(pipeline("logistic regression"), rows, False)
    changed = onnx.load_from_string(exported)
    kinds = {one.name: one.type.tensor_type for one in changed.graph.input}
    kinds["housing"].elem_type = TensorProto.FLOAT
    message = refused(changed.SerializeToString())
    assert "takes `housing` as numbers, and the table has categories there (`free of charge`, `own`, `rent`)" in message
    kinds["housing"].elem_type, kinds["income"].elem_type = TensorProto.STRING, TensorProto.INT64
    assert "takes `income` as int64, which has no missing value, and the table has rows without it" in refused(
        changed.SerializeToString()
    )


def test_a_damaged_export_is_refused_in_one_line_or_gives_a_checked_model() -> None:
    rows = text_frame(features())
    exported = exported_pipeline(pipeline("gradient boosting"), rows, True)
    outcomes = set()
    for seed in sample(range(2000), 150):
        try:
            check_onnx(formed(mutant(exported, seed)).content, "model.onnx")
            outcomes.add("taken")
        except lockgate.InputError as error:
            outcomes.add("refused in one line" if "\n" not in str(error) else "refused")
    assert outcomes == {"taken", "refused in one line"}
