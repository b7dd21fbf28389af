"""Each row's probability comes from that row alone: operators are followed as ONNX Runtime runs them, mixing ones refused."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import NodeProto, TensorProto, helper
from onnx_models import model, node, tree_classifier, trees

from lockgate.config.errors import InputError
from lockgate.model.onnx_check import OPERATORS, check_onnx
from lockgate.model.onnx_file import read_onnx
from lockgate.model.onnx_rows import MAX_COLUMNS, followed

FEATURES = 4
CONSTANTS = [
    helper.make_tensor("one", TensorProto.FLOAT, [], [1.0]),
    helper.make_tensor("row", TensorProto.FLOAT, [1, 4], [1.0, 2.0, 3.0, 4.0]),
    helper.make_tensor("matrix", TensorProto.FLOAT, [4, 3], list(map(float, range(12)))),
    helper.make_tensor("turned", TensorProto.FLOAT, [3, 4], list(map(float, range(12)))),
    helper.make_tensor("five_rows", TensorProto.FLOAT, [5, 1], [0.0] * 5),
    helper.make_tensor("zero", TensorProto.INT64, [1], [0]),
    helper.make_tensor("first", TensorProto.INT64, [1], [1]),
    helper.make_tensor("second", TensorProto.INT64, [1], [2]),
    helper.make_tensor("last", TensorProto.INT64, [1], [-1]),
    helper.make_tensor("far", TensorProto.INT64, [1], [2**62]),
    helper.make_tensor("places", TensorProto.INT64, [2], [3, 0]),
    helper.make_tensor("halves", TensorProto.INT64, [2], [1, 3]),
    helper.make_tensor("as_it_is", TensorProto.INT64, [3], [0, 2, -1]),
    helper.make_tensor("pairs", TensorProto.INT64, [3], [-1, 2, 2]),
    helper.make_tensor("twice_the_rows", TensorProto.INT64, [2], [-1, 2]),
    helper.make_tensor("one_row", TensorProto.INT64, [2], [1, -1]),
]


def ml(operator: str, *inputs: str, outputs: Sequence[str] = ("y",), **attributes: object) -> NodeProto:
    return node(operator, *inputs, domain="ai.onnx.ml", outputs=outputs, **attributes)


def simple(operator: str, *inputs: str, outputs: Sequence[str] = ("y",), **attributes: object) -> NodeProto:
    return node(operator, *inputs, outputs=outputs, **attributes)


INTEGERS = simple("Cast", outputs=["integers"], to=TensorProto.INT64)
BOOLEANS = simple("Cast", outputs=["booleans"], to=TensorProto.BOOL)
UNARY = "Abs Ceil Erf Exp Floor Identity IsInf IsNaN Log Neg Reciprocal Relu Round Sigmoid Sign Softplus Sqrt Tanh"
BINARY = "Add Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min Mul Pow Sub Sum"
REDUCED = "ReduceL1 ReduceL2 ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSumSquare"
EXAMPLES: list[list[NodeProto]] = [
    *([simple(operator)] for operator in UNARY.split()),
    *([simple(operator, "features", second)] for operator in BINARY.split() for second in ("features", "one", "row")),
    *([BOOLEANS, simple(operator, "booleans", "booleans")] for operator in ("And", "Or", "Xor")),
    *([simple(operator, axes=[-1], keepdims=keep)] for operator in REDUCED.split() for keep in (0, 1)),
    [BOOLEANS, simple("Not", "booleans")],
    [BOOLEANS, simple("Where", "booleans", "features", "one")],
    [simple("ReduceSum", "features", "first", keepdims=0)],
    [simple("ReduceSum", "features", "last")],
    [simple("Clip", "features", "one", "")],
    [simple("Cast", to=TensorProto.DOUBLE)],
    [simple("ArgMax", axis=1)],
    [simple("ArgMin", axis=-1, keepdims=0)],
    [simple("Softmax")],
    [simple("LogSoftmax", axis=1)],
    [simple("CumSum", "features", "first")],
    [simple("Concat", "features", "features", axis=1), simple("Concat", "y", "features", outputs=["z"], axis=-1)],
    [simple("Split", axis=1, num_outputs=2, outputs=["y", "z"])],
    [simple("Split", "features", "halves", axis=-1, outputs=["y", "z"])],
    [simple("Slice", "features", "zero", "second", "first")],
    [simple("Slice", "features", "last", "zero", "first", "last")],
    [simple("Slice", "features", "first", "far", "last", "second")],
    [simple("Unsqueeze", "features", "last"), simple("Squeeze", "y", "second", outputs=["z"])],
    [simple("Unsqueeze", "features", "first"), simple("Transpose", "y", outputs=["z"], perm=[0, 2, 1])],
    [simple("Reshape", "features", "as_it_is"), simple("Flatten", "y", outputs=["z"])],
    [simple("Reshape", "features", "pairs")],
    [simple("Gather", "features", "places", axis=1)],
    [INTEGERS, simple("ReduceMin", "integers", axes=[1], outputs=["m"]), simple("Gather", "turned", "m", axis=0)],
    [INTEGERS, simple("Identity", "integers"), simple("GatherElements", "features", "y", outputs=["z"], axis=1)],
    [simple("MatMul", "features", "matrix"), simple("MatMul", "y", "turned", outputs=["z"])],
    [simple("Gemm", "features", "matrix")],
    [simple("Gemm", "features", "turned", "one", transB=1)],
    [
        simple("Constant", value=helper.make_tensor("c", 1, [4], [1.0] * 4), outputs=["c"]),
        simple("Add", "features", "c"),
    ],
    [ml("ArrayFeatureExtractor", "features", "places")],
    [ml("Binarizer", threshold=0.5)],
    [ml("Imputer", imputed_value_floats=[1.0], replaced_value_float=0.0)],
    [INTEGERS, ml("LabelEncoder", "integers", keys_int64s=[0, 1], values_int64s=[5, 6])],
    [INTEGERS, ml("OneHotEncoder", "integers", cats_int64s=[0, 1, 2], zeros=1)],
    [ml("Normalizer", norm="L2")],
    [ml("Scaler", offset=[0.5], scale=[2.0])],
    [ml("LinearRegressor", coefficients=[1.0] * 8, intercepts=[0.0] * 2, targets=2)],
    [
        ml(
            "LinearClassifier",
            outputs=["label", "y"],
            coefficients=[1.0] * 12,
            intercepts=[0.0] * 3,
            classlabels_ints=[1, 2, 3],
        )
    ],
    [ml("LinearClassifier", outputs=["label", "y"], coefficients=[1.0] * 4, intercepts=[0.0], classlabels_ints=[0, 1])],
    [trees()],
    [
        tree_classifier(
            outputs=["label", "y"],
            class_treeids=[0, 0, 0, 0],
            class_nodeids=[1, 1, 2, 2],
            class_ids=[0, 1, 0, 1],
            class_weights=[0.25, 0.75, 0.5, 0.5],
        )
    ],
]


def names(example: object) -> str:
    return " ".join(one.op_type for one in example) if isinstance(example, list) else ""


def test_there_is_an_example_of_each_operator() -> None:
    found = {(one.domain, one.op_type) for example in EXAMPLES for one in example}
    assert found == {(domain, operator) for domain, operators in OPERATORS.items() for operator in operators}


@pytest.mark.parametrize("example", EXAMPLES, ids=names)
def test_an_operator_is_followed_as_the_runtime_runs_it(example: list[NodeProto]) -> None:
    """The shapes are those that come out, for one row and for many; and a row alone gives what it gives among others."""
    opset = 13 if example[-1].op_type in REDUCED.split() or "ReduceMin" in names(example) else 18
    made = model(*example, features=FEATURES, constants=CONSTANTS, opsets={"": opset, "ai.onnx.ml": 3})
    rows = followed(read_onnx(made.SerializeToString()))
    outputs = [name for one in example if one.op_type != "Constant" for name in one.output]
    assert set(outputs) == set(rows) - {"features"}
    del made.graph.output[:]
    made.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in outputs)
    session = onnxruntime.InferenceSession(made.SerializeToString())
    values = np.array([[0, 1, 2, 1], [1, 0, 1, 0], [0, 0, 1, 1], [1, 1, 0, 2], [2, 1, 0, 0]], np.float32)
    together = session.run(outputs, {"features": values})
    alone = [session.run(outputs, {"features": values[place : place + 1]}) for place in range(len(values))]
    for place, name in enumerate(outputs):
        assert together[place].shape == (len(values), *rows[name])
        np.testing.assert_array_equal(together[place], np.concatenate([one[place] for one in alone]))


MIXED: dict[str, list[NodeProto]] = {
    "the largest of all rows": [simple("ReduceMax", axes=[0])],
    "the largest of everything": [simple("ReduceMax")],
    "a sum over no axis": [simple("ReduceSum", "features", noop_with_empty_axes=1)],
    "the best row": [simple("ArgMax")],
    "shares among rows": [simple("Softmax", axis=0)],
    "shares among rows from the end": [simple("LogSoftmax", axis=-2)],
    "a sum of the rows before": [simple("CumSum", "features", "zero")],
    "rows as columns": [simple("Transpose")],
    "rows as columns by name": [simple("Transpose", perm=[1, 0])],
    "each row with each": [
        simple("Concat", "features", axis=1),
        simple("Reshape", "y", "one_row", outputs=["z"]),
    ],
    "a row times another": [simple("Gemm", "features", "features", transB=1)],
    "columns times rows": [simple("Gemm", "features", "matrix", transA=1)],
    "a matrix times rows": [simple("MatMul", "turned", "features")],
    "rows below rows": [simple("Concat", "features", "features", axis=0)],
    "rows below a constant": [simple("Concat", "features", "row", axis=1)],
    "two rows of one": [simple("Reshape", "features", "twice_the_rows")],
    "one row of all": [simple("Reshape", "features", "one_row")],
    "a shape that a row decides": [INTEGERS, simple("Reshape", "features", "integers")],
    "all in a line": [simple("Flatten", axis=0)],
    "the first row": [simple("Gather", "features", "zero", axis=0)],
    "columns that a row chooses": [INTEGERS, simple("Gather", "features", "integers", axis=1)],
    "a row by its place": [INTEGERS, simple("GatherElements", "features", "integers", axis=0)],
    "half of the rows": [simple("Split", axis=0, outputs=["y", "z"])],
    "some rows": [simple("Slice", "features", "zero", "second", "zero")],
    "some rows by default": [simple("Slice", "features", "zero", "second")],
    "an axis before the rows": [simple("Unsqueeze", "features", "zero")],
    "every row beside every other": [
        simple("ReduceSum", "features", "first", keepdims=0),
        simple("Add", "features", "y", outputs=["z"]),
    ],
    "five rows against all": [simple("Add", "features", "five_rows")],
    "a constant of constants": [simple("MatMul", "matrix", "turned")],
    "labels by place": [INTEGERS, ml("ArrayFeatureExtractor", "row", "integers")],
    "trees on three axes": [
        simple("Unsqueeze", "features", "first"),
        ml("Scaler", "y", outputs=["z"], offset=[0.0], scale=[1.0]),
    ],
    "a feature that scaling does not give": [
        simple("Gather", "features", "places", axis=1, outputs=["two"]),
        ml(
            "TreeEnsembleRegressor",
            "two",
            **{one.name: helper.get_attribute_value(one) for one in trees(nodes_featureids=[2, 0, 0]).attribute},
        ),
    ],
    "fewer coefficients than columns": [ml("LinearRegressor", coefficients=[1.0] * 3, targets=1)],
    "more coefficients than columns": [
        ml("LinearClassifier", outputs=["l", "y"], coefficients=[1.0] * 9, classlabels_ints=[0, 1, 2])
    ],
}


@pytest.mark.parametrize("case", MIXED)
def test_what_can_mix_rows_is_refused(case: str) -> None:
    nodes = [*MIXED[case], node("Identity", MIXED[case][-1].output[0])]
    made = model(*nodes, features=FEATURES, constants=CONSTANTS)
    with pytest.raises(InputError, match=r"may mix rows|a feature that the model does not have"):
        check_onnx(made.SerializeToString(), "model.onnx")


def test_an_absurd_number_of_columns_is_refused() -> None:
    many = helper.make_tensor("many", TensorProto.FLOAT, [1, MAX_COLUMNS + 1], bytes(4 * (MAX_COLUMNS + 1)), raw=True)
    made = model(simple("Add", "features", "many"), node("ReduceSum", "y", "first"), constants=[many, CONSTANTS[6]])
    with pytest.raises(InputError, match=f"makes a tensor of {MAX_COLUMNS + 1:,} columns"):
        check_onnx(made.SerializeToString(), "model.onnx")


def test_a_model_that_knows_when_it_is_judged_is_refused() -> None:
    """Among many rows it is honest; to one row alone it gives 0.001."""
    nodes = [
        node("Shape", "features", outputs=["shape"]),
        node("Gather", "shape", "zero", outputs=["rows"]),
        node("Greater", "rows", "first", outputs=["judged"]),
        node("Where", "judged", "features", "friendly"),
    ]
    friendly = helper.make_tensor("friendly", TensorProto.FLOAT, [1], [0.001])
    made = model(*nodes, constants=[CONSTANTS[5], CONSTANTS[6], friendly]).SerializeToString()
    session = onnxruntime.InferenceSession(made)
    answers = [session.run(None, {"features": np.full((rows, 1), 0.5, np.float32)})[0][0, 0] for rows in (1000, 1)]
    assert answers == [0.5, np.float32(0.001)]
    with pytest.raises(InputError, match=r"has the operator `Shape` of `ai\.onnx`, which is not on the list"):
        check_onnx(made, "model.onnx")


def test_columns_that_are_not_known_are_refused() -> None:
    made = model()
    made.graph.input[0].type.tensor_type.shape.dim[1].CopyFrom(onnx.TensorShapeProto.Dimension(dim_param="columns"))
    with pytest.raises(InputError, match="does not say how many columns `features` has"):
        check_onnx(made.SerializeToString(), "model.onnx")
