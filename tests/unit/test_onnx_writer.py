"""The bytes that the kit writes as ONNX are those that the package `onnx` writes for the same model."""

from __future__ import annotations

from functools import lru_cache

import onnx
import pytest
from tabular import ROWS, feature, samples_of, schema_of, table_of

from lockgate.config.params import LightGBMTrain, ScorecardTrain, XGBoostTrain
from lockgate.model import onnx_writer
from lockgate.model.flavours.table import FLAVOURS

SECTIONS = {
    "xgboost": XGBoostTrain(num_boost_round=5, nthread=1),
    "lightgbm": LightGBMTrain(num_boost_round=5, num_threads=1),
    "scorecard": ScorecardTrain(),
}


@lru_cache
def served(kind: str) -> bytes:
    schema = schema_of(feature("a", 0), feature("b", 40), feature("c", 3, nullable=False))
    training, validation = samples_of(schema, table_of(schema, ROWS, 3, 0.1))
    fitted = FLAVOURS[kind].load().fit(training, validation, SECTIONS[kind], schema, lambda *_: None)
    return fitted.model.onnx(schema.feature_names)


@pytest.mark.parametrize("kind", FLAVOURS)
def test_onnx_reads_the_bytes_and_writes_the_same(kind: str) -> None:
    document = onnx.load_from_string(served(kind))
    onnx.checker.check_model(document, full_check=True)
    assert document.SerializeToString(deterministic=True) == served(kind)


def test_every_kind_of_attribute_is_the_one_that_onnx_makes() -> None:
    values = [0, 1, 127, 128, 300, 2**31, 2**62, -1]
    numbers = [0.0, -0.0, 0.1, 1e-45, 3e38, float("inf")]
    made = {
        onnx_writer.integer("a", -5): onnx.helper.make_attribute("a", -5),
        onnx_writer.integers("a", values): onnx.helper.make_attribute("a", values),
        onnx_writer.floats("a", numbers): onnx.helper.make_attribute("a", numbers),
        onnx_writer.texts("a", ["é", "", "x"]): onnx.helper.make_attribute("a", ["é", "", "x"]),
        onnx_writer.doubles("t", [2, 3], numbers): onnx.helper.make_tensor(
            "t", onnx.TensorProto.DOUBLE, [2, 3], numbers
        ),
        onnx_writer.numbers("t", numbers): onnx.helper.make_tensor(
            "t", onnx.TensorProto.FLOAT, [len(numbers)], numbers
        ),
        onnx_writer.words("t", ["é", "", "x"]): onnx.helper.make_tensor(
            "t", onnx.TensorProto.STRING, [3], ["é", "", "x"]
        ),
        onnx_writer.indices("t", values): onnx.helper.make_tensor("t", onnx.TensorProto.INT64, [len(values)], values),
    }
    for content, expected in made.items():
        assert content == expected.SerializeToString(deterministic=True)


def test_other_names_change_nothing_else() -> None:
    trees = onnx.load_from_string(served("xgboost")).graph.node[0]
    content = onnx_writer.renamed_node(trees.SerializeToString(), ["new"], ["newer", ""])
    found = onnx.NodeProto.FromString(content)
    assert (list(found.input), list(found.output)) == (["new"], ["newer", ""])
    assert (found.op_type, found.domain, list(found.attribute)) == (trees.op_type, trees.domain, list(trees.attribute))
    for made in (
        onnx.helper.make_tensor("old", onnx.TensorProto.DOUBLE, [2], [0.5, -1.0]),
        onnx.helper.make_tensor("old", onnx.TensorProto.FLOAT, [1], b"1234", raw=True),
        onnx.TensorProto(name="old", data_type=onnx.TensorProto.INT64, dims=[1], int64_data=[-7], doc_string="old"),
    ):
        renamed = onnx.TensorProto.FromString(onnx_writer.renamed_tensor(made.SerializeToString(), "new"))
        assert renamed.name == "new"
        renamed.name = "old"
        assert renamed == made
